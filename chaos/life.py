"""What goes on meanwhile: people connect banks, banks have news, and people answer what they are asked."""

import random
import time
from collections.abc import Callable
from typing import Self

import httpx

from chaos.service import Service
from standalone.product import Api, ApiRefusedError
from standalone.sandbox import PASSWORD, PLUGGY_BANK, SandboxRefusedError

BANK_WITH_A_CODE = 5
CODE = "123456"
GOOD = {"user": "user-ok", "password": PASSWORD}
MOST_ITEMS = 10
# A moment between two things that happen.
PAUSE_S = 0.4


class Life:
    """Makes things happen, one after the other. What fails while something is down happens again later."""

    def __init__(self, service: Service, seed: int) -> None:
        self._sandbox = service.sandbox
        self._api = Api(service.env["WEB_URL"], service.env["API_TOKENS"].partition(",")[0], timeout_s=5)
        self._chance = random.Random(seed)
        self.item_ids: list[str] = []
        self._connected = self._updated = self._answered = self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    @property
    def done(self) -> str:
        """What happened, in a line."""
        happened = f"{self._connected} connected, {self._updated} updates with news, {self._answered} answers given"
        return f"{happened}, {self._failed} tries met something that was down"

    def go_on_until(self, moment: float) -> None:
        """Let things happen until *moment*, a time of the monotonic clock."""
        while time.monotonic() < moment:
            what = self._chance.choices([self._connect, self._update, self._answer], [2, 5, 3])[0]
            self._try(what)
            time.sleep(max(0.0, min(PAUSE_S, moment - time.monotonic())))

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except (httpx.HTTPError, SandboxRefusedError, ApiRefusedError):
            self._failed += 1

    def _connect(self) -> None:
        if len(self.item_ids) >= MOST_ITEMS:
            return
        connector, user = self._chance.choice(
            [(PLUGGY_BANK, "user-ok"), (PLUGGY_BANK, "user-bad"), (BANK_WITH_A_CODE, "user-ok")]
        )
        whose = f"customer-{len(self.item_ids)}"
        self.item_ids.append(self._sandbox.connect(user, connector=connector, clientUserId=whose))
        self._connected += 1

    def _update(self) -> None:
        if not self.item_ids:
            return
        item_id = self._chance.choice(self.item_ids)
        self._sandbox.evolve(item_id, "add", "edit")
        self._sandbox.run(item_id)
        self._updated += 1

    def _answer(self) -> None:
        for item_id in self._chance.sample(self.item_ids, min(2, len(self.item_ids))):
            for action in self._api.open_actions(item_id):
                if action["kind"] == "mfa":
                    self._api.answer_mfa(action["id"], CODE)
                elif action["kind"] == "credentials":
                    self._api.give_credentials(action["id"], GOOD)
                else:
                    continue
                self._answered += 1
