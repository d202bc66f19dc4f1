"""
What an incident of a bank means for its Items and persons (Pluggy facts 13.4).

While the whole bank is away, nobody is asked for anything, as if the connector were OFFLINE. A lesser incident only
says why an Item is not fresh. One that is not about data says nothing of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pluggy_sync.pluggy.payloads import Incident

# Lines of Pluggy's own products; data is ours.
_OURS = frozenset({None, "dados", "DATA"})
# The whole bank is away, or will be for the time of its maintenance.
_WHOLE = frozenset({"MAJOR_OUTAGE", "MAINTENANCE"})
# Nobody can give or renew a consent, however few the bank says are hit.
_OF_CONSENT = "CONSENT_ERROR"
# Late webhooks and payments: no Item is stale because of them.
_IGNORED = frozenset({"WEBHOOK_DELAY", "PAYMENT_FAILURE"})
_WORST_FIRST = ("MAJOR_OUTAGE", "MAINTENANCE", "PARTIAL_OUTAGE", "DEGRADED")
RESOLVED = "RESOLVED"


def of_data(found: Iterable[Incident], *, now: datetime) -> Sequence[Incident]:
    """Return the incidents that go on at *now* and concern data, worst first."""
    going_on = [
        each
        for each in found
        if each.product in _OURS
        and each.state != RESOLVED
        and (each.started_at is None or each.started_at <= now)
        and each.type not in _IGNORED
    ]
    return sorted(going_on, key=_order)


def _order(incident: Incident) -> tuple[int, str]:
    known = incident.severity in _WORST_FIRST
    return (_WORST_FIRST.index(str(incident.severity)) if known else len(_WORST_FIRST), incident.id)


def is_away(incident: Incident) -> bool:
    """Return whether nobody is asked for anything while *incident* goes on."""
    return incident.severity in _WHOLE or incident.type == _OF_CONSENT
