"""Operators whom an identity provider knows get in if the settings name them; nobody else does, whatever is sent."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from console.pages import page_resources
from console.pages.app import create_app
from pluggy_sync.resources import Resources
from pluggy_sync.store import audit
from tests.console.pages.conftest import Browser
from tests.kit.factories import a_settings
from tests.kit.scripted_server import Asked, Reply, scripted_server

KEY = RSAKey.generate_key(2048, {"kid": "1"}, private=True)


@dataclass
class Provider:
    """An identity provider, which says of whoever comes what a test wants."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: KEY)
    nonce: str = ""

    def answer(self, asked: Asked) -> Reply:
        """Answer as a provider does."""
        if asked.path == "/.well-known/openid-configuration":
            return Reply(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        if asked.path == "/keys":
            return Reply({"keys": [KEY.as_dict(private=False)]})
        assert "code_verifier=" in asked.body.decode()
        now = int(time.time())
        claims = {"iss": self.url, "aud": "the-console", "sub": "1", "iat": now, "exp": now + 60, "nonce": self.nonce}
        claims |= {"email": "Ana@Example.com", "email_verified": True, **self.claims}
        said = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, said, self.key)
        return Reply(
            {"access_token": "x", "token_type": "Bearer", "id_token": token},
            headers={"Content-Type": "application/json"},
        )


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The provider, running."""
    found = Provider()
    with scripted_server(found.answer) as running:
        found.url = running.url
        yield found


@pytest.fixture
def visitor(provider: Provider, resources: Resources) -> Browser:
    """A browser in which nobody is signed in, at a console that knows the provider."""
    given = a_settings(
        CONSOLE_OIDC_ISSUER=provider.url,
        CONSOLE_OIDC_CLIENT_ID="the-console",
        CONSOLE_OIDC_CLIENT_SECRET="secret",
        CONSOLE_OIDC_ALLOWED="@example.com,rui@other.example",
        CONSOLE_URL="http://127.0.0.1:5556",
    )
    names = ("console_oidc_issuer", "console_oidc_client_id", "console_oidc_allowed", "console_url")
    settings = replace(resources.settings, **{name: getattr(given, name) for name in names})
    app = create_app(given, replace(resources, settings=settings))
    return Browser(app.test_client())


def come_back(visitor: Browser, provider: Provider, *, following: str = "/", **query: str) -> Any:
    """Go to the provider, and come back."""
    led = visitor.get("/sign-in/provider", query_string={"next": following})
    assert led.status_code == 302, led.text
    asked = {name: values[0] for name, values in parse_qs(urlsplit(led.location).query).items()}
    assert asked["redirect_uri"] == "http://127.0.0.1:5556/sign-in/provider/back"
    assert asked["code_challenge_method"] == "S256"
    provider.nonce = asked["nonce"]
    return visitor.get("/sign-in/provider/back", query_string={"code": "c", "state": asked["state"], **query})


@pytest.mark.parametrize("email", ["ana@example.com", "Ana@Example.com", "rui@other.example"])
def test_who_is_named_or_of_a_named_domain_gets_in_and_is_in_the_audit_log(visitor, provider, resources, email):
    provider.claims = {"email": email}
    assert "Sign in at 127.0.0.1" in visitor.text("/sign-in")

    answer = come_back(visitor, provider, following="/items")

    assert answer.location == "/items"
    assert email.lower() in visitor.text("/")
    with resources.database.begin() as conn:
        assert [(each.what, each.operator) for each in audit.before(conn, None, limit=9)] == [
            ("signed_in", email.lower())
        ]


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eva@evil.example"},
        {"email": "ana@notexample.com"},
        {"email": "@example.com"},
        {"email": "ana@example.com.evil.example"},
        {"email_verified": False},
        {"email_verified": None},
        {"email": None},
        {"aud": "another-application"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"exp": 1},
    ],
)
def test_nobody_else_gets_in(visitor: Browser, provider: Provider, claims):
    provider.claims = claims

    answer = come_back(visitor, provider)

    assert answer.status_code == 403
    assert visitor.get("/").status_code == 302


def test_what_the_provider_did_not_sign_is_not_believed(visitor: Browser, provider: Provider):
    provider.key = RSAKey.generate_key(2048, {"kid": "1"}, private=True)

    assert come_back(visitor, provider).status_code == 403


@pytest.mark.parametrize("query", [{"state": "another"}, {"error": "access_denied"}])
def test_what_was_not_asked_for_is_not_believed(visitor: Browser, provider: Provider, query):
    assert come_back(visitor, provider, **query).status_code == 403
    assert visitor.get("/").status_code == 302


def test_who_is_no_longer_named_is_out_at_once(visitor: Browser, provider: Provider):
    come_back(visitor, provider)
    app = visitor.client.application
    res = page_resources.kept(app)
    page_resources.keep(app, replace(res, settings=replace(res.settings, console_oidc_allowed=("rui@other.example",))))

    assert visitor.get("/").status_code == 302


def test_a_provider_that_does_not_answer_is_said(visitor: Browser, provider: Provider, monkeypatch):
    monkeypatch.setattr(provider, "answer", lambda asked: Reply(status=500))
    with scripted_server(lambda asked: Reply(status=500)) as broken:
        client = visitor.client.application.extensions["authlib.integrations.flask_client"].create_client("provider")
        monkeypatch.setattr(client, "_server_metadata_url", broken.url)

        answer = visitor.get("/sign-in/provider")

    assert answer.status_code == 503
    assert "does not answer" in answer.text


def test_all_settings_of_a_provider_are_needed_together():
    with pytest.raises(Exception, match="CONSOLE_OIDC_ALLOWED: Missing"):
        a_settings(CONSOLE_OIDC_ISSUER="https://id.example.com")
