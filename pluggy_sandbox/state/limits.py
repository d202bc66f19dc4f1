"""Requests per minute, counted per endpoint and source address (Pluggy facts 6)."""

import math
import time

from pluggy_sandbox.wire.errors import TooManyRequestsError

PER_MINUTE = {
    "POST /auth": 360,
    "GET /accounts": 360,
    "GET /accounts/{id}": 360,
    "GET /transactions": 360,
    "GET /transactions/{id}": 360,
    "GET /v2/transactions": 360,
    "GET /investments": 360,
    "GET /investments/{id}": 360,
    "GET /investments/{id}/transactions": 360,
    "PATCH /items/{id}": 20,
}


class OverLimitError(TooManyRequestsError):
    """429 with the headers of Pluggy facts 6."""

    def __init__(self, limit: int, reset_seconds: float, window_seconds: float) -> None:
        super().__init__("Too many requests, please try again later.")
        self.headers = {
            "RateLimit-Limit": str(limit),
            "RateLimit-Reset": str(math.ceil(reset_seconds)),
            "Retry-After": str(math.ceil(window_seconds)),
        }


class Counters:
    """Fixed windows, one for each endpoint and source."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, endpoint: str, source: str, window_seconds: float) -> None:
        """
        Count one request.

        Raises:
            OverLimitError: the window is full.
        """
        limit = PER_MINUTE.get(endpoint)
        if limit is None:
            return
        now = time.monotonic()
        started, used = self._windows.get((endpoint, source), (now, 0))
        if now - started >= window_seconds:
            started, used = now, 0
        if used >= limit:
            raise OverLimitError(limit, started + window_seconds - now, window_seconds)
        self._windows[endpoint, source] = (started, used + 1)
