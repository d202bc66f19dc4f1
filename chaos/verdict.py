"""Whether all is well after the trouble: every row, every notification once and in order, and nothing that waits."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import httpx
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from chaos.product import Product, Taken
from chaos.service import Service
from pluggy_sync.settings import DEFAULT_SCHEMA
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.tables import deliveries
from standalone import backlog, mirror
from standalone.polling import WaitedInVainError, eventually
from standalone.sandbox import SandboxRefusedError

LOOK_EVERY_S = 0.5
SHOWN = 10


class Verdict:
    """Checks the service after the trouble is over. `is_good` until something wrong is found."""

    def __init__(self, service: Service, product: Product, item_ids: list[str], *, say: Callable[[str], None]) -> None:
        self._sandbox = service.sandbox
        self._database = create_engine(
            service.env["DATABASE_URL"], schema=service.env.get("DATABASE_SCHEMA", DEFAULT_SCHEMA)
        )
        self._product = product
        self._item_ids = item_ids
        self._say = say
        self._waits = "nothing was seen yet"
        self.is_good = True

    def wait_until_quiet(self, bound_s: float) -> None:
        """Wait until nothing is under way or due; it must not take longer than *bound_s* seconds."""
        began = time.monotonic()
        # Longer than the bound, to tell what is late from what never comes.
        with suppress(WaitedInVainError):
            eventually(self._is_quiet, within_s=3 * bound_s, every_s=LOOK_EVERY_S, what="all is quiet")
        took = time.monotonic() - began
        self._expect(
            not self._waits and took <= bound_s, f"quiet within {bound_s:.0f} s", f"{took:.0f} s; {self._waits or '-'}"
        )

    def check(self) -> None:
        """Compare what is stored and what was told with what should be."""
        for item_id in self._item_ids:
            found = self._differences(item_id)
            self._expect(not found, f"every row of {item_id} equals the bank's", "; ".join(found[:SHOWN]))
        faults = self._faults_of_order()
        self._expect(not faults, "every notification once, in order of sequence", "; ".join(faults[:SHOWN]))
        self._expect(self._product.forged == 0, "every notification is signed", f"{self._product.forged} are not")
        self._database.dispose()

    def _expect(self, kept: bool, what: str, found: str) -> None:  # noqa: FBT001 - the outcome of a check
        self.is_good &= kept
        self._say(f"{'ok    ' if kept else 'FAILED'} {what}" + ("" if kept else f": {found}"))

    def _is_quiet(self) -> bool:
        try:
            self._waits = self._waiting()
        except (SQLAlchemyError, httpx.HTTPError, SandboxRefusedError) as exc:
            self._waits = f"{type(exc).__name__} while looking"
        return not self._waits

    def _waiting(self) -> str:
        """Return what is under way or waits; nothing when all is quiet."""
        if not self._sandbox.is_settled():
            return "the sandbox"
        with self._database.connect() as conn:
            return ", ".join(f"{count} {name}" for name, count in backlog.counts(conn).items())

    def _differences(self, item_id: str) -> list[str]:
        truth = self._sandbox.truth(item_id)
        with self._database.connect() as conn:
            return list(mirror.stored(conn, item_id).differences(truth))

    def _faults_of_order(self) -> list[str]:
        with self._database.connect() as conn:
            written = conn.execute(sa.select(deliveries.c.notification_id.label("id"), deliveries.c.state)).all()
        return list(faults_of_order(self._product.taken, {row.id: row.state for row in written}))


def faults_of_order(taken: Sequence[Taken], states: Mapping[str, str]) -> Iterator[str]:
    """
    Yield what is wrong with what the product has *taken*, in its order. *states* has what was written, by id.

    Only the first time that one was taken counts: it is taken again, under its id, if the worker died between the
    answer and writing it down.
    """
    first: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for each in taken:
        if each.notification_id not in seen and each.item_id is not None and each.sequence is not None:
            first[each.item_id].append(each.sequence)
        seen.add(each.notification_id)
    for notification_id, state in states.items():
        if state != "delivered":
            yield f"{notification_id} is {state}"
        elif notification_id not in seen:
            yield f"{notification_id} was never taken"
    for item_id, numbers in first.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{item_id} was told {numbers}"
