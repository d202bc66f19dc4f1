"""Pluggy's side of a scenario: a person connects, days pass, the bank changes, and deliveries wait to be made."""

import json
from typing import Any

import httpx

from pluggy_sandbox.testing import RunningSandbox
from pluggy_sync import wire

Payload = dict[str, Any]

# The sandbox asks for no answer from here: all deliveries to it are lost, and the test makes them itself.
_NOWHERE = "http://127.0.0.1:1/lost"


class ImpossibleError(Exception):
    """There is no row at the bank that this change could happen to."""


class Upstream:
    """A sandbox whose events are handed to the test, which delivers them as it likes."""

    def __init__(self, sandbox: RunningSandbox, api: httpx.Client) -> None:
        self.sandbox = sandbox
        self.api = api
        self._control = sandbox.control
        self._taken = 0
        self._seen_requests = 0
        self.fail()
        self.settings(deliveryAttemptsPerBatch=1, deliveryDelaysSeconds=[0.0, 0.0], runSeconds=0.0, firstRunDays=30)
        self._post("/webhooks", {"url": _NOWHERE, "event": "all"})

    def connect(self, user: str = "user-ok", *, connector: int = 2, **more: Any) -> str:
        """Connect an Item and let its first run end, or stop; return its id."""
        parameters = {"user": user, "password": "password-ok", **more.pop("parameters", {})}
        body = {"connectorId": connector, "parameters": parameters, "clientUserId": "user-42", **more}
        item_id: str = self._post("/items", body)["id"]
        self.sandbox.settle()
        return item_id

    def update(self, item_id: str, parameters: Payload | None = None) -> None:
        """Start a run by the API, and let it end."""
        body = {} if parameters is None else {"parameters": parameters}
        self.api.patch(f"/items/{item_id}", json=body).raise_for_status()
        self.sandbox.settle()

    def answer_mfa(self, item_id: str, **values: str) -> None:
        """Answer the question that the run asks, and let it go on."""
        self._post(f"/items/{item_id}/mfa", values)
        self.sandbox.settle()

    def evolve(self, item_id: str, *changes: str | Payload, account_id: str | None = None) -> Payload:
        """
        Make changes happen at the bank, in one account if named; the next run brings them. Return the ids concerned.

        Raises:
            ImpossibleError: no row fits.
        """
        wanted = [{"kind": each} if isinstance(each, str) else each for each in changes]
        of_account = {} if account_id is None else {"accountId": account_id}
        response = self._control.post(f"/items/{item_id}/evolve", json={"changes": wanted, **of_account})
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise ImpossibleError(response.text)
        assert response.is_success, response.text
        answer: Payload = response.json()
        return answer

    def run(self, item_id: str) -> None:
        """Let auto-sync run the Item, to its end."""
        self._control_post(f"/items/{item_id}/run", {"triggeredBy": "SYNC"})
        self.sandbox.settle()

    def start_run(self, item_id: str) -> None:
        """Start a run and do not wait for its end."""
        self._control_post(f"/items/{item_id}/run", {"triggeredBy": "SYNC"})

    def later(self, **amount: float) -> None:
        """Let time pass at the bank: `days=` or `seconds=`."""
        self._control_post("/clock", {f"advance{unit.capitalize()}": number for unit, number in amount.items()})

    def revoke(self, item_id: str) -> None:
        """The person withdraws the consent."""
        self._control_post(f"/items/{item_id}/revoke", {})

    def approve(self, item_id: str) -> None:
        """The person approves at the bank."""
        self._control_post(f"/items/{item_id}/approve", {})
        self.sandbox.settle()

    def delete(self, item_id: str) -> None:
        """The Item is cleaned up at Pluggy."""
        self._control.delete(f"/items/{item_id}").raise_for_status()

    def connector_health(self, connector: int, status: str) -> None:
        """Say how an institution is doing."""
        self._control.put(f"/connectors/{connector}/health", json={"status": status}).raise_for_status()

    def fail(self, *requests: Payload, not_found_after_event: int = 0) -> None:
        """Let requests go wrong as these rules say; with none, all is well again."""
        faults = {"requests": list(requests), "deliveries": {"loss": 1.0}, "notFoundAfterEvent": not_found_after_event}
        self._control.put("/faults", json=faults).raise_for_status()

    def settings(self, **values: Any) -> None:
        """Change how the sandbox behaves."""
        self._control.put("/settings", json=values).raise_for_status()

    def expire_keys(self) -> None:
        """Make all API keys void."""
        self._control_post("/keys/expire", {})

    def take_events(self) -> list[Payload]:
        """Return the events since the last call, in the order in which they happened."""
        self.sandbox.settle()
        results = self._control.get("/deliveries").json()["results"]
        fresh = results[self._taken :]
        self._taken = len(results)
        return [each["payload"] for each in fresh]

    def take_requests(self) -> list[Payload]:
        """Return the reads that the API answered since the last call, oldest first. Only the service reads."""
        found = self._control.get("/requests", params={"since": self._seen_requests}).json()
        self._seen_requests = max([self._seen_requests, *(each["n"] for each in found)])
        return [each for each in found if each["method"] == "GET"]

    def truth(self, item_id: str) -> Payload:
        """Return what a perfect mirror would hold, numbers exact."""
        response = self._control.get(f"/items/{item_id}/truth")
        response.raise_for_status()
        truth: Payload = wire.decode(response.content)
        return truth

    def _post(self, path: str, body: Payload) -> Payload:
        response = self.api.post(path, json=body)
        assert response.is_success, f"{response.status_code} {response.text}"
        answer: Payload = json.loads(response.content)
        return answer

    def _control_post(self, path: str, body: Payload) -> Payload:
        response = self._control.post(path, json=body)
        assert response.is_success, f"{response.status_code} {response.text}"
        answer: Payload = json.loads(response.content)
        return answer
