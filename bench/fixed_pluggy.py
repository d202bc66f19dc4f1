"""
A stand-in for Pluggy that always gives the same small answers, at little cost.

The drain is about our workers and the budget; a bank behind each of thousands of Items would measure that bank.
Any Item exists, has one account, and one page of transactions. One whose id begins with `ASKED` is new and asks its
person: nothing of it was collected yet.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import wsgi

MOMENT = "2026-03-09T12:00:00.000Z"
ROWS = 20

ASKED = "a5ced000"
UPDATED = "0bda7ed0"

# When Items with such ids were first asked for, in seconds since 1970.
_asked_at: dict[str, float] = {}
_counts: Counter[str] = Counter()
_counting = threading.Lock()


def _item(item_id: str) -> dict[str, Any]:
    collected = {"isUpdated": True, "lastUpdatedAt": MOMENT, "warnings": []}
    asks = item_id.startswith(ASKED)
    if item_id.startswith((ASKED, UPDATED)):
        _asked_at.setdefault(item_id, time.time())
    return {
        "id": item_id,
        "connector": {"id": 2, "name": "Pluggy Bank", "health": {"status": "ONLINE"}, "credentials": []},
        "products": ["ACCOUNTS", "TRANSACTIONS"],
        "status": "WAITING_USER_INPUT" if asks else "UPDATED",
        "executionStatus": "WAITING_USER_INPUT" if asks else "SUCCESS",
        "parameter": {"name": "token", "type": "number", "label": "Token"} if asks else None,
        "statusDetail": None if asks else {"accounts": collected, "transactions": collected},
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
        "lastUpdatedAt": None if asks else MOMENT,
        "clientUserId": "user-1",
    }


def _account(item_id: str) -> dict[str, Any]:
    return {
        "id": item_id[:-4] + "aaaa",
        "itemId": item_id,
        "type": "BANK",
        "subtype": "CHECKING_ACCOUNT",
        "name": "Conta Corrente",
        "balance": 100.0,
        "currencyCode": "BRL",
    }


def _transaction(account_id: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{account_id[:-4]}{number:04x}",
        "accountId": account_id,
        "description": "Padaria",
        "currencyCode": "BRL",
        "amount": -12.34,
        "date": MOMENT,
        "type": "DEBIT",
        "status": "POSTED",
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
    }


def _answer(path: str, query: str) -> tuple[str, Any]:
    """Return the endpoint and its answer."""
    asked = re.search(r"(?:itemId|accountId)=([^&]+)", query)
    if path.startswith("/items/"):
        return "GET /items/{id}", _item(path.removeprefix("/items/"))
    if path == "/accounts" and asked:
        return "GET /accounts", {"results": [_account(asked[1])], "page": 1, "total": 1, "totalPages": 1}
    if path == "/v2/transactions" and asked:
        rows = [_transaction(asked[1], number) for number in range(ROWS)] if "createdAtFrom" not in query else []
        return "GET /v2/transactions", {"results": rows, "next": None}
    if path == "/asked":
        return "asked", dict(_asked_at)
    if path == "/counts":
        return "counts", dict(_counts)
    return "POST /auth", {"apiKey": "a-key"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request (WSGI)."""
    endpoint, answer = _answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    with _counting:
        _counts[endpoint] += 1
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    """Serve on a free loopback port, which is printed, until stopped."""
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=16)
    server.prepare()
    print(f"http://127.0.0.1:{server.bind_addr[1]}", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
