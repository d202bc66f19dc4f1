"""
What the API refuses, in Pluggy's own words (Pluggy facts 1.2, 3.8, 6).

    ApiError
        BadRequestError 400, UnauthorizedError 401, ForbiddenError 403, NotFoundError 404, ConflictError 409,
        GoneError 410, UnprocessableError 422, TooManyRequestsError 429, UnavailableError (by fault)
"""

from typing import Any

from pluggy_sandbox.wire.encoding import Json


class ApiError(Exception):
    """An answer that is not the one hoped for: `{code, message, codeDescription?, data?, details?}`."""

    status = 500

    def __init__(self, message: str, code_description: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code_description = code_description
        self.more = more

    def body(self) -> Json:
        """Return the answer's body; keys without a value are left out."""
        body: Json = {"code": self.status, "message": self.message}
        if self.code_description is not None:
            body["codeDescription"] = self.code_description
        return body | self.more


class BadRequestError(ApiError):
    """The request cannot be served as it is."""

    status = 400


class UnauthorizedError(ApiError):
    """The client id and secret are not a pair, or may not sign in."""

    status = 401


class ForbiddenError(ApiError):
    """The key is missing, expired, or not good for this."""

    status = 403


class NotFoundError(ApiError):
    """No such thing, or not of this application."""

    status = 404


class ConflictError(ApiError):
    """Not now, or not again."""

    status = 409


class GoneError(ApiError):
    """The endpoint itself is no more."""

    status = 410


class UnprocessableError(ApiError):
    """It is understood, and not to be had of this Item."""

    status = 422


class TooManyRequestsError(ApiError):
    """Over the limit of this endpoint (Pluggy facts 6)."""

    status = 429


class UnavailableError(ApiError):
    """Trouble on this side, asked for by a fault."""

    def __init__(self, status: int) -> None:
        super().__init__({503: "Service Unavailable"}.get(status, "Internal Server Error"))
        self.status = status
