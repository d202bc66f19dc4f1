"""
No request makes the sandbox fail: a thousand of them, good ones spoilt at random, over every endpoint there is.

The seed is drawn anew for each run and printed with a failure. To see one again: `SANDBOX_FUZZ_SEED=<seed> pytest ...`.
`SANDBOX_FUZZ_REQUESTS` sets how many there are (`make fuzz` makes a hundred thousand).
"""

import json
import logging
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from pluggy_sandbox.bank.changes import KINDS
from pluggy_sandbox.control.openapi import QUERIES
from pluggy_sandbox.holdings.accounts import HeldAccount
from pluggy_sandbox.server.app import create_app
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.sandbox import Sandbox
from pluggy_sandbox.state.world import Origin, World
from pluggy_sandbox.testing import CLIENT_ID, CLIENT_SECRET
from pluggy_sandbox.wire import switches
from tests.pluggy_sandbox.conftest import START
from tests.pluggy_sandbox.driver import CPF, Json

REQUESTS = int(os.environ.get("SANDBOX_FUZZ_REQUESTS", "3000"))
FORM = "application/x-www-form-urlencoded"
CALM: Json = switches.as_json(Settings(limits=False, run_seconds=0, open_finance_quotas=False)) | {
    "itemLimit": 1_000_000,
    "listItemsEnabled": True,
    "minUpdateFrequencyHours": 0,
    "deliveryDelaysSeconds": [0, 0],
}
NOWHERE = "http://127.0.0.1:1/hook"
UNKNOWN = "00000000-0000-4000-8000-00000000dead"
ODD_TEXTS = (
    "", " ", "x", "0", "-1", "1e9", "9" * 400, "null", "true", "[]", "\x00", "\n", "é", "²", "٣", "😀", "%", "../..",
    "http://[", "http://x:y/", "http://a b/", "//", "mailto:a", "https://hook.invalid/x", "2026-13-45", "2026-02-30",
    "0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59-14:00", "bm90IGEgY3Vyc29y",
    "MjAyNi0wMS0wMVQwMDowMDowMC4wMDBafA==", "a" * 5_000, UNKNOWN, NOWHERE,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.5, 1e308, 2**31, 2**53 + 1, 2**64, 10**400, [], {}, [[]], [None], [1], ["x"],
    {"a": {"b": [1]}}, [{}], [{"a": 1}], *ODD_TEXTS,
)  # fmt: skip
ODD_BODIES = (
    b"", b"x", b"[]", b"1", b'"x"', b"null", b"{", b"\xff\xfe", b'{"a":"\\ud800"}', b'{"a":1e999}', b"[" * 9_000,
    b'{"a":' * 600 + b"1" + b"}" * 600, b"a=1&b=2&a=3", b"%ff=%00",
)  # fmt: skip
PRODUCTS = ["ACCOUNTS", "TRANSACTIONS"]
LOGIN = {"user": "user-ok", "password": "password-ok", "token": "123456", "cpf": CPF, "cooperative": "0001"}
ITEM: Json = {
    "connectorId": 2, "parameters": LOGIN, "clientUserId": "u1", "webhookUrl": NOWHERE, "products": PRODUCTS,
    "oauthRedirectUri": "https://app.example/done", "avoidDuplicates": False,
}  # fmt: skip
HOOK: Json = {"url": NOWHERE, "event": "all", "headers": {"X-Secret": "s"}}
INCIDENT: Json = {
    "connectorIds": [2, 600], "type": "TRANSACTIONS_MISSING", "title": "x", "description": "x", "product": "dados",
    "kind": "INCIDENT", "severity": "DEGRADED", "state": "MONITORING", "startsInSeconds": 0,
}  # fmt: skip
TOKEN: Json = {"options": {"clientUserId": "u1", "webhookUrl": NOWHERE, "products": PRODUCTS}}
# Bodies that are good, by the path's last word; each is spoilt more often than not.
BODIES: dict[str, Json] = {
    "auth": {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET},
    "connect_token": TOKEN,
    "items": ITEM,
    "update": ITEM,
    "webhooks": HOOK | {"enabled": True},
    "mfa": {"token": "123456", "phone": "0", "company": "1", "oauth_code": "x"},
    "validate": LOGIN,
    "transactions": {"categoryId": "19000000"},
    "clock": {"advanceSeconds": 60, "advanceDays": 1, "speed": 0},
    "run": {"triggeredBy": "SYNC"},
    "evolve": {"changes": [{"kind": kind, "count": 1, "days": 1} for kind in KINDS], "accountId": UNKNOWN},
    "exhaust": {"products": PRODUCTS},
    "settle": {"timeoutSeconds": 1},
    "deliver": {"payload": {"event": "item/updated", "itemId": UNKNOWN}, "headers": {"a": "b"}},
    "faults": {
        "requests": [{"endpoint": "*", "do": "slow", "status": 503, "seconds": 1, "times": 1, "skip": 0, "chance": 1}],
        "deliveries": {"loss": 1, "duplicate": 0, "disorder": False, "delaySeconds": [0, 0]}, "notFoundAfterEvent": 1,
    },
    "rules": {"description": "PIX", "categoryId": "19000000", "matchType": "contains", "transactionType": "DEBIT"},
    "resources": {"CREDIT_CARD_ACCOUNT": "PENDING_AUTHORISATION", "LOAN": "UNAVAILABLE"},
    "incidents": INCIDENT | {"message": "Estamos investigando."},
    "settings": {"mode": "production", "mfaSeconds": 5, "payloads": {"id": True}, "deliveryDelaysSeconds": [0, 0]},
    "reset": {"seed": "always spoilt: `populate` makes good ones"},
    "applications": {"clientSecret": "s", "enabled": True},
    "health": {"status": "ONLINE"},
    "break": {"executionStatus": "SITE_NOT_AVAILABLE"},
    "authorize": {"itemId": UNKNOWN, "decision": "approve"},
}  # fmt: skip
PARAMETERS = (
    "itemId", "accountId", "ids", "dateFrom", "dateTo", "createdAtFrom", "after", "page", "pageSize", "type", "types",
    "sandbox", "name", "countries", "isOpenFinance", "parentId", "clientUserId", "connectorId", "status", "from", "to",
    "healthDetails", *(name for names in QUERIES.values() for name in names),
)  # fmt: skip
# Endpoints that refuse all others are asked with these.
ARGUMENTS = {
    "/v2/transactions": ("ids", "dateFrom", "dateTo", "createdAtFrom", "after"),
    "/v2/items": ("clientUserId", "connectorId", "after"),
    "/items/<item_id>/scr": ("from", "to"),
}
UPSETTING = tuple(f"/_sandbox/{word}" for word in ("clock", "faults", "settings", "keys", "applications"))
NEEDED = {
    "/accounts": "itemId", "/investments": "itemId", "/identity": "itemId", "/loans": "itemId", "/consents": "itemId",
    "/bills": "accountId", "/v2/transactions": "accountId", "/_sandbox/bank/authorize": "itemId",
}  # fmt: skip


