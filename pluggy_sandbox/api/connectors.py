"""Connectors (Pluggy facts 3.9)."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from pluggy_sandbox.api.answers import answer, body, page, world
from pluggy_sandbox.catalogue import connectors
from pluggy_sandbox.catalogue.connectors import BY_ID, CATALOGUE, Connector
from pluggy_sandbox.lifecycle import parameters
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import NotFoundError

blueprint = Blueprint("connectors", __name__)


def _text(name: str) -> list[str]:
    return [v for value in request.args.getlist(name) for v in value.split(",") if v]


_FILTERS: dict[str, Callable[[Connector, list[str]], bool]] = {
    "types": lambda c, values: c.type in values,
    "countries": lambda _, values: "BR" in values,
    "name": lambda c, values: values[0].lower() in c.name.lower(),
    "isOpenFinance": lambda c, values: c.is_open_finance == (values[0] == "true"),
    "supportsPaymentInitiation": lambda c, values: c.is_open_finance == (values[0] == "true"),
    "supportsSmartTransfers": lambda _, values: values[0] != "true",
    "supportsAutomaticPix": lambda _, values: values[0] != "true",
}


@blueprint.get("/connectors")
def show_all() -> Response:
    """List connectors; those of the sandbox only when asked for."""
    here = world()
    sandbox = request.args.get("sandbox") == "true"
    wanted = [c for c in CATALOGUE if sandbox or not c.is_sandbox]
    for name, test in _FILTERS.items():
        if values := _text(name):
            wanted = [c for c in wanted if test(c, values)]
    with here.lock:
        return page([_view(c) for c in wanted])


@blueprint.get("/connectors/<int:connector_id>")
def show(connector_id: int) -> Response:
    """Show a connector."""
    with world().lock:
        return answer(_view(found(connector_id)))


@blueprint.post("/connectors/<int:connector_id>/validate")
def validate(connector_id: int) -> Response:
    """Check parameters without making an Item."""
    sent = parameters.read(body())
    return answer({"parameters": sent, "errors": parameters.problems(found(connector_id), sent)})


def found(connector_id: int) -> Connector:
    """
    Return a connector.

    Raises:
        NotFoundError: CONNECTOR_NOT_FOUND.
    """
    if connector_id not in BY_ID:
        raise NotFoundError("Connector not found", "CONNECTOR_NOT_FOUND")
    return BY_ID[connector_id]


def _view(connector: Connector) -> Json:
    return connectors.view(connector, world().health_of(connector), world().address)
