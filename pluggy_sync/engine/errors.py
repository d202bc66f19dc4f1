"""
Why the engine does not do what it was asked to do, split by what the caller should do.

    EngineError
    ├── CannotActError          tell the caller `code` and `detail`; `more` has what a program needs besides
    ├── PersonNeededError       show `action`: a person must act first
    └── LeaseLostError          stop: another sync run has the Item now, or the Item was deleted
    pluggy.errors.PluggyUnavailableError
    └── ContradictionError      read this part again later: Pluggy's list contradicts what it gives by id

All other trouble with Pluggy is in `pluggy.errors`. None of these carries what was given: it may be a credential.

Tests: `engine/test_submissions.py`, `engine/test_refresh.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pluggy_sync import wire
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.rules import refusals
from pluggy_sync.rules.refusals import Refusal
from pluggy_sync.store.user_actions import Action


class EngineError(Exception):
    """The engine did not do what it was asked to do."""


class CannotActError(EngineError):
    """It cannot be done now. `code` is one of `rules.refusals.STATUS_OF_CODE`, `detail` says what the caller can do."""

    def __init__(self, code: str, detail: str | None = None, *, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = refusals.DETAIL_OF_CODE[code] if detail is None else detail
        self.more = dict(more or {})

    @classmethod
    def of_refusal(cls, refusal: Refusal, *, retry_at: datetime | None, **more: Any) -> "CannotActError":
        """Return the error that says what Pluggy said; *retry_at* None: Pluggy gave no time to try again."""
        said = {"pluggyCode": refusal.pluggy_code} if refusal.pluggy_code is not None else {}
        waits = {"retryAt": wire.to_text(retry_at)} if refusal.tells_when or retry_at is not None else {}
        return cls(refusal.code, refusal.detail, more={**said, **waits, **more})


class PersonNeededError(EngineError):
    """A person must act first; `action` says what to do."""

    def __init__(self, action: Action) -> None:
        super().__init__(action.id)
        self.action = action


class LeaseLostError(EngineError):
    """While this sync run was reading, another one took the Item over, or the Item was deleted."""


class ContradictionError(PluggyUnavailableError):
    """A list of Pluggy's is empty, though Pluggy gives what was in it when asked by id."""
