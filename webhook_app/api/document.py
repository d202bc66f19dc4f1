"""
The API's document: OpenAPI 3.1, made from the blueprints when it is first asked for.

flask-smorest describes addresses, parameters, bodies and schemas. Added here: what Pluggy's objects hold, the problems
that each call can answer, the notifications, and an example of each answer, taken from a test.

Tests: `api/test_document.py`. Every answer and notification in a test is compared with it (`tests/kit/documented.py`).
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import marshmallow as ma
from flask import Flask
from flask_smorest import Api

from webhook_app import problems
from webhook_app.api import notification_schemas, pluggy_objects, scopes
from webhook_app.api.accounts import AccountSchema, TransactionSchema
from webhook_app.api.blueprint import CODES, STREAMS, ApiBlueprint
from webhook_app.api.changes import TransactionOfItemSchema
from webhook_app.api.data_products import NAMES
from webhook_app.api.fields import Instant, Money
from webhook_app.api.item_view import ItemSchema
from webhook_app.api.pluggy_objects import Schema, component

_SCOPES = (
    "One of the service's API tokens. It has a scope: `read`; `act`, which holds `read`; or `admin`, which holds both. "
    "Each call names the one that it needs"
)

SETTINGS = {
    "API_TITLE": "pluggy-sync",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    # flask-smorest makes only the document. The address is ours.
    "API_SPEC_OPTIONS": {
        "info": {
            "description": (
                "A correct, current copy of every account connected through Pluggy, and what persons must do "
                "for it.\n\n"
                "Lists give `next`, to be sent back as `after`. Errors are RFC 9457 problems with a stable `code`. An "
                "address that is not here answers `not-found`, another method `method-not-allowed`. New fields, new "
                "values of Pluggy's words and new codes may come: read what you know.\n\n" + problems.as_markdown()
            )
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _SCOPES}}},
        "security": [{"token": []}],
    },
}

# What every call may answer. The last of them: its body is too slow, or too large.
_OF_EVERY_CALL = (
    "invalid-request",
    "unauthorized",
    "insufficient-scope",
    "too-slow",
    "too-large",
    "internal-error",
    "unavailable",
)

_PATH_PARAMETERS: Mapping[str, Schema] = {
    "item_id": {"type": "string", "format": "uuid"},
    "account_id": {"type": "string"},
    "action_id": {"type": "string"},
    "client_user_id": {"type": "string"},
    "endpoint_id": {"type": "string"},
    "erasure_id": {"type": "string"},
    "notification_id": {"type": "string"},
    "product": {"type": "string", "enum": NAMES},
}
_PARAMETER_TEXTS: Mapping[str, str] = {
    "item_id": "Pluggy's id of the Item",
    "account_id": "Pluggy's id of the account",
    "action_id": "Id of the action",
    "client_user_id": "Your id of the person",
    "endpoint_id": "Id of the endpoint",
    "erasure_id": "Id of the erasure",
    "notification_id": "Id of the notification, as in the header `webhook-id`",
    "product": "The data product",
}

_PROBLEM: Schema = {
    "type": "object",
    "description": "Why a call was refused (RFC 9457). Branch on `code`; `docs/errors.md` says what to do for each.",
    "required": ["type", "title", "status", "detail", "code", "requestId"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Address of the paragraph about this code, relative to the service",
        },
        "title": {"type": "string", "description": "The name of the status"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What the caller can do"},
        "code": {"type": "string", "description": "A stable word"},
        "requestId": {"type": "string", "description": "Also in the header `X-Request-Id` and in the logs"},
        "errors": {
            "type": "array",
            "description": "The values that are wrong",
            "items": component("Fault"),
        },
        "action": component("Action"),
        "retryAt": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "Not to be tried before; null: Pluggy gave no time",
        },
        "earliest": {"type": "string", "format": "date-time", "description": "Since when it is known"},
        "replacedBy": {"type": "string", "description": "The Item that brings the accounts now"},
        "pluggyCode": {"type": "string", "description": "Pluggy's own word, where it gave one"},
    },
}
_FAULT: Schema = {
    "type": "object",
    "required": ["where", "field", "message"],
    "properties": {
        "where": {"type": "string", "description": "`json`, `query` or `path`"},
        "field": {"type": "string", "description": "Its name; empty: the whole"},
        "message": {"type": "string"},
    },
}


class Document:
    """The document of *app*. It is made once, by the first who asks: it takes longer than to start the app."""

    def __init__(self, app: Flask, api: Api, blueprints: Sequence[ApiBlueprint], *, server: str) -> None:
        self._app = app
        self._api = api
        self._blueprints = blueprints
        self._server = server
        self._lock = threading.Lock()
        self._made: dict[str, Any] | None = None

    def made(self) -> dict[str, Any]:
        """Return the document."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> dict[str, Any]:
        for field, kind, format_ in ((Instant, "string", "date-time"), (Money, "number", None)):
            self._api.register_field(field, kind, format_)
        for blueprint in self._blueprints:
            self._api.spec.tag({"name": blueprint.name, "description": blueprint.description})
            blueprint.register_views_in_doc(self._api, self._app, self._api.spec, name=blueprint.name, parameters=None)
        document: dict[str, Any] = self._api.spec.to_dict()
        _finish(document, server=self._server)
        return document


