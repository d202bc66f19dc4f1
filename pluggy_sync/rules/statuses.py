"""
What `status` of an Item and `health.status` of a connector say (Pluggy facts 3.2, 3.9). SQL imports them too.

Tests: `rules/test_decision.py`, `rules/test_freshness.py`.
"""

UPDATED = "UPDATED"
OUTDATED = "OUTDATED"
LOGIN_ERROR = "LOGIN_ERROR"
WAITING_USER_INPUT = "WAITING_USER_INPUT"
WAITING_USER_ACTION = "WAITING_USER_ACTION"

# An execution is going on.
RUNNING = frozenset({"UPDATING", "MERGING"})
# It stopped until a person acts.
WAITING = frozenset({WAITING_USER_INPUT, WAITING_USER_ACTION})

# Of a connector: the bank cannot be reached, and nobody can do anything.
OFFLINE = "OFFLINE"
CONNECTOR_STATUSES = frozenset({OFFLINE, "UNSTABLE", "ONLINE"})
