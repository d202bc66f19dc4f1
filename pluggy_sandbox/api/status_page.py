"""
The public status page's API, which needs no key (Pluggy facts 13.4); at Pluggy it has a host of its own.

The names of the collections and of what an incident and its updates hold are Pluggy's. Where the public description
could not be read to its end, what is inside them is this sandbox's own.
"""

from datetime import date, timedelta

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, world
from pluggy_sandbox.catalogue.connectors import BY_ID, CATALOGUE, Connector
from pluggy_sandbox.lifecycle import institutions
from pluggy_sandbox.state.incidents import SEVERITIES, Incident
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso, iso_or_none

blueprint = Blueprint("status_page", __name__)
_HISTORY_DAYS = 90
_COMPONENTS = ("API", "Webhooks", "Connect")
_OF_HEALTH = {"ONLINE": "operational", "UNSTABLE": "degraded", "OFFLINE": "major_outage"}
_WORST_FIRST = tuple(severity.lower() for severity in SEVERITIES)


@blueprint.get("/api/status")
def snapshot() -> Response:
    """Show everything: institutions, incidents with their timelines, components."""
    here = world()
    with here.lock:
        since = here.clock.now - timedelta(days=_HISTORY_DAYS)
        shown = [i for i in here.incidents.values() if i.resolved_at is None or i.resolved_at >= since]
        return _cached(
            {
                "generatedAt": iso(here.clock.now),
                "institutions": [_institution(here, connector) for connector in CATALOGUE],
                "incidents": [_incident(here, incident) for incident in shown],
                "observations": [],
                "components": [{"name": name, "status": "operational"} for name in _COMPONENTS],
                "productStatus": [],
            }
        )


@blueprint.get("/api/connectors-incidents")
def by_connector() -> Response:
    """Show what is broken now, by the connector's id."""
    here = world()
    with here.lock:
        broken = {str(c.id): institutions.active_incidents(here, c) for c in CATALOGUE}
        views = {name: [i.view(here.address) for i in found] for name, found in broken.items() if found}
        return _cached({"generatedAt": iso(here.clock.now), "connectors": views})


@blueprint.get("/api/summary")
def summary() -> Response:
    """Show one status for all."""
    here = world()
    with here.lock:
        active = [i for i in here.incidents.values() if i.is_active(here.clock.now)]
        status = _worst([incident.severity.lower() for incident in active])
        return _cached({"generatedAt": iso(here.clock.now), "status": status, "openIncidents": len(active)})


def _cached(value: Json) -> Response:
    response = answer(value)
    response.headers["Cache-Control"] = "public, max-age=30"
    return response


def _worst(statuses: list[str]) -> str:
    return min(statuses, key=_WORST_FIRST.index) if statuses else "operational"


def _institution(here: World, connector: Connector) -> Json:
    found = [incident.severity.lower() for incident in institutions.active_incidents(here, connector)]
    health = _OF_HEALTH[here.health_of(connector).status]
    return {
        "pluggy_id": str(connector.id),
        "name": connector.name,
        "type": connector.type,
        "is_open_finance": connector.is_open_finance,
        "status": _worst([*found, *([] if health == "operational" else [health])]),
        "history": [_day(here, connector, days_ago) for days_ago in range(_HISTORY_DAYS - 1, -1, -1)],
    }


def _day(here: World, connector: Connector, days_ago: int) -> Json:
    day = here.clock.now.date() - timedelta(days=days_ago)
    found = [i.severity.lower() for i in here.incidents.values() if connector.id in i.connector_ids and _on(i, day)]
    return {"date": day.isoformat(), "status": _worst(found)}


def _on(incident: Incident, day: date) -> bool:
    return incident.started_at.date() <= day and (incident.resolved_at is None or day <= incident.resolved_at.date())


def _incident(here: World, incident: Incident) -> Json:
    return {
        "id": incident.id,
        "title": incident.title,
        "description": incident.description,
        "type": incident.type,
        "product": incident.product,
        "kind": incident.kind,
        "severity": incident.severity,
        "state": incident.state.lower(),
        "started_at": iso(incident.started_at),
        "updated_at": iso(incident.updated_at),
        "resolved_at": iso_or_none(incident.resolved_at),
        "url": incident.url(here.address),
        "institutions": [
            {"pluggy_id": str(connector_id), "institution_name": BY_ID[connector_id].name}
            for connector_id in incident.connector_ids
        ],
        "updates": [
            {
                "id": update.id,
                "incident_id": incident.id,
                "state": update.state.lower(),
                "body": update.message,
                "created_at": iso(update.at),
            }
            for update in incident.updates
        ],
    }
