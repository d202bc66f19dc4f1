"""The control surface described in OpenAPI: paths and words from the views, bodies from here."""

import inspect
import re
from typing import Any, get_args

from flask import Blueprint, Response, current_app, render_template
from werkzeug.routing import Rule

from pluggy_sandbox.api.answers import answer
from pluggy_sandbox.bank.changes import KINDS as CHANGES
from pluggy_sandbox.catalogue.outcomes import ERRORS
from pluggy_sandbox.lifecycle import resources
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state import incidents
from pluggy_sandbox.state.faults import Kind as Fault
from pluggy_sandbox.wire import switches
from pluggy_sandbox.wire.encoding import Json

blueprint = Blueprint("openapi", __name__, url_prefix="/_sandbox")


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _enum(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
WHOLE: Json = {"type": "integer"}
TRUTH: Json = {"type": "boolean"}
ANY: Json = {"type": "object"}
CHANCE: Json = {"type": "number", "minimum": 0, "maximum": 1}

_REQUEST_FAULT = _object(
    endpoint={**TEXT, "description": "As in the API's reference, e.g. `GET /items/{id}`; `*` for all"},
    do=_enum(*get_args(Fault)),
    status={**WHOLE, "description": "For `status`; 429 comes with its headers"},
    seconds={**NUMBER, "description": "For `slow`"},
    times={**WHOLE, "description": "How often; for good where absent"},
    skip={**WHOLE, "description": "How many requests go well first"},
    chance=CHANCE,
)
_DELIVERY_FAULT = _object(loss=CHANCE, duplicate=CHANCE, disorder=TRUTH, delaySeconds=_list(NUMBER))
_CHANGE = _object(kind=_enum(*CHANGES), count=WHOLE, days={**WHOLE, "description": "How long ago the row is dated"})

BODIES: dict[tuple[str, str], Json] = {
    ("post", "/clock"): _object(
        advanceSeconds=NUMBER, advanceDays=NUMBER, speed={**NUMBER, "description": "Virtual seconds a second; 0 stops"}
    ),
    ("post", "/items/{item_id}/run"): _object(triggeredBy=_enum("USER", "CLIENT", "SYNC", "INTERNAL")),
    ("post", "/items/{item_id}/evolve"): _object(changes=_list(_CHANGE), accountId=TEXT),
    ("post", "/items/{item_id}/exhaust"): _object(products=_list(TEXT)),
    ("post", "/items/{item_id}/break"): _object(executionStatus=_enum(*ERRORS)),
    ("post", "/items/{item_id}/mfa"): ANY,
    ("post", "/items"): _object(connectorId=WHOLE, parameters=ANY, clientUserId=TEXT, webhookUrl=TEXT),
    ("post", "/items/{item_id}/update"): _object(parameters=ANY, clientUserId=TEXT, webhookUrl=TEXT),
    ("post", "/webhooks"): _object(url=TEXT, event=TEXT, headers=ANY),
    ("post", "/connect_token"): _object(itemId=TEXT, options=ANY),
    ("put", "/items/{item_id}/resources"): _object(**dict.fromkeys(resources.PRODUCTS, _enum(*resources.STATUSES))),
    ("post", "/incidents"): _object(
        connectorIds=_list(WHOLE),
        type=_enum(*incidents.TYPES),
        title=TEXT,
        description=TEXT,
        product=_enum(*incidents.PRODUCT_LINES),
        kind=_enum(*incidents.KINDS),
        severity=_enum(*incidents.SEVERITIES),
        state=_enum(*incidents.OPEN_STATES),
        startsInSeconds=NUMBER,
    ),
    ("patch", "/incidents/{incident_id}"): _object(state=_enum(*incidents.STATES), message=TEXT),
    ("post", "/settle"): _object(timeoutSeconds=NUMBER),
    ("post", "/deliver"): _object(payload=ANY, headers=ANY),
    ("put", "/faults"): _object(requests=_list(_REQUEST_FAULT), deliveries=_DELIVERY_FAULT, notFoundAfterEvent=WHOLE),
    ("post", "/reset"): _object(seed=WHOLE),
    ("put", "/connectors/{connector_id}/health"): _object(status=_enum("ONLINE", "UNSTABLE", "OFFLINE")),
    ("put", "/applications/{client_id}"): _object(clientSecret=TEXT, enabled=TRUTH),
}
QUERIES: dict[tuple[str, str], dict[str, Json]] = {
    ("get", "/requests"): {"since": WHOLE},
    ("get", "/deliveries"): {"latest": WHOLE},
    ("get", "/items/{item_id}/statement"): {"size": WHOLE},
    ("get", "/bank/authorize"): {"itemId": TEXT},
}


def _settings_schema() -> Json:
    kinds: dict[type, Json] = {bool: TRUTH, int: WHOLE, float: NUMBER, str: TEXT, list: _list(NUMBER), dict: ANY}
    values = switches.as_json(Settings())
    return _object(**{name: {**kinds[type(value)], "default": value} for name, value in values.items()})


@blueprint.get("/openapi.json")
def document() -> Response:
    """Describe the control surface."""
    return answer(describe())


@blueprint.get("/docs")
def docs() -> str:
    """Show the description to a person."""
    return render_template("docs.html", paths=describe()["paths"])


def describe() -> Json:
    """Return the OpenAPI document of the present application's control surface."""
    paths: dict[str, Json] = {}
    for rule in current_app.url_map.iter_rules():
        if rule.rule.startswith("/_sandbox/"):
            paths.setdefault(_path(rule), {}).update(_operations(rule))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pluggy sandbox: control surface",
            "version": "1",
            "description": "What only a stand-in can do. No authentication; for one machine only.",
        },
        "paths": dict(sorted(paths.items())),
    }


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def _operations(rule: Rule) -> dict[str, Any]:
    view = current_app.view_functions[rule.endpoint]
    words = inspect.getdoc(view) or ""
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    return {method.lower(): _operation(method.lower(), _path(rule), words) for method in methods}


def _operation(method: str, path: str, words: str) -> Json:
    short = path.removeprefix("/_sandbox")
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"{(\w+)}", path)
    ]
    for name, schema in QUERIES.get((method, short), {}).items():
        parameters.append({"name": name, "in": "query", "schema": schema})
    operation: Json = {
        "summary": words.split("\n", maxsplit=1)[0],
        "operationId": f"{method}{short.replace('/', '_').replace('{', '').replace('}', '')}",
        "parameters": parameters,
        "responses": {"200": {"description": "Done"}, "400": {"description": "`{code, message}`"}},
    }
    body = _settings_schema() if (method, short) == ("put", "/settings") else BODIES.get((method, short))
    if body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return operation
