"""
Every answer of `/v1` and every notification in the tests, compared with the document that products read.

The document leaves room for fields to come; here a field that is not described is a fault. Faults are collected, and
the test in which they arise fails at its end.
"""

import copy
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask, Response, request
from flask.signals import request_finished

from pluggy_sync import wire
from pluggy_sync.notifications import messages
from pluggy_sync.resources import create_resources
from tests.kit.factories import a_settings
from webhook_app.api import notification_schemas
from webhook_app.app import create_app

# What is open to any caller, and is no JSON of the API.
_PAGES = ("/v1/docs", "/v1/openapi.json")
# Answered before an address is looked at, or because there is none.
_OF_ANY_ADDRESS = {400, 401, 404, 405, 408, 413, 500, 503}

_faults: list[str] = []
_lock = threading.Lock()


@cache
def document() -> dict[str, Any]:
    """Return the document, made once for all tests of a process."""
    settings = a_settings()
    with closing(create_resources(settings)) as resources:
        app = create_app(settings, resources)
        made: dict[str, Any] = json.loads(app.test_client().get("/v1/openapi.json").get_data())
    return made


@cache
def _closed() -> dict[str, Any]:
    """Return the document with no room for fields that it does not describe."""
    closed = copy.deepcopy(document())
    for schema in closed["components"]["schemas"].values():
        _close(schema)
    return closed


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and "type" in schema:
            schema.setdefault("additionalProperties", False)
        for each in schema.values():
            _close(each)
    elif isinstance(schema, list):
        for each in schema:
            _close(each)


@cache
def _validator(*place: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of the schema at *place* of the document."""
    schema: Any = _closed()
    for each in place:
        schema = schema[each]
    whole = {**schema, "components": _closed()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    # An id that the product chose may hold a slash, which Flask shows as it is.
    any_id = {"client_user_id": ".+"}
    return [
        (re.compile(re.sub(r"\\\{([^/]+)\\\}", lambda found: any_id.get(found[1], "[^/]+"), re.escape(path))), path)
        for path in paths
    ]


def fault_in_answer(method: str, path: str, status: int, content_type: str, body: bytes | None) -> str | None:
    """Return in what an answer of `/v1` differs from the document; None: it does not. *body* None: it is a stream."""
    where = f"{method} {path}: {status}"
    template = next((found for pattern, found in _templates() if pattern.fullmatch(path)), None)
    operation = document()["paths"].get(template, {}).get(method.lower())
    if operation is None:
        known = status in _OF_ANY_ADDRESS and content_type == "application/problem+json"
        schema = ("components", "schemas", "Problem")
        return _fault_in(body, schema, where) if known else f"{where} of an address that the document does not have"
    answer = operation["responses"].get(str(status))
    if answer is None:
        return f"{where} is not in the document"
    if "content" not in answer:
        return f"{where} has a body, which is not in the document" if body else None
    if content_type not in answer["content"]:
        return f"{where} has the type {content_type}, which is not in the document"
    place = ("paths", str(template), method.lower(), "responses", str(status), "content", content_type, "schema")
    return None if body is None else _fault_in(body, place, where)


def fault_in_notification(body: str | bytes) -> str | None:
    """Return in what a notification differs from the document; None: it does not."""
    type_ = json.loads(body)["type"]
    if type_ not in document()["webhooks"]:
        return f"{type_} is not in the document"
    return _fault_in(body, ("components", "schemas", notification_schemas.component_name(type_)), type_)


def _fault_in(body: str | bytes | None, place: tuple[str, ...], where: str) -> str | None:
    fault = next(iter(_validator(*place).iter_errors(json.loads(body or b"null"))), None)
    if fault is None:
        return None
    at = "/".join(str(each) for each in fault.instance_path)
    return f"{where}: {at or 'the whole'}: {fault.message[:300]}"


def _note(fault: str | None) -> None:
    if fault is not None:
        with _lock:
            _faults.append(fault)


def check_answer(app: Flask, response: Response, **_: Any) -> None:
    """Compare an answer of *app* with the document."""
    path = request.path
    if app.name != "webhook_app" or not path.startswith("/v1/") or path.startswith(_PAGES):
        return
    if request.method in ("HEAD", "OPTIONS"):
        return
    body = None if response.is_streamed else response.get_data()
    try:
        _note(fault_in_answer(request.method, path, response.status_code, response.mimetype, body))
    except Exception as exc:  # noqa: BLE001 - the app would answer 500 and the test would not know why
        _note(f"{request.method} {path}: cannot be compared: {exc!r}")


def check_delivery(headers: Mapping[str, str], body: bytes) -> None:
    """Compare what was posted to a product with the document. What a test made up itself has no timestamp."""
    if "webhook-signature" in headers and b'"timestamp"' in body:
        _note(fault_in_notification(body))


@pytest.fixture(scope="session", autouse=True)
def _answers_are_compared() -> Iterator[None]:
    with request_finished.connected_to(check_answer):
        yield


@pytest.fixture(scope="session", autouse=True)
def _notifications_are_compared() -> Iterator[None]:
    """Compare each notification as it is written, whether or not it is delivered."""
    store = messages._store

    def compared(tx: Any, type_: str, item_id: Any, sequence: Any, data: Any, *, now: datetime, **more: Any) -> Any:
        _note(fault_in_notification(wire.encode({"type": type_, "timestamp": wire.to_text(now), "data": data})))
        return store(tx, type_, item_id, sequence, data, now=now, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_store", compared)
        yield


@pytest.fixture(autouse=True)
def _nothing_differs_from_the_document() -> Iterator[None]:
    yield
    with _lock:
        found = [*_faults]
        _faults.clear()
    if found:
        pytest.fail("differs from /v1/openapi.json:\n" + "\n".join(sorted(set(found))[:20]), pytrace=False)


@pytest.fixture
def faults() -> list[str]:
    """What differs from the document so far, for a test that expects something to."""
    return _faults
