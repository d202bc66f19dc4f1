"""Connectors (Pluggy facts 3.9)."""

import re
from collections.abc import Callable

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, caller, paged, world
from pluggy_sandbox.api.requests import argument, arguments, body, truth_argument
from pluggy_sandbox.catalogue.connectors import BY_ID, CATALOGUE, Connector
from pluggy_sandbox.lifecycle import institutions, parameters
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError

blueprint = Blueprint("connectors", __name__)
_NUMBER = re.compile(r"^[0-9]{1,9}$")


_LISTS: dict[str, Callable[[Connector, list[str]], bool]] = {
    "types": lambda connector, values: connector.type in values,
    "countries": lambda _, values: "BR" in values,
}
_FLAGS: dict[str, Callable[[Connector], bool]] = {
    "isOpenFinance": lambda connector: connector.is_open_finance,
    "supportsPaymentInitiation": lambda connector: connector.is_open_finance,
    "supportsSmartTransfers": lambda _: False,
    "supportsAutomaticPix": lambda _: False,
}


@blueprint.get("/connectors")
def show_all() -> Response:
    """List connectors; those of the sandbox only when asked for."""
    here, name = world(), argument("name") or ""
    sandbox = truth_argument("sandbox")
    wanted = [c for c in CATALOGUE if (sandbox or not c.is_sandbox) and name.lower() in c.name.lower()]
    for listed, has in _LISTS.items():
        if values := arguments(listed):
            wanted = [c for c in wanted if has(c, values)]
    for flag, of in _FLAGS.items():
        if (value := truth_argument(flag)) is not None:
            wanted = [c for c in wanted if of(c) is value]
    details_for = _details_for()
    with here.lock:
        return paged([institutions.view(here, c, details_for=details_for) for c in wanted])


@blueprint.get("/connectors/<connector_id>")
def show(connector_id: str) -> Response:
    """Show a connector."""
    here, details_for = world(), _details_for()
    with here.lock:
        return answer(institutions.view(here, found(connector_id), details_for=details_for))


@blueprint.post("/connectors/<connector_id>/validate")
def validate(connector_id: str) -> Response:
    """Check parameters without making an Item."""
    sent = parameters.read(body())
    return answer({"parameters": sent, "errors": parameters.problems(found(connector_id), sent)})


def found(connector_id: str) -> Connector:
    """
    Return the connector whose number is written in *connector_id*.

    Raises:
        BadRequestError: it is no number.
        NotFoundError: CONNECTOR_NOT_FOUND.
    """
    if not _NUMBER.match(connector_id):
        raise BadRequestError("id must be an integer number")
    connector = BY_ID.get(int(connector_id))
    if connector is None:
        raise NotFoundError("Connector not found", "CONNECTOR_NOT_FOUND")
    return connector


def _details_for() -> str | None:
    return caller().client_id if truth_argument("healthDetails") else None
