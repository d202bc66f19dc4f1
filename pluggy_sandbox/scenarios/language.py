"""What each line of a scenario does. Every line is a verb and its words; `#` begins a comment."""

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec

from pluggy_sandbox.wire.encoding import Json

CREDENTIALS: Json = {"password": "password-ok", "token": "123456", "cooperative": "0001", "certificate": "Y2VydA=="}
CPF = "761.092.776-73"


class ScenarioError(Exception):
    """A line cannot be played, or what it expects is not so."""


class Stage:
    """Plays lines against the control surface at *control*, about the Item that was connected last."""

    def __init__(self, control: httpx.Client) -> None:
        self._control = control
        self._item_id = ""

    def play(self, text: str) -> Iterator[str]:
        """
        Yield what each line brought, after it has settled.

        Raises:
            ScenarioError: names the line.
        """
        for number, line in enumerate(text.splitlines(), 1):
            words = shlex.split(line, comments=True)
            if words:
                try:
                    yield f"{line.strip():<44} {self._do(words[0], words[1:])}"
                except (ScenarioError, ValueError, IndexError) as exc:
                    raise ScenarioError(f"line {number}: {line.strip()}: {exc}") from exc

    def _do(self, verb: str, words: list[str]) -> str:
        act = _VERBS.get(verb)
        if act is None:
            raise ScenarioError(f"unknown verb; there are {', '.join(_VERBS)}")
        done = act(self, words)
        self._ask("POST", "/settle", {"timeoutSeconds": 60})
        return done or self._state()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._control.request(method, path, json=body)
        if answer.is_error:
            raise ScenarioError(answer.json().get("message", answer.text))
        return answer.json()

    def _of_item(self, what: str, body: Json | None = None) -> None:
        if not self._item_id:
            raise ScenarioError("nothing is connected yet")
        self._ask("POST", f"/items/{self._item_id}/{what}", body or {})

    def _item(self) -> Json:
        found: Json = self._ask("GET", f"/items/{self._item_id}/truth")
        return found

    def _state(self) -> str:
        if not self._item_id:
            return ""
        items = self._ask("GET", "/items")["results"]
        item = next((i for i in items if i["id"] == self._item_id), None)
        return "gone" if item is None else f"{item['status']} {item['executionStatus']}"

    def connect(self, words: list[str]) -> str | None:
        """`connect USER to CONNECTOR`."""
        user, connector = words[0], int(words[2]) if len(words) > 2 else 2
        sent = {"connectorId": connector, "parameters": {"user": user, "cpf": CPF, **CREDENTIALS}, "clientUserId": user}
        self._item_id = self._ask("POST", "/items", sent)["id"]
        return None

    def answer(self, words: list[str]) -> str | None:
        """`answer VALUE`, under the name that is asked for."""
        wanted = self._item()["item"]["parameter"]
        if wanted is None:
            raise ScenarioError("nothing is asked")
        self._of_item("mfa", {wanted["name"]: words[0]})
        return None

    def plain(self, verb: str) -> None:
        """Do what needs no more words."""
        self._of_item(verb)

    def delete(self, _: list[str]) -> str | None:
        """`delete`."""
        self._ask("DELETE", f"/items/{self._item_id}")
        return None

    def advance(self, words: list[str], seconds: int) -> str | None:
        """`day [N]` and `hour [N]`."""
        times = float(words[0]) if words else 1
        return f"it is {self._ask('POST', '/clock', {'advanceSeconds': times * seconds})['now']}"

    def change(self, words: list[str]) -> str | None:
        """`change KIND [COUNT], ...`."""
        changes = []
        for part in " ".join(words).split(","):
            kind, *count = part.split()
            changes.append({"kind": kind, "count": int(count[0]) if count else 1})
        done = self._ask("POST", f"/items/{self._item_id}/evolve", {"changes": changes})
        return ", ".join(f"{len(done[name])} {name}" for name in ("added", "modified", "removed")) + " at the bank"

    def break_next(self, words: list[str]) -> str | None:
        """`break CODE`: how the next execution ends."""
        self._of_item("break", {"executionStatus": words[0]})
        return None

    def connector(self, words: list[str]) -> str | None:
        """`connector ID STATUS`."""
        self._ask("PUT", f"/connectors/{words[0]}/health", {"status": words[1]})
        return words[1]

    def fault(self, words: list[str]) -> str | None:
        """`fault 'GET /items/{id}' KIND [NAME=VALUE ...]`."""
        rule = {"endpoint": words[0], "do": words[1], **_pairs(words[2:])}
        present = self._ask("GET", "/faults")
        self._ask("PUT", "/faults", present | {"requests": [*present["requests"], rule]})
        return "set"

    def well(self, _: list[str]) -> str | None:
        """`well`: no more faults."""
        self._ask("DELETE", "/faults")
        return "all is well"

    def setting(self, words: list[str]) -> str | None:
        """`setting NAME VALUE`."""
        self._ask("PUT", "/settings", _pairs([f"{words[0]}={words[1]}"]))
        return words[1]

    def hooks(self, words: list[str]) -> str | None:
        """`hooks URL [HEADER=VALUE ...]`: register for all events."""
        headers = dict(pair.split("=", 1) for pair in words[1:])
        self._ask("POST", "/webhooks", {"url": words[0], "event": "all", "headers": headers})
        return "registered"

    def expect(self, words: list[str]) -> str | None:
        """`expect STATUS [EXECUTION_STATUS]`."""
        state = self._state()
        if state.split()[: len(words)] != words:
            raise ScenarioError(f"it is {state}")
        return "as expected"

    def show(self, _: list[str]) -> str | None:
        """`show`: what a perfect mirror would hold."""
        truth = self._item()
        held = ", ".join(f"{len(truth[name])} {name}" for name in ("accounts", "transactions", "bills", "investments"))
        return f"{held}; last success {truth['item']['lastUpdatedAt']}"


def _pairs(words: list[str]) -> Json:
    return {name: _value(text) for name, text in (word.split("=", 1) for word in words)}


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


_DAY, _HOUR = 86_400, 3_600
_VERBS: dict[str, Callable[[Stage, list[str]], str | None]] = {
    "connect": Stage.connect,
    "answer": Stage.answer,
    "approve": lambda stage, _: stage.plain("approve"),
    "reject": lambda stage, _: stage.plain("reject"),
    "revoke": lambda stage, _: stage.plain("revoke"),
    "run": lambda stage, _: stage.plain("run"),
    "update": lambda stage, _: stage.plain("update"),
    "delete": Stage.delete,
    "day": lambda stage, words: stage.advance(words, _DAY),
    "hour": lambda stage, words: stage.advance(words, _HOUR),
    "change": Stage.change,
    "break": Stage.break_next,
    "connector": Stage.connector,
    "fault": Stage.fault,
    "well": Stage.well,
    "setting": Stage.setting,
    "hooks": Stage.hooks,
    "expect": Stage.expect,
    "show": Stage.show,
}
