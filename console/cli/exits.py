"""
How a command ends when it does not succeed: its exit status, and one sentence.

| Status | What it says |
| --- | --- |
| 0 | done |
| 1 | it failed; `status`: an alert is open; `doctor`, `webhooks check`: something is wrong |
| 2 | the command line or the settings are wrong |
| 3 | it is being done: a sync run has the Item, or an erasure goes on |
| 4 | not known here: no such Item, event, notification, endpoint or token |
| 5 | Postgres, Redis or Pluggy does not answer: try again later |

Tests: `console/cli/test_lazy_group.py`.
"""

import click

FAILED = 1
WRONG = 2
GOES_ON = 3
UNKNOWN = 4
UNAVAILABLE = 5


class WrongError(click.ClickException):
    """The settings are wrong."""

    exit_code = WRONG


class UnknownError(click.ClickException):
    """What the command line names is not known here."""

    exit_code = UNKNOWN


class UnavailableError(click.ClickException):
    """A server does not answer. The same command may succeed later."""

    exit_code = UNAVAILABLE
