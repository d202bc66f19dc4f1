"""
The client of Pluggy's API: one method per endpoint, parsed answers, typed errors (`errors.py`).

Links in payloads are never followed. `next` is taken apart and only its cursor is used.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import redis
import structlog

from pluggy_sync import wire
from pluggy_sync.encryption import Sealer, sealer
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.api_keys import ApiKeyAuth, ApiKeyCache, sign_in
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError, PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.pluggy.rate_budget import Budget
from pluggy_sync.settings import Settings

# A read is repeated at once when the network or a server had a hiccup; longer trouble is the task's to wait for.
READ_ATTEMPTS = 3
READ_BACKOFF_S = 0.3
IDS_PER_REQUEST = 500
ROWS_PER_PAGE = 500
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
LONGEST_PAUSE_S = 75.0
# As documented, Retry-After is always 60 (Pluggy facts 6).
ASSUMED_RETRY_AFTER_S = 60.0

_T = TypeVar("_T")

log = structlog.get_logger(__name__)


def create_client(settings: Settings, redis_client: redis.Redis) -> "PluggyClient":
    """Return a client for the application that *settings* names. The caller closes it."""
    timeout = httpx.Timeout(settings.pluggy_timeout_s, connect=min(5.0, settings.pluggy_timeout_s), pool=5.0)
    http = httpx.Client(
        base_url=settings.pluggy_api_url,
        timeout=timeout,
        follow_redirects=False,
        headers={"User-Agent": "pluggy-sync"},
    )
    cache = ApiKeyCache(redis_client, settings.pluggy_client_id)
    http.auth = ApiKeyAuth(cache, lambda: sign_in(http, settings.pluggy_client_id, settings.pluggy_client_secret))
    budget = Budget(redis_client, settings.redis_url, settings.pluggy_requests_per_minute)
    seal = None if settings.pluggy_public_key is None else sealer(settings.pluggy_public_key)
    return PluggyClient(http, budget, seal)


class PluggyClient:
    """Reads Items and their data, and updates Items. `requests` counts the answers received, repeats included."""

    def __init__(self, http: httpx.Client, budget: Budget, seal: Sealer | None = None) -> None:
        self._http = http
        self._seal = seal
        self.budget = budget
        self.requests = 0
        self._counting = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def item(self, item_id: str) -> payloads.Item | None:
        """Return the Item, or None for a 404 (which soon after an event may be temporary; Pluggy facts 2.8)."""
        raw = self._get(f"/items/{_segment(item_id)}")
        return None if raw is None else _readable(payloads.item, raw)

    def accounts(self, item_id: str) -> list[payloads.Account]:
        """Return the Item's accounts; an Item that is gone has none."""
        return [
            _readable(payloads.account, raw) for page in self._pages("/accounts", {"itemId": item_id}) for raw in page
        ]

    def bills(self, account_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield pages of the card's closed bills (Pluggy facts 5.7)."""
        return self._pages("/bills", {"accountId": account_id})

    def investments(self, item_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield pages of the Item's investments (Pluggy facts 5.7)."""
        return self._pages("/investments", {"itemId": item_id, "pageSize": ROWS_PER_PAGE})

    def investment_transactions(self, investment_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield pages of the movements of one investment (Pluggy facts 5.7)."""
        return self._pages(f"/investments/{_segment(investment_id)}/transactions", {"pageSize": ROWS_PER_PAGE})

    def identity(self, item_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield one page with the person's identity, or an empty one (Pluggy facts 5.7)."""
        raw = self._get("/identity", {"itemId": item_id})
        yield [] if raw is None else [raw]

    def loans(self, item_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield pages of the Item's loans (Pluggy facts 5.7)."""
        return self._pages("/loans", {"itemId": item_id})

    def consents(self, item_id: str) -> Iterator[list[payloads.Raw]]:
        """Yield pages of the Item's Open Finance consents (Pluggy facts 5.8)."""
        return self._pages("/consents", {"itemId": item_id})

    def categories(self) -> Iterator[list[payloads.Raw]]:
        """Yield pages of all categories of transactions (Pluggy facts 5.8)."""
        return self._pages("/categories", {})

    def transactions_since_day(self, account_id: str, day: date | None) -> Iterator[list[payloads.Transaction]]:
        """Yield pages of the transactions dated from *day* on, newest first; None reads all."""
        return self._transactions(account_id, {} if day is None else {"dateFrom": day.isoformat()})

    def transactions_ingested_since(self, account_id: str, moment: datetime) -> Iterator[list[payloads.Transaction]]:
        """Yield pages of the transactions that Pluggy ingested at *moment* or later, whatever their date."""
        return self._transactions(account_id, {"createdAtFrom": str(wire.to_text(moment))})

    def transactions_by_ids(self, account_id: str, ids: Sequence[str]) -> list[payloads.Transaction]:
        """Return those of the transactions *ids* (at most 500) that exist."""
        if len(ids) > IDS_PER_REQUEST:
            raise ValueError(f"at most {IDS_PER_REQUEST} ids in one request")
        pages = self._transactions(account_id, {"ids": ",".join(ids)})
        return [transaction for page in pages for transaction in page]

    def first_transactions(self, account_id: str) -> list[payloads.Transaction]:
        """Return the newest page of the account's transactions."""
        return next(self._transactions(account_id, {}), [])

    def update_item(self, item_id: str, parameters: Mapping[str, Any] | str | None) -> payloads.Item:
        """
        Start a run of the Item, with new *parameters* (an object, or the encrypted text) if given; return the Item.

        An object is encrypted first if Pluggy's public key is known.

        Raises:
            TooLongError: *parameters* are too long to be encrypted.
            PluggyRefusedError: `code` says why (Pluggy facts 3.8).
        """
        if self._seal is not None and isinstance(parameters, Mapping):
            parameters = self._seal(parameters)
        body = {} if parameters is None else {"parameters": parameters}
        return _readable(payloads.item, self._send("PATCH", f"/items/{_segment(item_id)}", body))

    def answer_mfa(self, item_id: str, name: str, value: str) -> payloads.Item:
        """
        Give the MFA *value* that the Item waits for; return the Item as it runs on.

        Raises:
            PluggyRefusedError: `code` says why (Pluggy facts 3.8).
        """
        return _readable(payloads.item, self._send("POST", f"/items/{_segment(item_id)}/mfa", {name: value}))

    def delete_item(self, item_id: str) -> None:
        """
        Delete the Item, its data and its consent at Pluggy. One that is gone already is gone (Pluggy facts 3.8).

        Raises:
            PluggyRefusedError: it is still there.
        """
        try:
            self._send("DELETE", f"/items/{_segment(item_id)}", None)
        except PluggyRefusedError as exc:
            if exc.status != httpx.codes.NOT_FOUND:
                raise

    def connect_token(self, item_id: str | None, options: Mapping[str, Any]) -> str:
        """
        Return a token for the widget, good for 30 minutes: to update the Item, or for a new one (Pluggy facts 1.3).

        Raises:
            PluggyRefusedError: `ITEM_NOT_FOUND`.
        """
        body = {"options": dict(options), **({} if item_id is None else {"itemId": item_id})}
        raw = self._send("POST", "/connect_token", body)
        token = raw.get("accessToken") if isinstance(raw, dict) else None
        if not isinstance(token, str):
            raise PluggyUnavailableError("no token in the answer of POST /connect_token")
        return token

    def _transactions(self, account_id: str, filters: Mapping[str, str]) -> Iterator[list[payloads.Transaction]]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            query = {"accountId": account_id, **filters, **({"after": cursor} if cursor else {})}
            raw = self._get("/v2/transactions", query)
            if raw is None:
                return
            yield [_readable(payloads.transaction, each) for each in _results(raw)]
            cursor = _cursor(raw.get("next"))
            if cursor is None:
                return
            if cursor in seen:
                raise PluggyUnavailableError("the cursor of GET /v2/transactions does not advance")
            seen.add(cursor)

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[list[payloads.Raw]]:
        """Yield the results of each page; none for a 404."""
        page = 1
        while True:
            # `page` is not documented for every endpoint, so it is only sent when there is a second one.
            raw = self._get(path, {**query, **({"page": page} if page > 1 else {})})
            if raw is None:
                return
            yield _results(raw)
            if page >= int(raw.get("totalPages") or 1):
                return
            page += 1

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded body of a GET, or None for a 404."""
        attempt = 1
        while True:
            try:
                return self._request("GET", path, query=query)
            except PluggyLimitedError as exc:
                # The endpoint is paused for everybody; a short pause is waited out like a full budget.
                if attempt >= READ_ATTEMPTS or exc.retry_after_s > LONGEST_PAUSE_S:
                    raise
                attempt += 1
            except PluggyUnavailableError as exc:
                if attempt >= READ_ATTEMPTS:
                    raise
                log.info("pluggy.read_repeated", path=_shape(path), attempt=attempt, error=str(exc))
                time.sleep(READ_BACKOFF_S * 2**attempt * random.uniform(0.5, 1))
                attempt += 1
            except PluggyRefusedError as exc:
                if exc.status == httpx.codes.NOT_FOUND:
                    return None
                raise

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        return self._request(method, path, body=body)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        what = f"{method} {_shape(path)}"
        self.budget.take(what)
        try:
            response = self._http.request(method, path, params=query, json=body)
        except httpx.RequestError as exc:
            raise PluggyUnavailableError(f"{type(exc).__name__} for {what}") from exc
        with self._counting:
            self.requests += 1
        if response.is_success:
            return _decoded(response, what)
        error = _error(response, what)
        if isinstance(error, PluggyLimitedError):
            self.budget.pause(what, error.retry_after_s)
        raise error


def _segment(item_id: str) -> str:
    """Return *item_id* if it can stand in a path as one segment."""
    if not item_id or not all(char.isalnum() or char in "-_" for char in item_id):
        raise PluggyRefusedError("an id that cannot be Pluggy's", status=httpx.codes.NOT_FOUND)
    return item_id


def _shape(path: str) -> str:
    """Return *path* without its ids, for messages."""
    return "/".join("{id}" if len(part) > 30 else part for part in path.split("/"))


def _decoded(response: httpx.Response, what: str) -> Any:
    if not response.content:
        return {}
    try:
        value = wire.decode(response.content)
    except msgspec.DecodeError as exc:
        raise PluggyUnavailableError(f"an answer that is not JSON for {what}") from exc
    return wire.without_null(value) if wire.ESCAPED_NULL in response.content else value


def _error(response: httpx.Response, what: str) -> PluggyError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return PluggyLimitedError(f"429 for {what}", retry_after_s=_retry_after_s(response))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or response.is_redirect:
        return PluggyUnavailableError(f"{status} for {what}")
    try:
        body = wire.decode(response.content)
    except msgspec.DecodeError:
        body = {}
    body = body if isinstance(body, dict) else {}
    said = body.get("codeDescription")
    code = said if isinstance(said, str) and _CODE.fullmatch(said) else None
    data = dict(body["data"]) if isinstance(body.get("data"), dict) else {}
    if isinstance(body.get("details"), list):
        # Which values are wrong, by the names of their fields; never the values.
        data["details"] = [_fault(each) for each in body["details"] if isinstance(each, dict)]
    return PluggyRefusedError(
        f"{status} {code or ''} for {what}".replace("  ", " "),
        status=status,
        code=code,
        data=data,
    )


def _fault(detail: Mapping[str, Any]) -> dict[str, str]:
    message = "missing" if detail.get("code") == "001" else "wrong form"
    return {"field": str(detail.get("parameter")), "message": message}


def _retry_after_s(response: httpx.Response) -> float:
    try:
        return max(1.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return ASSUMED_RETRY_AFTER_S


def _results(raw: Any) -> list[Any]:
    results = raw.get("results") if isinstance(raw, dict) else None
    if not isinstance(results, list):
        raise PluggyUnavailableError("an answer without results")
    return results


def _cursor(next_link: Any) -> str | None:
    """Return the cursor in `next`, a relative query string or, one day, an absolute URL (Pluggy facts 5.3)."""
    if not next_link:
        return None
    values = parse_qs(urlsplit(str(next_link)).query).get("after")
    if not values:
        raise PluggyUnavailableError("`next` of GET /v2/transactions has no cursor")
    return values[0]


def _readable(parse: Callable[[Any], _T], raw: Any) -> _T:
    try:
        return parse(raw)
    except payloads.UnreadableError as exc:
        # Not a refusal: the object may be whole when it is read again.
        raise PluggyUnavailableError(f"an object that cannot be read ({exc})") from exc
