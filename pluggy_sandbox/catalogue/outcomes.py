"""How an execution can end, in Pluggy's words (Pluggy facts 3.2, 3.3)."""

LOGIN_ERRORS = frozenset(
    {
        "INVALID_CREDENTIALS",
        "ACCOUNT_LOCKED",
        "ACCOUNT_CREDENTIALS_RESET",
        "USER_AUTHORIZATION_NOT_GRANTED",
        "USER_AUTHORIZATION_REVOKED",
    }
)
# After these an execution needs new credentials; after the other login errors it needs the person at the bank.
NEEDS_CREDENTIALS = frozenset({"INVALID_CREDENTIALS", "ACCOUNT_CREDENTIALS_RESET", "ACCOUNT_LOCKED"})

MESSAGES = {
    "INVALID_CREDENTIALS": "User or password is incorrect",
    "INVALID_CREDENTIALS_MFA": "The MFA value is incorrect or has expired",
    "ALREADY_LOGGED_IN": "The user has another session open",
    "ACCOUNT_LOCKED": "The account is locked, the user must contact the institution",
    "ACCOUNT_NEEDS_ACTION": "The account needs an action from the user at the institution",
    "ACCOUNT_CREDENTIALS_RESET": "The institution requires new credentials",
    "USER_NOT_SUPPORTED": "The user's profile has no access to this channel",
    "USER_INPUT_TIMEOUT": "The requested input was not provided in time",
    "USER_AUTHORIZATION_PENDING": "The user must authorize this connection at the institution",
    "USER_AUTHORIZATION_NOT_GRANTED": "The authorization was not granted",
    "USER_AUTHORIZATION_REVOKED": "The authorization was revoked at the institution",
    "SITE_NOT_AVAILABLE": "The institution is unavailable or in maintenance",
    "CONNECTION_ERROR": "The connection with the institution failed",
    "UNEXPECTED_ERROR": "An unexpected error happened",
    "ERROR": "The execution failed",
    "MERGE_ERROR": "The data could not be merged",
    "CREATE_ERROR": "The item could not be created",
}
ERRORS = tuple(MESSAGES)


class ExecutionFailedError(Exception):
    """An execution ends in error. `code` is its executionStatus."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        provider_message: str | None = None,
        parameter: str | None = None,
        waits_seconds: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or MESSAGES.get(code, code)
        self.provider_message = provider_message
        self.parameter = parameter
        self.waits_seconds = waits_seconds  # virtual, after which Pluggy tries again by itself

    @property
    def status(self) -> str:
        """The Item's status after it."""
        return "LOGIN_ERROR" if self.code in LOGIN_ERRORS else "OUTDATED"
