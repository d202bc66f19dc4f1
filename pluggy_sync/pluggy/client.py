"""
The client of Pluggy's API: one method per endpoint, parsed answers, typed errors (`errors.py`).

A row that cannot be read is left out and collected (`unreadable.py`). Each request is bounded in time and bytes
(`exchange.py`), all requests of a block by `deadline.within`. Links in payloads are never followed: only the cursor
of `next` is used.
"""

import math
import random
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import redis
import structlog

from pluggy_sync import tls, wire
from pluggy_sync.encryption import Box, Sealer, sealer
from pluggy_sync.pluggy import deadline, fields, payloads, rate_budget, unreadable
from pluggy_sync.pluggy.api_keys import ApiKeyAuth, ApiKeyCache, sign_in
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.pluggy.exchange import Answer, Exchange, Hooks, http_date, shape
from pluggy_sync.pluggy.rate_budget import Budget
from pluggy_sync.settings import Settings

# After a hiccup of the network or a server, a read is repeated within a second. Longer trouble is left to the task.
READ_ATTEMPTS = 3
READ_BACKOFF_S = 0.3
IDS_PER_REQUEST = 500
ROWS_PER_PAGE = 500
# Five million transactions. No list of Pluggy's is as long.
MAX_PAGES = 10_000
FETCH_ITEM = "GET /items/{id}"
READ_TRANSACTIONS = "GET /v2/transactions"
# A list of which so many pages were read waits for its next one, where others are rescheduled: it would begin anew.
LONG_LIST_PAGES = 20
LONG_LIST_PATIENCE_S = 75.0
# Pluggy documents 60 for every Retry-After (facts 6). A mistake in it must not stop an endpoint for a day.
ASSUMED_RETRY_AFTER_S = 60.0
LONGEST_RETRY_AFTER_S = 900.0

# A cursor is the base64 of an instant and an id (Pluggy facts 5.3).
_MAX_CURSOR_LENGTH = 4096
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PLAIN_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{fields.MAX_ID_LENGTH}}}")

log = structlog.get_logger(__name__)


def create_client(settings: Settings, redis_client: redis.Redis, hooks: Hooks | None = None) -> "PluggyClient":
    """Return a client for the application that *settings* names. The caller closes it."""
    hooks = hooks or Hooks()
    box = Box(settings.secret_key, *settings.previous_secret_keys, purpose="api-key")
    cache = ApiKeyCache(redis_client, settings.pluggy_client_id, box)
    proxies: dict[str, str | None] = {_address_of(proxy): proxy for proxy in settings.pluggy_proxies}
    if not proxies:
        proxies[settings.egress_address or rate_budget.THIS_ADDRESS] = None
    exchanges = {address: _exchange(settings, cache, hooks, proxy) for address, proxy in proxies.items()}
    budget = Budget(redis_client, settings.pluggy_requests_per_minute, tuple(exchanges))
    seal = None if settings.pluggy_public_key is None else sealer(settings.pluggy_public_key)
    first = next(iter(exchanges.values()))
    return PluggyClient(
        exchanges,
        budget,
        hooks,
        seal,
        check_credentials=lambda: sign_in(first, settings.pluggy_client_id, settings.pluggy_client_secret),
    )


def _address_of(proxy: str) -> str:
    """Return host and port of a proxy, without the password that may stand in its URL."""
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port or 80}"


def _exchange(settings: Settings, cache: ApiKeyCache, hooks: Hooks, proxy: str | None) -> Exchange:
    http = httpx.Client(
        base_url=settings.pluggy_api_url,
        follow_redirects=False,
        headers={"User-Agent": "pluggy-sync"},
        proxy=proxy,
        verify=tls.context(),
    )
    exchange = Exchange(http, total_s=settings.pluggy_timeout_s, hooks=hooks)
    http.auth = ApiKeyAuth(cache, lambda: sign_in(exchange, settings.pluggy_client_id, settings.pluggy_client_secret))
    return exchange


@dataclass(frozen=True, kw_only=True)
class PassedOn:
    """What Pluggy answered to a request of somebody else, a refusal too."""

    status: int
    body: payloads.Raw = field(repr=False)

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)

    @property
    def code(self) -> str | None:
        """Why Pluggy refused; None: it did not say, or did not refuse."""
        return _code_in(self.body)


@dataclass(frozen=True, kw_only=True)
class ListedItems:
    """A page of the list of Items; `after` is the cursor of the next page, None: this is the last one."""

    items: Sequence[payloads.ListedItem]
    after: str | None


