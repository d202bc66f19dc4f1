"""Making the console's Flask app."""

import structlog
from flask import Flask, Response, render_template, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from console.pages import (
    acts,
    bulk,
    connectors,
    endpoints,
    events,
    freshness,
    item,
    items,
    links,
    notifications,
    overview,
    page_resources,
    provider,
    sign_in,
    words,
    workers,
)
from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import Settings
from pluggy_sync.store.database import Bounds

log = structlog.get_logger(__name__)

# An operator waits for a page, and may ask for one of a very large database.
BOUNDS = Bounds(connect_s=2, pool_wait_s=3, statement_s=8, lock_s=2, idle_s=15, answer_s=10)
MAX_FORM_BYTES = 64 * 1024

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


_ROOMS = (
    *(sign_in, overview, items, item, links, events, notifications),
    *(endpoints, connectors, freshness, workers, acts, bulk),
)

# In the order in which they are offered.
PAGES = (
    ("overview.show", "Overview"),
    ("items.show", "Items"),
    ("links.show", "Links"),
    ("events.show", "Events"),
    ("notifications.show", "Notifications"),
    ("endpoints.show", "Endpoints"),
    ("connectors.show", "Connectors"),
    ("freshness.show", "Freshness"),
    ("workers.show", "Workers"),
    ("bulk.show", "Acts"),
)


class NobodyCanSignInError(Exception):
    """The settings let nobody in."""


def create_app(settings: Settings, resources: Resources | None = None) -> Flask:
    """
    Return the app for *settings*; *resources* are made from them unless given.

    Raises:
        NobodyCanSignInError: neither a login nor an identity provider is set.
    """
    if not settings.console_logins and settings.console_oidc_issuer is None:
        raise NobodyCanSignInError(
            "The console does not start: nobody could sign in. Set CONSOLE_LOGINS to what "
            "`pluggy-sync console-login NAME` prints, or CONSOLE_OIDC_ISSUER (docs/console.md)."
        )
    app = Flask("console.pages")
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        # As Flask's documents do it.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=0, x_host=0, x_port=0, x_prefix=0)  # type: ignore[method-assign]
    is_https = (settings.console_url or "").startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        SESSION_COOKIE_NAME="__Host-pluggy-sync-console" if is_https else "pluggy-sync-console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_https,
        # The token of a form is good for as long as the session.
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=is_https,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    page_resources.keep(app, resources or create_resources(settings, BOUNDS, pool_size=4))
    CSRFProtect(app)
    words.register(app)
    for each in _ROOMS:
        app.register_blueprint(each.blueprint)
    provider.register(app, settings)
    app.context_processor(lambda: {"pages": PAGES})
    app.before_request(sign_in.require_operator)
    app.after_request(_keep_private)
    app.register_error_handler(CSRFError, _of_forged_form)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(SQLAlchemyError, _of_postgres)
    app.register_error_handler(Exception, _of_bug)
    return app


def _keep_private(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def problem(title: str, detail: str, status: int) -> tuple[str, int]:
    """Return the page that says what went wrong and what the operator can do."""
    return render_template("problem.html", title=title, detail=detail), status


def _of_forged_form(_: CSRFError) -> tuple[str, int]:
    return problem("This form is too old", "Go back, load the page again and send it once more. Nothing was done.", 400)


def _of_http(error: HTTPException) -> tuple[str, int] | AnyResponse:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    return problem(error.name, error.description or "", status)


def _of_postgres(error: SQLAlchemyError) -> tuple[str, int]:
    log.warning("console.postgres_failed", error=type(error).__name__)
    return problem(
        "Postgres does not answer",
        "Nothing can be shown or done until it does. Webhooks are kept in the spill meanwhile, if SPILL_FOLDER is set; "
        "`pluggy-sync spill` shows them. This page can be loaded again.",
        503,
    )


def _of_bug(error: Exception) -> tuple[str, int]:
    log.error("console.failed", exc_info=error)
    return problem("This page failed", "It is a fault of the console. The log says where it was raised.", 500)
