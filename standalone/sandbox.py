"""The sandbox as its users see it: Pluggy's API as the product calls it, and the controls of its bank."""

from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from pluggy_sync import tls, wire

Json = dict[str, Any]

PLUGGY_BANK = 2
PASSWORD = "password-ok"  # noqa: S105  # of the test bank (Pluggy facts 7.2)
# An execution with hundreds of thousands of rows takes long.
TIMEOUT_S = 120.0


class SandboxRefusedError(Exception):
    """The sandbox answered with an error; the text has the call, `status` and the body."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class SandboxBusyError(Exception):
    """The sandbox did not settle in time."""


class Sandbox:
    """
    Calls a running sandbox. Answers are decoded JSON, amounts exact.

    The demo, the benchmarks, the chaos and the tests all use this one.
    """

    def __init__(self, url: str, *, client_id: str, client_secret: str) -> None:
        self.url = url
        self._credentials = {"clientId": client_id, "clientSecret": client_secret}
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False, verify=tls.context())
        self._api_key: str | None = None
        self._seen_requests = 0

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def register_webhook(self, target: str, *, secret_header: str, secret: str) -> None:
        """
        Have all events sent to *target* with *secret*.

        The sandbox keeps what an earlier start registered: another secret is replaced, another port given up.
        """
        headers = {secret_header: secret}
        path = urlsplit(target).path
        ours = [webhook for webhook in self.api("GET", "/webhooks")["results"] if urlsplit(webhook["url"]).path == path]
        for webhook in ours:
            if webhook["url"] == target:
                self.api("PATCH", f"/webhooks/{webhook['id']}", {"headers": headers})
            else:
                self.api("DELETE", f"/webhooks/{webhook['id']}")
        if all(webhook["url"] != target for webhook in ours):
            self.api("POST", "/webhooks", {"url": target, "event": "all", "headers": headers})

    def connect(self, user: str, *, connector: int = PLUGGY_BANK, **more: Any) -> str:
        """
        Connect a bank as the widget would after a person's login; return the new Item's id.

        *more* are further keys of the body; `parameters` are added to the login.
        """
        parameters = {"user": user, "password": PASSWORD, **more.pop("parameters", {})}
        item_id: str = self.api("POST", "/items", {"connectorId": connector, "parameters": parameters, **more})["id"]
        return item_id

    def run(self, item_id: str) -> None:
        """Let auto-sync start an execution of the Item."""
        self.control("POST", f"/items/{item_id}/run", {"triggeredBy": "SYNC"})

    def evolve(self, item_id: str, *changes: str | Json, account_id: str | None = None) -> Json:
        """
        Make changes happen at the bank, in one account if it is named; return the ids concerned.

        The next execution brings them.
        """
        wanted = [{"kind": each} if isinstance(each, str) else each for each in changes]
        of_account = {} if account_id is None else {"accountId": account_id}
        done: Json = self.control("POST", f"/items/{item_id}/evolve", {"changes": wanted, **of_account})
        return done

    def advance(self, **amount: float) -> None:
        """Let time pass at the bank, in `days=` or `seconds=`."""
        self.control("POST", "/clock", {f"advance{unit.capitalize()}": number for unit, number in amount.items()})

    def is_settled(self, within_s: float = 1.0) -> bool:
        """Whether no execution and no delivery is under way, at the latest after *within_s* seconds."""
        return bool(self.control("POST", "/settle", {"timeoutSeconds": within_s})["settled"])

    def settle(self, within_s: float = 100.0) -> None:
        """
        Wait until no execution and no delivery is under way.

        Raises:
            SandboxBusyError: it took longer than *within_s* seconds.
        """
        if not self.is_settled(within_s):
            raise SandboxBusyError(f"not settled within {within_s:g} s")

    def truth(self, item_id: str) -> Json:
        """Return what a perfect mirror of the Item would hold."""
        truth: Json = self.control("GET", f"/items/{item_id}/truth")
        return truth

    def requests(self, *, since: int = 0) -> list[Json]:
        """Return the requests that the API answered after the one with the number *since*, oldest first."""
        found: list[Json] = self.control("GET", f"/requests?{urlencode({'since': since})}")
        return found

    def take_reads(self) -> list[Json]:
        """Return the reads that the API answered since the last call, oldest first."""
        found = self.requests(since=self._seen_requests)
        self._seen_requests = max([self._seen_requests, *(each["n"] for each in found)])
        return [each for each in found if each["method"] == "GET"]

    def deliveries(self) -> list[Json]:
        """Return the deliveries of events, in the order in which the events happened."""
        found: list[Json] = self.control("GET", "/deliveries")["results"]
        return found

    def api(self, method: str, path: str, body: Json | None = None) -> Any:
        """Call Pluggy's API, as a product with its own key would."""
        if self._api_key is None:
            self._api_key = self._call("POST", "/auth", self._credentials)["apiKey"]
        return self._call(method, path, body, headers={"X-API-KEY": self._api_key})

    def control(self, method: str, path: str, body: Json | None = None) -> Any:
        """Call the sandbox's own controls; *path* is below /_sandbox."""
        return self._call(method, f"/_sandbox{path}", body)

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            return self._http.get("/_sandbox/clock").is_success
        except httpx.TransportError:
            return False

    def _call(self, method: str, path: str, body: Json | None, headers: dict[str, str] | None = None) -> Any:
        response = self._http.request(method, path, json=body, headers=headers)
        if response.is_error:
            raise SandboxRefusedError(
                f"{method} {path}: {response.status_code} {response.text[:500]}", status=response.status_code
            )
        return wire.decode(response.content) if response.content else None
