"""Incidents of institutions: begun, told of and ended by whoever controls the sandbox."""

from datetime import timedelta

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, world
from pluggy_sandbox.api.connectors import found as found_connector
from pluggy_sandbox.api.requests import body
from pluggy_sandbox.control.views import MOST_DAYS
from pluggy_sandbox.lifecycle import institutions
from pluggy_sandbox.state import incidents
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import fields, instants
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError

blueprint = Blueprint("incidents", __name__, url_prefix="/_sandbox")


@blueprint.get("/incidents")
def show_incidents() -> Response:
    """List the incidents of institutions, those that are over included."""
    here = world()
    with here.lock:
        return answer({"results": [_view(here, incident) for incident in here.incidents.values()]})


@blueprint.post("/incidents")
def begin_incident() -> Response:
    """Let there be an incident of one or more institutions: in their health and on the status page."""
    here, sent = world(), body()
    numbers = sent.get("connectorIds")
    if not isinstance(numbers, list) or not numbers or not all(isinstance(n, int | str) for n in numbers):
        raise BadRequestError("connectorIds must be an array of connectors' ids")
    connectors = [found_connector(str(number)) for number in numbers]
    seconds = fields.number(sent, "startsInSeconds", least=0, most=MOST_DAYS * 86_400) or 0
    with here.lock:
        incident = institutions.begin_incident(
            here,
            [connector.id for connector in connectors],
            kind_of_trouble=fields.choice(sent, "type", incidents.TYPES) or "OTHER",
            title=fields.text(sent, "title"),
            description=fields.text(sent, "description"),
            product=fields.choice(sent, "product", incidents.PRODUCT_LINES) or "dados",
            kind=fields.choice(sent, "kind", incidents.KINDS) or "INCIDENT",
            severity=fields.choice(sent, "severity", incidents.SEVERITIES) or "DEGRADED",
            state=fields.choice(sent, "state", incidents.OPEN_STATES) or "INVESTIGATING",
            starts_in=timedelta(seconds=seconds),
        )
        return answer(_view(here, incident))


@blueprint.patch("/incidents/<incident_id>")
def tell_of_incident(incident_id: str) -> Response:
    """Say what is new about an incident; the state RESOLVED ends it."""
    here, sent = world(), body()
    state, message = fields.choice(sent, "state", incidents.STATES), fields.text(sent, "message")
    with here.lock:
        incident = here.incidents.get(incident_id)
        if incident is None:
            raise NotFoundError("Incident not found")
        institutions.tell_of_incident(here, incident, state or incident.state, message or "")
        return answer(_view(here, incident))


def _view(here: World, incident: incidents.Incident) -> Json:
    return incident.view(here.address) | {
        "connectorIds": incident.connector_ids,
        "resolvedAt": instants.iso_or_none(incident.resolved_at),
    }
