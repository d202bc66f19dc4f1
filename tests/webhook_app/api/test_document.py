"""The API's document, which products generate their clients from."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pluggy_sync import wire
from pluggy_sync.notifications import messages
from tests.kit import documented
from tests.kit.documented import document, fault_in_answer, fault_in_notification
from tests.kit.factories import a_settings
from tests.webhook_app.product import Product
from webhook_app.problems import STATUS_OF_CODE

METHODS = ("get", "post", "delete", "put", "patch")


def operations():
    for path, methods in document()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method} {path}", methods[method]


def schemas_in(value):
    """Yield every schema of properties in *value*, with its name."""
    if isinstance(value, dict):
        for name, each in value.get("properties", {}).items() if isinstance(value.get("properties"), dict) else ():
            yield name, each
        for each in value.values():
            yield from schemas_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from schemas_in(each)


def test_each_call_has_an_id_of_its_own_a_summary_and_a_description():
    ids = [operation["operationId"] for _, operation in operations()]

    assert len(ids) == len(set(ids)) >= 21
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", each) for each in ids)
    assert [where for where, each in operations() if not each["summary"] or not each["description"]] == []


def test_each_call_names_every_refusal_that_all_calls_share_and_each_status_of_its_codes():
    for where, operation in operations():
        assert {"400", "401", "500", "503"} <= operation["responses"].keys(), where
        for status, answer in operation["responses"].items():
            if not status.startswith("2"):
                schema = answer["content"]["application/problem+json"]["schema"]
                codes = schema["properties"]["code"]["enum"]
                assert {STATUS_OF_CODE[code] for code in codes} == {int(status)}, where


def test_each_call_has_an_example_of_its_answer_that_is_what_its_schema_describes():
    for where, operation in operations():
        method, path = where.split(" ")
        answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert any("example" in answer.get("content", {}).get("application/json", {}) for answer in answers) or (
            operation["responses"].keys() >= {"204"}
        ), where
        for status, answer in operation["responses"].items():
            for type_, content in answer.get("content", {}).items():
                if "example" in content:
                    body = wire.encode(content["example"])
                    assert fault_in_answer(method.upper(), path, int(status), type_, body) is None


def test_each_notification_is_in_it_with_an_example():
    types = {value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)}

    assert types == set(messages.TYPES)
    assert document()["webhooks"].keys() == types
    for type_, webhook in document()["webhooks"].items():
        example = webhook["post"]["requestBody"]["content"]["application/json"]["example"]
        assert example["type"] == type_
        assert fault_in_notification(wire.encode(example)) is None


def test_no_schema_has_a_private_name_and_no_instant_is_without_its_type():
    schemas = document()["components"]["schemas"]

    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    instants = [(name, each) for name, each in schemas_in(schemas) if name.endswith("At") and name != "retryAt"]
    assert len(instants) > 20
    assert [name for name, each in instants if each.get("format") != "date-time"] == []


def test_a_field_that_is_described_has_a_type():
    untyped = [
        name
        for name, each in schemas_in(document()["components"]["schemas"])
        if not each.keys() & {"type", "$ref", "anyOf", "enum", "const"}
    ]

    # What a merchant's category is written as differs from bank to bank.
    assert set(untyped) <= {"payeeMCC"}


def test_it_names_the_address_of_the_service():
    assert document()["servers"] == [{"url": a_settings().public_url, "description": "This service"}]
    assert document()["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    "answer, fault",
    [
        (("GET", "/v1/items", 200, "application/json", b'{"results": [], "next": null}'), None),
        (("GET", "/v1/items", 200, "application/json", b'{"results": []}'), '"next" is a required property'),
        (("GET", "/v1/items", 200, "application/json", b'{"results": [], "next": null, "more": 1}'), "'more'"),
        (("GET", "/v1/items", 200, "text/html", b""), "the type text/html"),
        (("GET", "/v1/items", 302, "text/html", b""), "302 is not in the document"),
        (("GET", "/v1/new", 200, "application/json", b"{}"), "an address that the document does not have"),
    ],
)
def test_an_answer_that_differs_is_noticed(answer, fault):
    found = fault_in_answer(*answer)

    assert found is None if fault is None else fault in str(found)


def test_a_notification_that_differs_is_noticed():
    assert "is not in the document" in str(fault_in_notification('{"type": "item.unheard_of"}'))
    assert "required" in str(
        fault_in_notification('{"type": "item.deleted", "timestamp": "2026-01-01T00:00:00.000Z", "data": {}}')
    )


def test_every_answer_of_a_test_is_compared(product: Product, monkeypatch):
    monkeypatch.setitem(document()["paths"]["/v1/items"]["get"]["responses"], "200", {"content": {}})

    product.get("/v1/items")

    assert [each for each in documented._faults if each.startswith("GET /v1/items: 200")]
    documented._faults.clear()


CLIENT_SETTINGS = "literal_enums: true\npost_hooks: []\n"

# What a product would write. mypy holds each name and type.
USE = """
from datetime import datetime
from uuid import UUID

from bank_sync_client import AuthenticatedClient
from bank_sync_client.api.actions import answer_mfa
from bank_sync_client.api.items import get_item
from bank_sync_client.models import Action, Item, MfaAnswer, Problem

client = AuthenticatedClient(base_url="https://sync.example", token="t")


def last_update(item_id: UUID) -> datetime | None:
    item = get_item.sync(item_id=item_id, client=client)
    return item.last_updated_at if isinstance(item, Item) else None


def answer(action_id: str, value: str) -> str | None:
    action = answer_mfa.sync(action_id=action_id, client=client, body=MfaAnswer(value=value))
    if isinstance(action, Problem):
        return action.code
    return action.state if isinstance(action, Action) else None
"""


def run(module: str, *arguments: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_client_generated_from_it_is_complete_and_typed(tmp_path: Path):
    (tmp_path / "openapi.json").write_bytes(wire.encode(document()))
    (tmp_path / "settings.yml").write_text(CLIENT_SETTINGS)
    (tmp_path / "use.py").write_text(USE)
    command = ["generate", "--path", "openapi.json", "--config", "settings.yml", "--meta", "none", "--fail-on-warning"]

    run("openapi_python_client", *command, "--output-path", "bank_sync_client", folder=tmp_path)

    assert len([*tmp_path.glob("bank_sync_client/api/*/[a-z]*.py")]) == len([*operations()])
    # Redundant casts are the generator's habit.
    run("mypy", "--strict", "--no-warn-redundant-casts", "use.py", "bank_sync_client", folder=tmp_path)
