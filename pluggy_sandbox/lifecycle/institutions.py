"""How institutions are doing: health, incidents, and how connections with them go (Pluggy facts 3.9, 13.4)."""

from datetime import timedelta

from pluggy_sandbox.catalogue import connectors
from pluggy_sandbox.catalogue.connectors import BY_ID, Connector
from pluggy_sandbox.state.incidents import SEVERITIES, Incident, Update
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json

_RECENT = timedelta(hours=6)
_NOT_CONNECTED = ("CONNECTION_ERROR", "ERROR", "SITE_NOT_AVAILABLE")


def view(world: World, connector: Connector, *, details_for: str | None = None) -> Json:
    """Return a connector as the API serves it; *details_for* is the application whose connections are counted."""
    health = world.health_of(connector).view()
    if incidents := active_incidents(world, connector):
        health["incidents"] = [incident.view(world.address) for incident in incidents]
    if details_for is not None:
        health["details"] = _details(world, connector, details_for)
    return connectors.view(connector, health, world.address)


def active_incidents(world: World, connector: Connector) -> list[Incident]:
    """Return what goes on at an institution now, worst first."""
    found = [i for i in world.incidents.values() if connector.id in i.connector_ids and i.is_active(world.clock.now)]
    return sorted(found, key=lambda incident: SEVERITIES.index(incident.severity))


def begin_incident(
    world: World,
    connector_ids: list[int],
    *,
    kind_of_trouble: str,
    title: str | None = None,
    description: str | None = None,
    product: str = "dados",
    kind: str = "INCIDENT",
    severity: str = "DEGRADED",
    state: str = "INVESTIGATING",
    starts_in: timedelta = timedelta(0),
) -> Incident:
    """Let there be an incident from *starts_in* on, and return it; *kind_of_trouble* is its `type`."""
    names = ", ".join(BY_ID[connector_id].name for connector_id in connector_ids)
    incident = Incident(
        id=world.ids.next("incident"),
        connector_ids=connector_ids,
        title=title or f"{names}: {kind_of_trouble.replace('_', ' ').capitalize()}",
        description=description,
        type=kind_of_trouble,
        product=product,
        kind=kind,
        severity=severity,
        state=state,
        started_at=world.clock.now + starts_in,
    )
    world.incidents[incident.id] = incident
    return incident


def tell_of_incident(world: World, incident: Incident, state: str, message: str) -> None:
    """Say what is new about an incident; RESOLVED ends it."""
    now = world.clock.now
    update_id = world.ids.of("incident update", incident.id, len(incident.updates))
    incident.updates.append(Update(update_id, state, message, now))
    incident.state = state
    incident.resolved_at = now if state == "RESOLVED" else None


def _details(world: World, connector: Connector, client_id: str) -> Json:
    """Return how many of an application's executions ended of late, and what part of them reached the institution."""
    since = world.clock.now - _RECENT
    ended = [
        item.execution_status
        for item in world.items.values()
        if item.connector is connector
        and item.client_id == client_id
        and item.execution is None
        and item.history.ended_at is not None
        and item.history.ended_at >= since
    ]
    reached = [status for status in ended if status not in _NOT_CONNECTED]
    return {
        "connectionRateLast6Hours": round(100 * len(reached) / len(ended), 2) if ended else None,
        "connectionsLast6Hours": len(ended),
    }