def _finish(document: dict[str, Any], *, server: str) -> None:
    examples = json.loads((files("webhook_app.api") / "examples.json").read_text())
    schemas = document["components"]["schemas"]
    schemas.update({**pluggy_objects.COMPONENTS, **notification_schemas.components()})
    schemas.update({"Problem": _PROBLEM, "Fault": _FAULT})
    for unused in ("Error", "PaginationMetadata"):
        schemas.pop(unused, None)
    document["components"].pop("responses", None)
    for schema in (ItemSchema, AccountSchema, TransactionSchema, TransactionOfItemSchema):
        _describe_pluggys(schemas, schema)
    _count_properties(schemas["NewCredentials"]["properties"]["parameters"])
    for path in document["paths"].values():
        _describe_path(path.get("parameters", []))
        for _, operation in _operations(path):
            needed = scopes.needed(operation["operationId"])
            operation["security"] = [] if needed is None else [{"token": [needed.value]}]
            _complete(operation, examples.get(operation["operationId"], {}))
    document["webhooks"] = notification_schemas.webhooks(examples["notifications"])
    document["servers"] = [{"url": server, "description": "This service"}]


def _describe_pluggys(schemas: dict[str, Any], schema: type[ma.Schema]) -> None:
    described = schemas[schema.__name__.removesuffix("Schema")]
    described["properties"] = {**schema.PLUGGYS, **described["properties"]}  # type: ignore[attr-defined]  # the caller chose one that has it
    described["description"] = (schema.__doc__ or "").strip()


def _count_properties(schema: dict[str, Any]) -> None:
    """An object has a number of properties. apispec writes its bounds as those of a text."""
    schema["minProperties"], schema["maxProperties"] = schema.pop("minLength"), schema.pop("maxLength")


def _operations(path: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for method, operation in path.items():
        if method != "parameters":
            yield method, operation


def _describe_path(parameters: Sequence[dict[str, Any]]) -> None:
    for parameter in parameters:
        parameter["schema"] = _PATH_PARAMETERS[parameter["name"]]
        parameter["description"] = _PARAMETER_TEXTS[parameter["name"]]


def _complete(operation: dict[str, Any], examples: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        _without_null(parameter["schema"])
    operation.setdefault("description", operation["summary"])
    answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    for status, answer in answers.items():
        if status in examples and "content" in answer:
            answer["content"]["application/json"]["example"] = examples[status]
    for type_ in operation.pop(STREAMS, []):
        answers["200"]["content"][type_] = {"schema": {"type": "string"}}
    if "requestBody" in operation and "request" in examples:
        operation["requestBody"]["content"]["application/json"]["example"] = examples["request"]
    operation["responses"] = {**answers, **_problems(operation.pop(CODES, []))}


def _without_null(schema: dict[str, Any]) -> None:
    """A parameter is given or absent, never null."""
    if isinstance(schema.get("type"), list):
        schema["type"] = next(each for each in schema["type"] if each != "null")
    if "enum" in schema:
        schema["enum"] = [each for each in schema["enum"] if each is not None]
    if schema.get("default", 0) is None:
        del schema["default"]


def _problems(codes: Sequence[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys([*_OF_EVERY_CALL, *codes]):
        by_status.setdefault(problems.STATUS_OF_CODE[code], []).append(code)
    return {str(status): _problem(status, found) for status, found in sorted(by_status.items())}


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    first = codes[0]
    return {
        "description": "\n".join(f"- `{code}`: {problems.DETAIL_OF_CODE[code]}" for code in codes),
        "content": {
            "application/problem+json": {
                "schema": {**component("Problem"), "properties": {"code": {"enum": list(codes)}}},
                "example": {
                    "type": problems.address_of(first),
                    "title": problems.title_of(status),
                    "status": status,
                    "detail": problems.DETAIL_OF_CODE[first],
                    "code": first,
                    "requestId": "0b9c2f1e-6a52-4f0e-9d57-2f1f7f0a8c11",
                },
            }
        },
    }
