"""
The states of a user action (docs/actions.md). SQL imports them too.

Tests: `engine/test_actions.py`, `engine/test_submissions.py`.
"""

OPEN = "open"
# Somebody gave an answer, and its outcome is not known yet.
SUBMITTED = "submitted"
RESOLVED = "resolved"
EXPIRED = "expired"
SUPERSEDED = "superseded"

STATES = (OPEN, SUBMITTED, RESOLVED, EXPIRED, SUPERSEDED)
# A person may still have to act. One need has at most one such action.
UNSETTLED = (OPEN, SUBMITTED)
