"""
Signing in at an identity provider (OpenID Connect), with Authlib: code flow, PKCE, state and nonce.

Only those in CONSOLE_OIDC_ALLOWED get in, by an e-mail address that the provider has verified.
"""

from typing import Any

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, current_app, redirect, request, session, url_for
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from console.pages import sign_in
from console.pages.page_resources import resources
from pluggy_sync.settings import Settings
from pluggy_sync.store import audit

blueprint = Blueprint("provider", __name__)

log = structlog.get_logger(__name__)

# An operator waits.
TIMEOUT_S = 5
_NAME = "provider"
_NEXT = "next"


class _UnusableError(Exception):
    """What the provider said does not let anybody in. The text says why."""


def register(app: Flask, settings: Settings) -> None:
    """Let operators sign in at the provider of *settings*, if there is one."""
    if settings.console_oidc_issuer is None:
        return
    OAuth(app).register(
        _NAME,
        client_id=settings.console_oidc_client_id,
        client_secret=settings.console_oidc_client_secret,
        server_metadata_url=f"{settings.console_oidc_issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "default_timeout": TIMEOUT_S},
    )
    app.register_blueprint(blueprint)


@blueprint.get("/sign-in/provider")
def begin() -> sign_in.Answer:
    """Lead to the provider."""
    settings = resources().settings
    session[_NEXT] = sign_in.local(request.args.get(_NEXT))
    back = f"{settings.console_url}{url_for('provider.back')}"
    try:
        answer: Response = _client().authorize_redirect(back)
    except (AuthlibBaseError, RequestException, ValueError, RuntimeError) as exc:
        log.warning("console.provider_failed", error=type(exc).__name__)
        return sign_in.form("The identity provider does not answer. Try again.", status=503)
    return answer


@blueprint.get("/sign-in/provider/back")
def back() -> sign_in.Answer:
    """Take what the provider says, and let in whom it may."""
    res = resources()
    following = sign_in.local(session.pop(_NEXT, None))
    try:
        email = _verified_email(res.settings)
    except (AuthlibBaseError, JoseError, RequestException, ValueError, RuntimeError, _UnusableError) as exc:
        log.warning("console.provider_refused", error=type(exc).__name__)
        return sign_in.form("The identity provider did not say who you are. Try again.", status=403)
    login = sign_in.login_at_provider(res.settings, email)
    if login is None:
        with res.database.begin() as conn:
            audit.record(conn, email, audit.SIGN_IN_REFUSED, now=res.now(), address=request.remote_addr)
        log.warning("console.sign_in_refused")
        return sign_in.form("The identity provider knows you, but CONSOLE_OIDC_ALLOWED does not name you.", status=403)
    sign_in.begin_session(email.lower(), login)
    return redirect(following)


def _verified_email(settings: Settings) -> str:
    options = {
        "iss": {"essential": True, "value": settings.console_oidc_issuer},
        "aud": {"essential": True, "value": settings.console_oidc_client_id},
        "exp": {"essential": True},
    }
    token: dict[str, Any] = _client().authorize_access_token(claims_options=options)
    claims = token.get("userinfo") or {}
    email = claims.get("email")
    # Some write it as text.
    if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
        raise _UnusableError("no verified e-mail address")
    return email[:254]


def _client() -> Any:
    return current_app.extensions["authlib.integrations.flask_client"].create_client(_NAME)