def items_of(world: World) -> list[Item]:
    return list(world.items.values())


def held_by(world: World) -> list[HeldAccount]:
    return [held for item in items_of(world) for held in item.holdings.accounts.values()]


# The ids that are there, by the name of the path's part.
FOUND: dict[str, Callable[[World], Iterable[str]]] = {
    "item_id": lambda world: world.items,
    "account_id": lambda world: (held.id for held in held_by(world)),
    "transaction_id": lambda world: (i for held in held_by(world) for i in islice(held.ledger.by_id, 5)),
    "bill_id": lambda world: (bill["id"] for held in held_by(world) for bill in held.bills),
    "investment_id": lambda world: (each["id"] for item in items_of(world) for each in item.holdings.investments),
    "identity_id": lambda world: (i.holdings.identity["id"] for i in items_of(world) if i.holdings.identity),
    "loan_id": lambda world: (loan["id"] for item in items_of(world) for loan in item.holdings.loans),
    "consent_id": lambda world: (each["id"] for item in items_of(world) for each in item.authorization.consents),
    "webhook_id": lambda world: world.webhooks,
    "incident_id": lambda world: world.incidents,
    "delivery_id": lambda world: (delivery.id for delivery in world.courier.log),
    "rule_id": lambda world: world.category_rules,
    "category_id": lambda _: ["19000000"],
    "client_id": lambda _: ["other"],
    "version": lambda _: ["v2.9.2"],
    "filename": lambda _: ["sandbox.css"],
}


