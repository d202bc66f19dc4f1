"""The product's side of the service: its calls of /v1 and the notifications that it got."""

from collections.abc import Iterator
from typing import Any

import httpx

from pluggy_sync import wire

Json = dict[str, Any]


class ApiRefusedError(Exception):
    """The API answered with an error; the text has the call, the status and the body."""


class Api:
    """Calls /v1 with a product's token. Answers are decoded JSON, amounts exact."""

    def __init__(self, web_url: str, token: str, *, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=f"{web_url}/v1", headers=headers, timeout=timeout_s)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def item(self, item_id: str) -> Json:
        """Return an item."""
        item: Json = self._call("GET", f"/items/{item_id}")
        return item

    def accounts(self, item_id: str) -> list[Json]:
        """Return the accounts of an item."""
        return list(self._pages(f"/items/{item_id}/accounts"))

    def transactions(self, account_id: str) -> list[Json]:
        """Return all transactions of an account."""
        return list(self._pages(f"/accounts/{account_id}/transactions"))

    def sync_runs(self, item_id: str) -> list[Json]:
        """Return what each sync of an item did."""
        return list(self._pages(f"/items/{item_id}/sync-runs"))

    def changes(self, item_id: str, cursor: str | None) -> tuple[dict[str, list[Json]], str]:
        """Return the changes since *cursor* (None: since the beginning), by kind, and the next cursor."""
        found: dict[str, list[Json]] = {"added": [], "modified": [], "removed": []}
        more = True
        while more:
            page = self._call("GET", f"/items/{item_id}/transactions/sync", limit=500, cursor=cursor)
            for kind in found:
                found[kind] += page[kind]
            cursor, more = page["nextCursor"], page["hasMore"]
        return found, str(cursor)

    def open_actions(self, item_id: str) -> list[Json]:
        """Return what persons are asked for, about one item."""
        return list(self._pages("/actions", itemId=item_id, state="open"))

    def action(self, action_id: str) -> Json:
        """Return one action."""
        action: Json = self._call("GET", f"/actions/{action_id}")
        return action

    def answer_mfa(self, action_id: str, value: str) -> Json:
        """Give the code that an action asks for."""
        action: Json = self._call("POST", f"/actions/{action_id}/mfa", {"value": value})
        return action

    def give_credentials(self, action_id: str, parameters: dict[str, str]) -> Json:
        """Give the new credentials that an action asks for."""
        action: Json = self._call("POST", f"/actions/{action_id}/credentials", {"parameters": parameters})
        return action

    def _pages(self, path: str, **query: str) -> Iterator[Json]:
        after: str | None = None
        while True:
            page = self._call("GET", path, None, after=after, limit=500, **query)
            yield from page["results"]
            after = page["next"]
            if after is None:
                return

    def _call(self, method: str, path: str, body: Json | None = None, /, **query: str | int | None) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        response = self._http.request(method, path, json=body, params=given)
        if response.is_error:
            raise ApiRefusedError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return wire.decode(response.content)


class Inbox:
    """The notifications that the wallet has verified and kept."""

    def __init__(self, wallet_url: str) -> None:
        self._http = httpx.Client(base_url=wallet_url, timeout=30)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def about(self, item_id: str, *types: str) -> list[Json]:
        """Return the notifications about one item, oldest first; only those of *types*, if any are named."""
        return [
            each
            for each in self._state()["results"]
            if each["data"].get("itemId") == item_id and (not types or each["type"] in types)
        ]

    @property
    def refused(self) -> int:
        """How many came without a good signature."""
        return int(self._state()["refused"])

    def _state(self) -> Json:
        state: Json = self._http.get("/notifications").raise_for_status().json()
        return state
