"""
API keys and connect tokens: real JWTs (Pluggy facts 1.2, 1.3).

They live in the machine's time, not the sandbox's: a client compares `exp` with its own clock.
"""

import base64
import os
import time
from dataclasses import dataclass, field

import jwt

from pluggy_sandbox.state.secrets import Secrets
from pluggy_sandbox.wire.encoding import Json, decode, encode
from pluggy_sandbox.wire.errors import ForbiddenError, UnauthorizedError


@dataclass
class Application:
    """A client of Pluggy."""

    client_id: str
    client_secret: str = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True)
class Caller:
    """Who asks. `token_id` is None for an API key; a connect token is known by its id and carries options."""

    client_id: str
    token_id: str | None = None
    item_id: str | None = None
    options: Json = field(default_factory=dict)

    @property
    def is_widget(self) -> bool:
        """Whether a connect token is used."""
        return self.token_id is not None

    @property
    def triggers(self) -> str:
        """The `triggeredBy` of the executions that this caller starts (Pluggy facts 2.4)."""
        return "USER" if self.is_widget else "CLIENT"


class Keyring:
    """Issues keys and tells whose they are."""

    def __init__(self, applications: list[Application], secrets: Secrets) -> None:
        self.applications = {a.client_id: a for a in applications}
        self.secrets = secrets
        self.generation = 0  # keys of an earlier one are void
        self._known: dict[str, tuple[float, Caller]] = {}

    def sign_in(self, client_id: object, client_secret: object, seconds: int) -> str:
        """
        Return an API key.

        Raises:
            UnauthorizedError: CLIENT_KEYS_UNAUTHORIZED or CLIENT_DISABLED.
        """
        application = self.applications.get(str(client_id))
        if application is None or application.client_secret != client_secret:
            raise UnauthorizedError("Client keys are invalid", "CLIENT_KEYS_UNAUTHORIZED")
        if not application.enabled:
            raise UnauthorizedError("Client is disabled", "CLIENT_DISABLED")
        now = int(time.time())
        claims = {"clientId": application.client_id, "generation": self.generation, "iat": now, "exp": now + seconds}
        return jwt.encode(claims, self.secrets.signing, algorithm="HS256")

    def connect_token(self, caller: Caller, item_id: str | None, options: Json, seconds: int) -> str:
        """Return a connect token of *caller*'s application."""
        now = int(time.time())
        private = {"tokenId": os.urandom(12).hex(), "itemId": item_id, "options": options}
        claims = {"clientId": caller.client_id, "data": self._seal(private), "iat": now, "exp": now + seconds}
        return jwt.encode(claims, self.secrets.token_key, algorithm="RS256")

    def caller(self, token: str | None) -> Caller:
        """
        Return who *token* belongs to.

        Raises:
            ForbiddenError: it is missing, malformed, expired or void.
        """
        if not token:
            raise ForbiddenError("Missing or invalid authorization token")
        expires, caller = self._known.get(token) or self._read(token)
        if expires <= time.time():
            self._known.pop(token, None)
            raise ForbiddenError("Missing or invalid authorization token")
        return caller

    def expire_all(self) -> None:
        """Make every key issued so far void."""
        self.generation += 1
        self._known.clear()

    def _read(self, token: str) -> tuple[float, Caller]:
        try:
            algorithm = jwt.get_unverified_header(token)["alg"]
            claims = self._claims(token, algorithm)
            found = float(claims["exp"]), self._owner(claims)
        except (jwt.PyJWTError, KeyError, ValueError):
            raise ForbiddenError("Missing or invalid authorization token") from None
        if len(self._known) > 1000:
            self._known.clear()
        self._known[token] = found
        return found

    def _claims(self, token: str, algorithm: str) -> Json:
        if algorithm == "RS256":
            return jwt.decode(token, self.secrets.token_key.public_key(), algorithms=["RS256"])
        claims: Json = jwt.decode(token, self.secrets.signing, algorithms=["HS256"])
        if claims["generation"] < self.generation:
            raise ValueError("void")
        return claims

    def _owner(self, claims: Json) -> Caller:
        if claims["clientId"] not in self.applications:
            raise ValueError("no such application")
        if "data" not in claims:
            return Caller(claims["clientId"])
        private = self._unseal(claims["data"])
        return Caller(claims["clientId"], private["tokenId"], private["itemId"], private["options"])

    def _seal(self, private: Json) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self.secrets.seal.encrypt(nonce, encode(private), None)).decode()

    def _unseal(self, data: str) -> Json:
        raw = base64.b64decode(data)
        private: Json = decode(self.secrets.seal.decrypt(raw[:12], raw[12:], None))
        return private
