"""
What can go wrong between us and Pluggy, split by what the caller should do.

    PluggyError
    ├── PluggyUnavailableError      try again later
    │   └── PluggyLimitedError      try again after `retry_after_s`
    └── PluggyRefusedError          trying again changes nothing; `code` says why
        └── PluggyUnauthorizedError our client id and secret are not accepted

None of them carries a body: it may hold bank data.
"""


class PluggyError(Exception):
    """A request to Pluggy failed."""


class PluggyUnavailableError(PluggyError):
    """Pluggy did not answer in time, or not in a way that can be read. Waiting can cure it."""


class PluggyLimitedError(PluggyUnavailableError):
    """Too many requests (Pluggy facts 6)."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PluggyRefusedError(PluggyError):
    """
    Pluggy understood and refused.

    `code` is its `codeDescription` (Pluggy facts 3.8), None when it gave none; `data` its machine-readable details.
    """

    def __init__(
        self, message: str, *, status: int, code: str | None = None, data: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.data = data or {}


class PluggyUnauthorizedError(PluggyRefusedError):
    """The client id and secret are wrong or switched off (Pluggy facts 1.2)."""