@dataclass
class Fuzzer:
    """Asks what is good of things that are there, and spoils it more often than not."""

    sandbox: Sandbox
    dice: random.Random
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = create_app(self.sandbox)
        self.client = self.app.test_client()

    def endpoints(self) -> list[tuple[str, Rule]]:
        """Return every method of every rule."""
        rules = sorted(self.app.url_map.iter_rules(), key=lambda rule: rule.rule)
        return [(m, rule) for rule in rules for m in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]

    def ask(self, method: str, rule: Rule) -> TestResponse:
        """Make one request to an endpoint."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: self._part(found[1]), rule.rule)
        request: Json = {
            "path": path + "/" * (self.dice.random() < 0.05),
            "method": method,
            "query_string": self._query(rule),
            "headers": {"X-API-KEY": self.dice.choice(self.keys)},
            "data": self._body(rule) if method in ("POST", "PUT", "PATCH") else b"",
            "content_type": self.dice.choice(("application/json",) * 8 + (FORM, "text/plain")),
        }
        if rule.rule == "/_sandbox/bank/authorize":
            decision = self.dice.choice(("approve", "reject", "x"))
            request |= {"content_type": FORM, "data": {"itemId": self._id("item_id"), "decision": decision}}
        response = self.client.open(**request)
        response.get_data()
        response.close()
        shown = {name: str(value)[:600] for name, value in request.items()}
        assert response.status_code < 500, f"{response.status_code} for {shown}"
        if response.status_code >= 400:
            assert response.is_json, f"{response.status_code} {response.text[:200]!r} for {shown}"
            assert {"code", "message"} <= set(response.json or {}), f"{response.json} for {shown}"
        return response

    def run(self, requests: int) -> Iterator[tuple[str, TestResponse]]:
        """Make so many requests, the endpoints taking turns; yield each one's endpoint and answer."""
        turns: list[tuple[str, Rule]] = []
        for n in range(requests):
            if n % 300 == 0:
                self.populate()
            if not turns:
                turns = self.endpoints()
                self.dice.shuffle(turns)
                self.client.post("/_sandbox/items", json=ITEM)
            method, rule = turns.pop()
            response = self.ask(method, rule)
            yield f"{method} {rule.rule}", response
            if response.status_code < 400 and rule.rule == "/_sandbox/reset":
                self.populate()
            elif response.status_code < 400 and method != "GET" and rule.rule.startswith(UPSETTING):
                self.calm()

    def populate(self) -> None:
        """Begin again, and let there be Items of several kinds, with their data, and a webhook."""
        self.client.post("/_sandbox/reset", json={"seed": self.dice.randrange(1_000)})
        self.calm()
        everything: Json = ITEM | {"products": []}
        for item in (everything | {"parameters": LOGIN | {"user": "user-ok-perf-3x"}}, everything | {"connectorId": 5}):
            self.client.post("/_sandbox/items", json=item)
        consented = self.client.post("/_sandbox/items", json=everything | {"connectorId": 600}).json
        self.client.post("/_sandbox/webhooks", json=HOOK)
        self.client.post("/_sandbox/incidents", json=INCIDENT)
        self.client.post("/_sandbox/settle", json={"timeoutSeconds": 10})
        self.client.post(f"/_sandbox/items/{(consented or {})['id']}/approve")
        self.client.post("/_sandbox/settle", json={"timeoutSeconds": 10})

    def calm(self) -> None:
        """Undo what would make later requests fail on purpose, or take long: faults, settings, void keys."""
        control = "/_sandbox"
        self.client.put(f"{control}/settings", json=CALM)
        self.client.put(f"{control}/faults", json={"deliveries": {"loss": 1}})
        self.client.post(f"{control}/clock", json={"speed": 0})
        self.client.put(f"{control}/applications/{CLIENT_ID}", json={"clientSecret": CLIENT_SECRET, "enabled": True})
        pair = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
        key = (self.client.post("/auth", json=pair).json or {})["apiKey"]
        token = (self.client.post("/connect_token", json={}, headers={"X-API-KEY": key}).json or {})["accessToken"]
        self.keys = [key] * 26 + [token] * 2 + ["", "nonsense", "a.b.c"]

    def _part(self, name: str) -> str:
        if name == "connector_id":
            return self.dice.choice(("0", "2", "5", "19", "600", "601", "7", "9" * 30, "x"))
        return self.dice.choice(ODD_TEXTS) if self.dice.random() < 0.1 else self._id(name)

    def _id(self, name: str) -> str:
        """Return the id of something that is there, if anything is; *name* is that of the path's or query's part."""
        with self.sandbox.world.lock:
            return self.dice.choice(list(FOUND[name](self.sandbox.world)) or [UNKNOWN])

    def _query(self, rule: Rule) -> list[tuple[str, str]]:
        names = PARAMETERS if self.dice.random() < 0.2 else ARGUMENTS.get(rule.rule, PARAMETERS)
        odd = [(self.dice.choice(names), self._argument()) for _ in range(self.dice.choice((0, 0, 1, 1, 2)))]
        needed = NEEDED.get(rule.rule)
        if needed is None or self.dice.random() < 0.1:
            return odd
        return [(needed, self._id("item_id" if needed == "itemId" else "account_id")), *odd]

    def _argument(self) -> str:
        if self.dice.random() < 0.25:
            return self._id(self.dice.choice(("item_id", "account_id", "transaction_id")))
        return self.dice.choice(("1", "2", "true", "2026-01-31", *ODD_TEXTS))

    def _body(self, rule: Rule) -> bytes:
        if self.dice.random() < 0.08:
            return self.dice.choice(ODD_BODIES)
        words = [word for word in rule.rule.split("/") if word and not word.startswith("<")]
        good = json.loads(json.dumps(BODIES.get(words[-1] if words else "", {"a": 1})))
        if words[-1:] == ["items"]:
            good["connectorId"] = self.dice.choice((0, 2, 2, 4, 5, 19, 600))
            good["parameters"]["user"] = self.dice.choice(("user-ok", "user-bad", "user-ok-perf-9x", "user-ok-phone"))
        if words[-1:] == ["evolve"]:
            good = {"changes": [self.dice.choice(good["changes"])]}
        return json.dumps(self._spoilt(good) if self.dice.random() < 0.6 else good).encode()

    def _spoilt(self, value: Any) -> Any:
        """Return *value* with one part of it replaced, left out or added."""
        if self.dice.random() < 0.2 or not isinstance(value, dict | list) or not value:
            return self.dice.choice(ODD_VALUES)
        at = self.dice.choice(sorted(value)) if isinstance(value, dict) else self.dice.randrange(len(value))
        match self.dice.random():
            case chance if chance < 0.15:
                del value[at]
            case chance if chance < 0.25 and isinstance(value, dict):
                value[self.dice.choice(("products", "options", "x", "\x00"))] = self.dice.choice(ODD_VALUES)
            case _:
                value[at] = self._spoilt(value[at])
        return value


@contextmanager
def running(dice: random.Random) -> Iterator[Fuzzer]:
    sandbox = Sandbox(Origin(CLIENT_ID, CLIENT_SECRET, 1, START, Settings()))
    try:
        yield Fuzzer(sandbox, dice)
    finally:
        sandbox.close()


@pytest.mark.slow
@pytest.mark.timeout(180 + REQUESTS)
def test_no_request_makes_the_sandbox_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    seed = int(os.environ.get("SANDBOX_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
    print(f"SANDBOX_FUZZ_SEED={seed}")

    with running(random.Random(seed)) as fuzzer:
        endpoints = fuzzer.endpoints()
        asked = [(endpoint, response.status_code) for endpoint, response in fuzzer.run(REQUESTS)]
        settled = fuzzer.client.post("/_sandbox/settle", json={"timeoutSeconds": 30}).json

    good = [endpoint for endpoint, status in asked if status < 400]
    assert len(good) > REQUESTS // 4
    assert len({endpoint for endpoint, _ in asked}) == len(endpoints)
    assert settled == {"settled": True, "pendingDeliveries": 0}
    assert [record.getMessage() for record in caplog.records] == []
