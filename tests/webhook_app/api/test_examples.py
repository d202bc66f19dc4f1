"""
The examples of the document are answers of these tests: `webhook_app/api/examples.json`.

`EXAMPLES=write pytest tests/webhook_app/api/test_examples.py` writes the file anew. Otherwise the answers must have the
form that the file shows.
"""

import dataclasses
import ipaddress
import json
import os
import re
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pluggy_sync.engine import succession, sweep
from pluggy_sync.engine.reminders import remind
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.rules.alerts import Code, Finding
from pluggy_sync.settings import Settings
from pluggy_sync.store import alerts, items
from pluggy_sync.store.bank_incidents import Return
from pluggy_sync.store.tables import items as items_table
from pluggy_sync.store.tables import outbox
from tests.kit.clock import Clock
from tests.kit.documented import document
from tests.kit.interception import changed, refused
from tests.kit.pluggy import FEW_PRODUCTS
from tests.kit.product import running_product
from tests.kit.service import Service
from tests.webhook_app.product import Product

PATH = Path(str(files("webhook_app.api") / "examples.json"))
SHOWN = 2
# Long values would hide the rest.
_LONG = re.compile(r"(.{300}).+", re.DOTALL)


# A link and a token that open nothing, for those that would; and an address that does not change.
_REPLACED = {
    "imageUrl": "https://example.com/bank.svg",
    "pageUrl": "https://sync.example.com/act/ImFjdF9DMURIU2U0UzFTMWdrdU90Ig",
    "url": "https://product.example.com/hooks",
    "secret": "whsec_c2VjcmV0IG9mIHRoZSBwcm9kdWN0IGluIHRlc3Rz",
    "accessToken": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Endpoints on this machine are allowed."""
    return dataclasses.replace(settings, endpoint_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),))


def shortened(value: Any) -> Any:
    """Return *value* with at most two rows of each list, the beginning of long texts, and nothing that opens a door."""
    if isinstance(value, dict):
        return {
            name: _REPLACED[name] if name in _REPLACED and each is not None else shortened(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [shortened(each) for each in value[:SHOWN]]
    return _LONG.sub(r"\1", value) if isinstance(value, str) else value


def differences(made: Any, shown: Any, where: str = "") -> list[str]:
    """
    Return where two answers have values of other types. What the bank's rows hold differs from day to day: names that
    only one of them has count for the answer itself, not for what lies in it.
    """
    if isinstance(made, dict) and isinstance(shown, dict):
        names = {name for name in {*made} ^ {*shown} if where.count("/") < 3}
        return [f"{where}/{name}" for name in sorted(names)] + [
            each
            for name in sorted({*made} & {*shown})
            for each in differences(made[name], shown[name], f"{where}/{name}")
        ]
    if isinstance(made, list) and isinstance(shown, list):
        return differences(made[0], shown[0], f"{where}/0") if made and shown else []
    number = int | float
    alike = type(made) is type(shown) or (isinstance(made, number) and isinstance(shown, number))
    return [] if None in (made, shown) or alike else [where]


class Shown:
    """Calls the API and keeps each answer under the id of its operation."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.examples: dict[str, dict[str, Any]] = {}

    def call(self, id_: str, path: str, body: Any = None, **query: Any) -> Any:
        method = next(
            method
            for operations in document()["paths"].values()
            for method, operation in operations.items()
            if isinstance(operation, dict) and operation["operationId"] == id_
        )
        sent = {} if body is None else {"json": body}
        response = self._product.call(method.upper(), path, query_string=query, **sent)
        assert response.status_code < 300, response.get_data(as_text=True)
        answer = json.loads(response.get_data() or b"null")
        example = {"request": shortened(body)} if body is not None else {}
        self.examples[id_] = {
            **self.examples.get(id_, {}),
            **example,
            str(response.status_code): shortened(answer),
        }
        return answer


def of_all_calls(service: Service, shown: Shown) -> None:
    service.upstream.connect(clientUserId="user-43", products=None)
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    shown.call("registerItem", "/v1/items", {"itemId": item_id, "clientUserId": "user-42"})
    service.work_until_quiet()
    item = f"/v1/items/{item_id}"
    shown.call("listItems", "/v1/items")
    shown.call("getItem", item)
    accounts = shown.call("listAccounts", f"{item}/accounts")["results"]
    shown.call("listTransactions", f"/v1/accounts/{accounts[0]['id']}/transactions")
    shown.call("listProduct", f"{item}/products/loans")
    shown.call("readChanges", f"{item}/transactions/sync")
    shown.call("readChangesOfAll", "/v1/transactions/sync")
    shown.call("listSyncRuns", f"{item}/sync-runs")
    shown.call("readCoverage", f"{item}/coverage")
    shown.call("readTimeline", f"{item}/timeline")
    shown.call("createConnectToken", "/v1/connect-tokens", {"clientUserId": "user-42"})
    shown.call("createUpdateToken", f"{item}/connect-token", {"oauthRedirectUri": "https://product.example/back"})
    of_all_actions(service, shown)
    shown.call("getUser", "/v1/users/user-42")
    of_what_is_not_stored(service, shown)
    shown.call("refreshItem", f"{item}/refresh")
    service.catch_up()
    shown.call("deleteItem", item)
    service.catch_up()
    erasure_id = shown.call("deleteUser", "/v1/users/user-43")["id"]
    service.work()
    shown.call("getErasure", f"/v1/erasures/{erasure_id}")
    shown.call("listErasureKeys", "/v1/erasure-keys")


def of_what_is_not_stored(service: Service, shown: Shown) -> None:
    item_id = service.upstream.connect("none", connector=600, parameters={"cpf": "761.092.776-73"})
    service.upstream.approve(item_id)
    service.catch_up()
    shown.call("readCreditRegistry", f"/v1/items/{item_id}/scr", **{"from": "202601", "to": "202601"})
    account_id = shown._product.get(f"/v1/items/{item_id}/accounts")["results"][0]["id"]
    shown.call("listStatements", f"/v1/accounts/{account_id}/statements")
    shown.call("readBalanceNow", f"/v1/accounts/{account_id}/balance")


def of_all_endpoints(service: Service, shown: Shown) -> dict[str, Any]:
    """Return what was told of them."""
    with running_product() as receiver:
        return _of_endpoint(service, shown, receiver.url)


def _of_endpoint(service: Service, shown: Shown, url: str) -> dict[str, Any]:
    endpoint_id = shown.call("createEndpoint", "/v1/endpoints", {"url": url, "description": "The wallet"})["id"]
    endpoint = f"/v1/endpoints/{endpoint_id}"
    shown.call("listEndpoints", "/v1/endpoints")
    shown.call("showEndpoint", endpoint)
    shown.call("changeEndpoint", endpoint, {"types": ["item.synced", "item.action_required"]})
    shown.call("pingEndpoint", f"{endpoint}/ping")
    service.work()
    shown.call("listAttempts", f"{endpoint}/attempts")
    shown.call("rotateSecret", f"{endpoint}/rotate-secret", {})
    shown.call("resumeEndpoint", f"{endpoint}/resume")
    shown.call("recoverEndpoint", f"{endpoint}/recover", {"since": "2026-01-01T00:00:00.000Z"})
    found = shown.call("listNotifications", "/v1/notifications")["results"]
    shown.call("resendNotification", f"/v1/notifications/{found[0]['id']}/resend", {})
    with service.res.begin() as tx:
        now = service.res.now()
        messages.endpoint_disabled(tx, endpoint_id, "failing", now=now)
        finding = Finding(code=Code.ENDPOINT_STOPPED, subject=endpoint_id, detail=f"{endpoint_id} (failing)")
        alert = alerts.see(tx.conn, finding, now=now)
        messages.system_alert(tx, alert, now=now)
        messages.system_alert_cleared(tx, alert, now=now)
    notifications = told(service)
    shown.call("deleteEndpoint", endpoint)
    return notifications


def of_all_actions(service: Service, shown: Shown) -> None:
    service.upstream.connect(connector=5)
    service.catch_up()
    (code,) = shown.call("listActions", "/v1/actions", state="open")["results"]
    shown.call("getAction", f"/v1/actions/{code['id']}")
    shown.call("createPageLink", f"/v1/actions/{code['id']}/page-link")
    shown.call("answerMfa", f"/v1/actions/{code['id']}/mfa", {"value": "123456"})
    service.catch_up()
    opened = {}
    for user in ("user-bad", "user-account-need-actions-provider-message", "user-locked"):
        service.upstream.connect(user)
        service.catch_up()
        (opened[user],) = [
            each["id"]
            for each in json.loads(shown._product.call("GET", "/v1/actions?state=open").get_data())["results"]
            if each["id"] not in opened.values()
        ]
    given = {"parameters": {"user": "user-ok", "password": "password-ok"}}
    shown.call("giveCredentials", f"/v1/actions/{opened['user-bad']}/credentials", given)
    shown.call("restartAction", f"/v1/actions/{opened['user-account-need-actions-provider-message']}/restart")
    shown.call("cancelAction", f"/v1/actions/{opened['user-locked']}/cancel")
    service.catch_up()


def told(service: Service) -> dict[str, Any]:
    """Return a notification of each type that was written. What becomes of a deleted Item is not kept."""
    return {row.type: shortened(json.loads(row.body)) for row in service.rows(outbox)}


def of_a_code_that_nobody_gave(service: Service, clock: Clock) -> dict[str, Any]:
    """Return what was told."""
    item_id = service.upstream.connect(connector=5)
    service.catch_up()
    service.upstream.later(seconds=130)
    clock.advance(seconds=130)
    sweep.sweep(service.res)
    service.catch_up()
    found = told(service)
    service.upstream.delete(item_id)
    service.catch_up()
    return found


def of_all_notifications(service: Service, clock: Clock) -> None:
    with changed(service.res, "/(accounts|v2/transactions|bills|investments|identity|loans)", refused(403)):
        service.upstream.connect(products=None)
        service.deliver(*service.upstream.take_events())
        service.work()
    ends = service.upstream.connect()
    service.upstream.connect("user-locked")
    service.catch_up()
    service.upstream.connector_health(2, "UNSTABLE")
    service.catch_up()
    with service.res.database.begin() as conn:
        item = items.get(conn, ends)
        assert item is not None
        assert item.last_updated_at is not None
        conn.execute(
            items_table.update()
            .where(items_table.c.id == ends)
            .values(consent_expires_at=clock() + timedelta(days=6), next_auto_sync_at=clock() + timedelta(hours=1))
        )
    of_a_person_who_connects_anew(service)
    of_a_bank_that_is_back(service, ends)
    # Nobody is reminded at night.
    clock.advance_to((datetime.now(SAO_PAULO) + timedelta(days=2)).replace(hour=12, minute=0))
    remind(service.res)
    clock.advance(days=2)
    remind(service.res)
    service.work_until_quiet()


def of_a_bank_that_is_back(service: Service, item_id: str) -> None:
    over = Return(
        item_id=item_id,
        connector_id=2,
        incident_type="INSTITUTION_OUTAGE",
        since=service.res.now() - timedelta(hours=3),
        back_at=service.res.now(),
    )
    with service.res.begin() as tx:
        row = items.lock(tx.conn, item_id, now=service.res.now())
        messages.bank_back(tx, row, over, name="Pluggy Bank", now=service.res.now())


def of_a_person_who_connects_anew(service: Service) -> None:
    old = service.upstream.connect("user-ok", connector=201, products=[*FEW_PRODUCTS, "IDENTITY"])
    service.upstream.later(days=1)
    new = service.upstream.connect("user-ok", connector=201, products=[*FEW_PRODUCTS, "IDENTITY"])
    service.catch_up()
    succession.undo(service.res, old, new)


def test_each_example_has_the_form_of_a_real_answer(service: Service, product: Product, clock: Clock):
    shown = Shown(product)
    notifications = of_a_code_that_nobody_gave(service, clock)
    of_all_calls(service, shown)
    notifications |= of_all_endpoints(service, shown)
    of_all_notifications(service, clock)
    notifications |= told(service)

    made = {"notifications": dict(sorted(notifications.items())), **dict(sorted(shown.examples.items()))}
    if os.environ.get("EXAMPLES") == "write":
        PATH.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")

    assert {
        value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)
    } - notifications.keys() == set()
    assert differences(made, json.loads(PATH.read_text())) == []