class PluggyClient:
    """
    Reads Items and their data, and updates Items.

    `requests` counts the answers received, repeats included. `hooks` are called around each request.
    """

    def __init__(
        self,
        exchanges: Mapping[str, Exchange],
        budget: Budget,
        hooks: Hooks,
        seal: Sealer | None,
        *,
        check_credentials: Callable[[], object],
    ) -> None:
        """*exchanges*: by the address from which they go out, those that *budget* counts."""
        self._exchanges = exchanges
        self._check_credentials = check_credentials
        self._seal = seal
        self.budget = budget
        self.hooks = hooks
        self.requests = 0
        self._counting = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        for each in self._exchanges.values():
            each.close()

    @property
    def clock_ahead_s(self) -> float | None:
        """How many seconds our clock is ahead of Pluggy's, to about half a second; None before the first answer."""
        known = [each.clock_ahead_s for each in self._exchanges.values() if each.clock_ahead_s is not None]
        return statistics.median(known) if known else None

    def check_credentials(self) -> None:
        """
        Sign in anew. A key that was given before may outlive the credentials.

        Raises:
            PluggyUnauthorizedError: Pluggy refuses them.
            PluggyError: Pluggy does not say.
        """
        self._check_credentials()

    def webhooks(self) -> list[payloads.Webhook]:
        """Return the application's webhooks (Pluggy facts 2.2). One that cannot be read is left out."""
        found = []
        for page in self._pages("/webhooks", {}):
            for raw in page:
                try:
                    found.append(payloads.webhook(raw))
                except payloads.UnreadableError as exc:
                    log.warning("pluggy.webhook_unreadable", error=str(exc), next="it is left out")
        return found

    def create_webhook(self, url: str, *, event: str, headers: Mapping[str, str]) -> payloads.Webhook:
        """
        Register a webhook.

        Raises:
            PluggyRefusedError: the address is not public https, or there is one for it already, or too many.
        """
        return _webhook(self._request("POST", "/webhooks", body={"url": url, "event": event, "headers": dict(headers)}))

    def change_webhook(self, webhook_id: str, *, event: str, headers: Mapping[str, str]) -> payloads.Webhook:
        """Give a webhook another event and headers, and switch it on."""
        body = {"event": event, "headers": dict(headers), "enabled": True}
        return _webhook(self._request("PATCH", f"/webhooks/{_segment(webhook_id)}", body=body))

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook; one that is gone already is none."""
        try:
            self._request("DELETE", f"/webhooks/{_segment(webhook_id)}")
        except PluggyRefusedError as exc:
            if exc.status != httpx.codes.NOT_FOUND:
                raise

    def item(self, item_id: str) -> payloads.Item | None:
        """Return the Item, or None for a 404 (which soon after an event may be temporary; Pluggy facts 2.8)."""
        raw = self._get(f"/items/{_segment(item_id)}")
        return None if raw is None else _item(item_id, raw)

    def accounts(self, item_id: str) -> list[payloads.Account]:
        """Return the Item's accounts, each once; an Item that is gone has none."""
        rows = [raw for page in self._pages("/accounts", {"itemId": item_id}) for raw in page]

        def parse(raw: Any) -> payloads.Account:
            return payloads.account(raw, of_item=item_id)

        return unreadable.readable(unreadable.ACCOUNT, parse, rows, parent_id=item_id)

    # The next methods yield rows as they came. `store.data_products` reads them.

    def bills(self, account_id: str) -> Iterator[list[Any]]:
        """Yield pages of the card's closed bills (Pluggy facts 5.7)."""
        return self._pages("/bills", {"accountId": account_id})

    def investments(self, item_id: str) -> Iterator[list[Any]]:
        """Yield pages of the Item's investments (Pluggy facts 5.7)."""
        return self._pages("/investments", {"itemId": item_id, "pageSize": ROWS_PER_PAGE})

    def investment_transactions(self, investment_id: str) -> Iterator[list[Any]]:
        """Yield pages of the movements of one investment (Pluggy facts 5.7); none for an odd id."""
        if not _PLAIN_ID.fullmatch(investment_id):
            return iter(())
        return self._pages(f"/investments/{_segment(investment_id)}/transactions", {"pageSize": ROWS_PER_PAGE})

    def identity(self, item_id: str) -> Iterator[list[Any]]:
        """Yield one page with the person's identity, or an empty one (Pluggy facts 5.7)."""
        raw = self._get("/identity", {"itemId": item_id})
        yield [] if raw is None else [raw]

    def loans(self, item_id: str) -> Iterator[list[Any]]:
        """Yield pages of the Item's loans (Pluggy facts 5.7)."""
        return self._pages("/loans", {"itemId": item_id})

    def listed_items(self, after: str | None) -> ListedItems:
        """
        Return a page of the application's Items, newest first; *after*: the cursor of the page before.

        Raises:
            PluggyRefusedError: `LIST_ITEMS_FEATURE_NOT_ENABLED`: this application may not list them (facts 13.1).
        """
        raw = self._get("/v2/items", {} if after is None else {"after": after})
        if raw is None:
            raise PluggyUnavailableError("404 for GET /v2/items")
        cursor = _cursor(raw.get("next"))
        if cursor is not None and cursor == after:
            raise PluggyUnavailableError("the cursor of GET /v2/items does not advance")
        found = [payloads.listed_item(each) for each in _results(raw)]
        return ListedItems(items=[each for each in found if each is not None], after=cursor)

    # The next three are asked because somebody waits for the answer, which is passed on as it came.

    def credit_registry(self, item_id: str, first: str | None, last: str | None) -> Any:
        """Return what the central bank's registry (SCR) has of the Item's person, None for a 404 (facts 13.13)."""
        query = {name: value for name, value in (("from", first), ("to", last)) if value is not None}
        return self._get(f"/items/{_segment(item_id)}/scr", query)

    def balance_now(self, account_id: str) -> Any:
        """Return the balance as the bank has it at this moment, None for a 404 (Pluggy facts 5.2)."""
        return self._get(f"/accounts/{_segment(account_id)}/balance")

    def statements(self, account_id: str) -> list[Any]:
        """Return the account's statements; the address of each is good for half an hour (Pluggy facts 5.2)."""
        return [raw for page in self._pages(f"/accounts/{_segment(account_id)}/statements", {}) for raw in page]

    def resources(self, item_id: str) -> list[payloads.Resource]:
        """Return what the bank declares of an Open Finance Item; nothing for a direct one (Pluggy facts 13.2)."""
        pages = self._pages(f"/items/{_segment(item_id)}/resources", {"pageSize": ROWS_PER_PAGE})
        found = [payloads.resource(raw) for page in pages for raw in page]
        return [each for each in found if each is not None]

    def consents(self, item_id: str) -> Iterator[list[Any]]:
        """Yield pages of the Item's Open Finance consents (Pluggy facts 5.8)."""
        return self._pages("/consents", {"itemId": item_id})

    def exists(self, path: str, object_id: str) -> bool:
        """Return whether Pluggy gives the one object *object_id* of a list, such as `/loans`, by its id (404: no)."""
        return self._get(f"{path}/{_segment(object_id)}") is not None

    def categories(self) -> Iterator[list[Any]]:
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
        Start an execution of the Item and return the Item.

        *parameters* are new credentials, an object or the encrypted text. None keeps those that Pluggy has.

        An object is encrypted first if Pluggy's public key is known.

        Raises:
            TooLongError: *parameters* are too long to be encrypted.
            PluggyRefusedError: `code` says why (Pluggy facts 3.8).
        """
        if self._seal is not None and isinstance(parameters, Mapping):
            parameters = self._seal(parameters)
        body = {} if parameters is None else {"parameters": parameters}
        return _item(item_id, self._request("PATCH", f"/items/{_segment(item_id)}", body=body))

    def answer_mfa(self, item_id: str, name: str, value: str) -> payloads.Item:
        """
        Give the MFA *value* that the Item waits for; return the Item, which then runs on.

        Raises:
            PluggyRefusedError: `code` says why (Pluggy facts 3.8).
        """
        return _item(item_id, self._request("POST", f"/items/{_segment(item_id)}/mfa", body={name: value}))

    def delete_item(self, item_id: str) -> bool:
        """
        Delete the Item, its data and its consent at Pluggy (Pluggy facts 3.8).

        Return whether it was there; False: Pluggy answered 404.

        Raises:
            PluggyRefusedError: it is still there.
        """
        try:
            self._request("DELETE", f"/items/{_segment(item_id)}")
        except PluggyRefusedError as exc:
            if exc.status != httpx.codes.NOT_FOUND:
                raise
            return False
        return True

    def connect_token(self, item_id: str | None, options: Mapping[str, Any]) -> str:
        """
        Return a token for the widget, good for 30 minutes: to update the Item, or for a new one (Pluggy facts 1.3).

        Raises:
            PluggyRefusedError: `ITEM_NOT_FOUND`.
        """
        body = {"options": dict(options), **({} if item_id is None else {"itemId": item_id})}
        raw = self._request("POST", "/connect_token", body=body)
        token = raw.get("accessToken") if isinstance(raw, dict) else None
        if not isinstance(token, str):
            raise PluggyUnavailableError("no token in the answer of POST /connect_token")
        return token

    def pass_on(self, method: str, path: Sequence[str], body: Mapping[str, Any]) -> PassedOn:
        """
        Send a request of somebody else, to the segments *path*, and return what Pluggy says, of a refusal too.

        `parameters` are encrypted as in `update_item`.

        Raises:
            TooLongError: as `update_item`.
            PluggyUnavailableError: no answer, one that cannot be read, or none to who we are: keys are our business.
            PluggyRefusedError: a segment cannot be Pluggy's.
        """
        if self._seal is not None and isinstance(body.get("parameters"), Mapping):
            body = {**body, "parameters": self._seal(body["parameters"])}
        address = "/" + "/".join(_segment(each) for each in path)
        answer = self._answer(method, address, body=body)
        endpoint = shape(method, address)
        said = fields.object_of(_decoded(answer, endpoint))
        if said is None:
            raise PluggyUnavailableError(f"{answer.status} and no object for {endpoint}")
        is_our_key = answer.status == httpx.codes.FORBIDDEN and not said.get("codeDescription")
        if is_our_key or answer.status == httpx.codes.UNAUTHORIZED:
            raise PluggyUnavailableError(f"{answer.status} for {endpoint}: our API key is not accepted")
        return PassedOn(status=answer.status, body=said)

    def _transactions(self, account_id: str, filters: Mapping[str, str]) -> Iterator[list[payloads.Transaction]]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            query = {"accountId": account_id, **filters, **({"after": cursor} if cursor else {})}
            is_long = len(seen) >= LONG_LIST_PAGES
            with rate_budget.waiting(max(rate_budget.patience_s(), LONG_LIST_PATIENCE_S if is_long else 0)):
                raw = self._get("/v2/transactions", query)
            if raw is None:
                return
            yield unreadable.readable(unreadable.TRANSACTION, payloads.transaction, _results(raw), parent_id=account_id)
            cursor = _cursor(raw.get("next"))
            if cursor is None:
                return
            if cursor in seen or len(seen) >= MAX_PAGES:
                raise PluggyUnavailableError("the cursor of GET /v2/transactions does not advance")
            seen.add(cursor)

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Yield the results of each page; none for a 404."""
        before: list[Any] | None = None
        for page in range(1, MAX_PAGES + 1):
            # `page` is not documented for every endpoint. It is sent only if there is a second page.
            raw = self._get(path, {**query, **({"page": page} if page > 1 else {})})
            if raw is None:
                return
            results = _results(raw)
            if page > 1 and (not results or results == before):
                # There are fewer pages than Pluggy said, or the endpoint ignores `page` and always answers the same.
                return
            yield results
            if page >= _total_pages(raw):
                return
            before = results
        raise PluggyUnavailableError(f"the pages of {shape('GET', path)} do not end")

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded body of a GET, or None for a 404."""
        attempt = 1
        while True:
            try:
                return self._request("GET", path, query=query)
            except PluggyLimitedError as exc:
                # The endpoint is paused for everybody. Who waits for a full budget waits for a short pause too.
                if attempt >= READ_ATTEMPTS or exc.retry_after_s > rate_budget.patience_s():
                    raise
            except PluggyUnavailableError as exc:
                wait_s = READ_BACKOFF_S * 2**attempt * random.uniform(0.5, 1)
                if attempt >= READ_ATTEMPTS or wait_s > deadline.at_most(wait_s):
                    raise
                log.info("pluggy.read_repeated", endpoint=shape("GET", path), attempt=attempt, error=str(exc))
                time.sleep(wait_s)
            except PluggyRefusedError as exc:
                if exc.status == httpx.codes.NOT_FOUND:
                    return None
                raise
            attempt += 1

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = self._answer(method, path, query=query, body=body)
        endpoint = shape(method, path)
        if answer.is_success:
            return _decoded(answer, endpoint)
        raise _refusal(answer, endpoint)

    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """
        Return what Pluggy answers to a request within the budget, if it is a success or a refusal.

        Raises:
            PluggyUnavailableError: it is neither.
        """
        endpoint = shape(method, path)
        address = self.budget.take(endpoint)
        answer = self._exchanges[address].send(method, path, query=query, body=body)
        with self._counting:
            self.requests += 1
        trouble = _trouble(answer, endpoint)
        if trouble is None:
            return answer
        if isinstance(trouble, PluggyLimitedError):
            self.budget.pause(endpoint, trouble.retry_after_s, address)
        raise trouble


def _item(item_id: str, raw: Any) -> payloads.Item:
    for item in unreadable.readable(unreadable.ITEM, payloads.item, [raw], parent_id=item_id):
        return item
    # Not a refusal: the next read may give a readable object.
    raise PluggyUnavailableError("an Item that cannot be read")


def _webhook(raw: Any) -> payloads.Webhook:
    try:
        return payloads.webhook(raw)
    except payloads.UnreadableError as exc:
        raise PluggyUnavailableError("a webhook that cannot be read") from exc


def _segment(item_id: str) -> str:
    """
    Return *item_id* if it can stand in a path as one segment.

    Raises:
        PluggyRefusedError: it cannot. No request is made.
    """
    if not _PLAIN_ID.fullmatch(item_id):
        raise PluggyRefusedError("an id that cannot be Pluggy's", status=httpx.codes.NOT_FOUND)
    return item_id


def _decoded(answer: Answer, endpoint: str) -> Any:
    if not answer.content:
        return {}
    try:
        return wire.decode(answer.content)
    except msgspec.DecodeError as exc:
        raise PluggyUnavailableError(f"an answer that is not JSON for {endpoint}") from exc


def _trouble(answer: Answer, endpoint: str) -> PluggyUnavailableError | None:
    """Return what to raise if Pluggy neither did nor refused what was asked; None: it did or refused."""
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        return PluggyLimitedError(f"429 for {endpoint}", retry_after_s=_retry_after_s(answer))
    if answer.is_success or httpx.codes.is_client_error(answer.status):
        return None
    return PluggyUnavailableError(f"{answer.status} for {endpoint}")


def _refusal(answer: Answer, endpoint: str) -> PluggyRefusedError:
    status = answer.status
    try:
        body = fields.object_of(wire.decode(answer.content)) or {}
    except msgspec.DecodeError:
        body = {}
    code = _code_in(body)
    data = dict(fields.object_of(body.get("data")) or {})
    if isinstance(body.get("details"), list):
        # Which values are wrong, by the names of their fields; never the values.
        data["details"] = [_fault(each) for each in fields.objects(body["details"])]
    return PluggyRefusedError(
        f"{status} {code or ''} for {endpoint}".replace("  ", " "), status=status, code=code, data=data
    )


def _code_in(body: Mapping[str, Any]) -> str | None:
    """Return the code of a refusal; None: it has none that can be read."""
    said = body.get("codeDescription")
    return said if isinstance(said, str) and _CODE.fullmatch(said) else _code_of_message(body.get("message"))


def _code_of_message(message: Any) -> str | None:
    """Return the code that Pluggy means where it gives only a message (Pluggy facts 13.14)."""
    told = isinstance(message, str) and message.startswith("An update is already in progress")
    return "ITEM_ALREADY_UPDATING" if told else None


# What is wrong with a value that Pluggy refused.
MISSING = "missing"
WRONG_FORM = "wrong form"


def _fault(detail: Mapping[str, Any]) -> dict[str, str]:
    message = MISSING if detail.get("code") == "001" else WRONG_FORM
    return {"field": fields.text(detail.get("parameter")) or "unknown", "message": message}


def _retry_after_s(answer: Answer) -> float:
    """Return how long to wait, in seconds from 1 to 900: `Retry-After` is a number of seconds or a date."""
    said = answer.headers.get("Retry-After", "")
    try:
        seconds = float(said)
    except ValueError:
        until = http_date(said)
        # By the clock that wrote it.
        now = http_date(answer.headers.get("Date")) or time.time()
        seconds = math.nan if until is None else until - now
    if not math.isfinite(seconds):
        return ASSUMED_RETRY_AFTER_S
    return min(max(1.0, seconds), LONGEST_RETRY_AFTER_S)


def _results(raw: Any) -> list[Any]:
    results = raw.get("results") if isinstance(raw, dict) else None
    if not isinstance(results, list):
        raise PluggyUnavailableError("an answer without results")
    return results


def _total_pages(raw: payloads.Raw) -> float:
    """Return how many pages there are: 1 if that is not said, infinity if it cannot be read."""
    said = raw.get("totalPages")
    if said is None:
        return 1
    total = fields.number(fields.whole(said) if isinstance(said, str) else said)
    return math.inf if total is None else float(total)


def _cursor(next_link: Any) -> str | None:
    """Return the cursor in `next`, a relative query string or, one day, an absolute URL (Pluggy facts 5.3)."""
    if not next_link:
        return None
    try:
        values = parse_qs(urlsplit(next_link if isinstance(next_link, str) else "").query).get("after")
    except ValueError:
        values = None
    if not values or len(values[0]) > _MAX_CURSOR_LENGTH:
        raise PluggyUnavailableError("`next` of GET /v2/transactions has no cursor")
    return values[0]
