"""
The first persons of a local Pluggy: they connect banks, well and badly, so that there is something to look at.

Only where nobody has connected one yet: what somebody tries out is not mixed with them again.
"""

from standalone.sandbox import PLUGGY_BANK, Sandbox

TWO_STEPS = 5

# Who, at which bank. Each has a story of its own: what comes of a login is the sandbox's (`make up`, its first page).
PERSONS = (
    ("ana", "user-ok", PLUGGY_BANK),
    ("bruno", "user-ok-two-checking-accounts", PLUGGY_BANK),
    ("carla", "user-ok", TWO_STEPS),
    ("davi", "user-bad", PLUGGY_BANK),
    ("elisa", "user-locked", PLUGGY_BANK),
    ("fabio", "user-unavailable", PLUGGY_BANK),
    ("gloria", "user-error", PLUGGY_BANK),
    ("heitor", "user-ok-account-error", PLUGGY_BANK),
    ("iara", "user-account-need-actions-provider-message", PLUGGY_BANK),
)


def connect(sandbox: Sandbox) -> int:
    """Let them connect their banks, unless somebody did; return how many did."""
    if sandbox.control("GET", "/items")["results"]:
        return 0
    for person, user, connector in PERSONS:
        sandbox.connect(user, connector=connector, clientUserId=person)
    return len(PERSONS)
