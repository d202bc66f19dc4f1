"""Pluggy's side of a scenario: a person connects, days pass, the bank changes, and deliveries wait to be made."""

from typing import Any

import httpx

from standalone.sandbox import Sandbox, SandboxRefusedError

Payload = dict[str, Any]

# So long Pluggy waits for the answer to a webhook (Pluggy facts 2.5).
PLUGGY_WAITS_S = 5.0

# The sandbox asks for no answer from here: all deliveries to it are lost, and the test makes them itself.
_NOWHERE = "http://127.0.0.1:1/lost"

# What most tests need. The other products would triple the requests and the statements of a test.
FEW_PRODUCTS = ("ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS")


class ImpossibleError(Exception):
    """There is no row at the bank that this change could happen to."""


class Upstream:
    """A sandbox whose events are handed to the test, which delivers them as it likes. What is begun here ends here."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._taken = 0
        self.fail()
        self.settings(deliveryAttemptsPerBatch=1, deliveryDelaysSeconds=[0.0, 0.0], runSeconds=0.0, firstRunDays=30)
        sandbox.api("POST", "/webhooks", {"url": _NOWHERE, "event": "all"})

    def connect(self, user: str = "user-ok", *, connector: int = 2, **more: Any) -> str:
        """
        Connect an Item and let its first execution end, or stop; return its id.

        It collects accounts and transactions, unless *more* names other `products`; None: all that the bank has.
        """
        item_id = self.sandbox.connect(
            user, connector=connector, **{"clientUserId": "user-42", "products": FEW_PRODUCTS, **more}
        )
        self.sandbox.settle()
        return item_id

    def update(self, item_id: str, parameters: Payload | None = None) -> None:
        """Start an execution by the API, and let it end."""
        self.start_update(item_id, parameters)
        self.sandbox.settle()

    def start_update(self, item_id: str, parameters: Payload | None = None) -> None:
        """Start an execution by the API and do not wait for its end."""
        self.sandbox.api("PATCH", f"/items/{item_id}", {} if parameters is None else {"parameters": parameters})

    def answer_mfa(self, item_id: str, **values: str) -> None:
        """Answer the question that the execution asks, and let it go on."""
        self.sandbox.api("POST", f"/items/{item_id}/mfa", values)
        self.sandbox.settle()

    def evolve(self, item_id: str, *changes: str | Payload, account_id: str | None = None) -> Payload:
        """
        Make changes happen at the bank, in one account if named; the next run brings them. Return the ids concerned.

        Raises:
            ImpossibleError: no row fits.
        """
        try:
            return self.sandbox.evolve(item_id, *changes, account_id=account_id)
        except SandboxRefusedError as exc:
            if exc.status != httpx.codes.BAD_REQUEST:
                raise
            raise ImpossibleError(str(exc)) from None

    def run(self, item_id: str) -> None:
        """Let auto-sync run the Item, to its end."""
        self.sandbox.run(item_id)
        self.sandbox.settle()

    def start_run(self, item_id: str) -> None:
        """Start a run and do not wait for its end."""
        self.sandbox.run(item_id)

    def later(self, **amount: float) -> None:
        """Let time pass at the bank: `days=` or `seconds=`."""
        self.sandbox.advance(**amount)

    def item(self, item_id: str) -> Payload:
        """Return the Item as Pluggy shows it now."""
        item: Payload = self.sandbox.api("GET", f"/items/{item_id}")
        return item

    def revoke(self, item_id: str) -> None:
        """The person withdraws the consent."""
        self.sandbox.control("POST", f"/items/{item_id}/revoke", {})

    def approve(self, item_id: str) -> None:
        """The person approves at the bank."""
        self.sandbox.control("POST", f"/items/{item_id}/approve", {})
        self.sandbox.settle()

    def delete(self, item_id: str) -> None:
        """The Item is cleaned up at Pluggy."""
        self.sandbox.control("DELETE", f"/items/{item_id}")

    def connector_health(self, connector: int, status: str) -> None:
        """Say how an institution is doing."""
        self.sandbox.control("PUT", f"/connectors/{connector}/health", {"status": status})

    def fail(self, *requests: Payload, not_found_after_event: int = 0) -> None:
        """Let requests go wrong as these rules say; with none, all is well again."""
        faults = {"requests": list(requests), "deliveries": {"loss": 1.0}, "notFoundAfterEvent": not_found_after_event}
        self.sandbox.control("PUT", "/faults", faults)

    def settings(self, **values: Any) -> None:
        """Change how the sandbox behaves."""
        self.sandbox.control("PUT", "/settings", values)

    def expire_keys(self) -> None:
        """Make all API keys void."""
        self.sandbox.control("POST", "/keys/expire", {})

    def take_events(self) -> list[Payload]:
        """Return the events since the last call, in the order in which they happened."""
        self.sandbox.settle()
        results = self.sandbox.deliveries()
        fresh = results[self._taken :]
        self._taken = len(results)
        return [each["payload"] for each in fresh]

    def take_requests(self) -> list[Payload]:
        """Return the reads that the API answered since the last call, oldest first. Only the service reads."""
        return self.sandbox.take_reads()

    def truth(self, item_id: str) -> Payload:
        """Return what a perfect mirror would hold, numbers exact."""
        return self.sandbox.truth(item_id)
