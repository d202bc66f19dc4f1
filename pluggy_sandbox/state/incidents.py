"""Incidents of institutions, as the status page tells them (Pluggy facts 13.4)."""

from dataclasses import dataclass, field
from datetime import datetime

from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso

TYPES = (
    "CONNECTOR_UNAVAILABLE", "CONNECTOR_DEGRADED", "INSTITUTION_OUTAGE", "SCHEDULED_MAINTENANCE", "CONSENT_ERROR",
    "CONNECTION_NOT_UPDATING", "PARTIAL_SUCCESS", "ACCOUNTS_MISSING", "BALANCE_INCORRECT", "TRANSACTIONS_MISSING",
    "TRANSACTIONS_INCORRECT", "TRANSACTIONS_INSTALLMENTS_ISSUE", "INVESTMENTS_MISSING", "INVESTMENTS_INCORRECT",
    "IDENTITY_MISSING", "HISTORICAL_DATA_MISSING", "WEBHOOK_DELAY", "PAYMENT_FAILURE", "OTHER",
)  # fmt: skip
PRODUCT_LINES = ("dados", "pis", "pis-agendado", "pixauto", "smart", "infra")
KINDS = ("INCIDENT", "MAINTENANCE")
SEVERITIES = ("MAJOR_OUTAGE", "PARTIAL_OUTAGE", "DEGRADED", "MAINTENANCE")  # worst first
OPEN_STATES = ("INVESTIGATING", "IDENTIFIED", "MONITORING", "SCHEDULED")
STATES = (*OPEN_STATES, "RESOLVED")


@dataclass(frozen=True)
class Update:
    """One entry of an incident's timeline."""

    id: str
    state: str
    message: str
    at: datetime


@dataclass
class Incident:
    """Trouble at some institutions, or a window of maintenance."""

    id: str
    connector_ids: list[int]
    title: str
    description: str | None
    type: str
    product: str
    kind: str
    severity: str
    state: str
    started_at: datetime
    updates: list[Update] = field(default_factory=list)  # oldest first
    resolved_at: datetime | None = None

    @property
    def updated_at(self) -> datetime:
        """When something was last said of it."""
        return self.updates[-1].at if self.updates else self.started_at

    def is_active(self, now: datetime) -> bool:
        """Return whether it goes on at *now*; what is planned does not before its window opens."""
        return self.started_at <= now and (self.resolved_at is None or now < self.resolved_at)

    def url(self, address: str) -> str:
        """Return where the status page shows it."""
        return f"{address}/incidents/{self.id}"

    def view(self, address: str) -> Json:
        """Return it as it stands in a connector's health."""
        return {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "type": self.type,
            "product": self.product,
            "kind": self.kind,
            "severity": self.severity,
            "state": self.state,
            "startedAt": iso(self.started_at),
            "updatedAt": iso(self.updated_at),
            "url": self.url(address),
        }
