"""
Signing in and out, and who is signed in.

A session is a row of Postgres; the browser has its token, in a signed cookie. Attempts are counted in the audit log.
"""

from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from console.pages import passwords
from console.pages.page_resources import resources
from pluggy_sync.settings import Settings
from pluggy_sync.store import audit, console_sessions

blueprint = Blueprint("sign_in", __name__)

log = structlog.get_logger(__name__)

# Refused attempts within `WINDOW` after which no more are tried: of one operator from one address, and of all there.
OF_OPERATOR = 5
OF_ADDRESS = 30
WINDOW = timedelta(minutes=15)
UNKNOWN = "unknown"

OPEN_TO_ALL = frozenset(
    {"static", "sign_in.show", "sign_in.submit", "sign_in.health", "provider.begin", "provider.back"}
)
_TOKEN = "token"  # noqa: S105 - the name of a key

Answer = AnyResponse | str | tuple[str, int] | tuple[str, int, dict[str, str]]


def require_operator() -> AnyResponse | None:
    """Send whoever is not signed in to the page where one signs in. Called before each request."""
    if request.endpoint in OPEN_TO_ALL:
        return None
    operator = _operator()
    if operator is None:
        session.clear()
        address = url_for("sign_in.show", next=_here())
        if "HX-Request" in request.headers:
            # A part of a page was asked for: all of the page has to go.
            return Response(status=401, headers={"HX-Redirect": address})
        return redirect(address)
    g.operator = operator
    return None


def operator() -> str:
    """Return who is signed in."""
    name: str = g.operator
    return name


def _operator() -> str | None:
    token = session.get(_TOKEN)
    if token is None:
        return None
    res = resources()
    # What a page asks for by itself is no use of it.
    keeps = "HX-Request" not in request.headers or request.method != "GET"
    with res.database.begin() as conn:
        found = console_sessions.use(conn, token, now=res.now(), keeps=keeps)
    return found.operator if found is not None and found.login_digest in _valid_digests(found.operator) else None


def _valid_digests(name: str) -> set[str]:
    """Return the digests of what lets operator *name* in as the settings are now."""
    settings = resources().settings
    logins = (dict(settings.console_logins).get(name), login_at_provider(settings, name))
    return {console_sessions.digest(each) for each in logins if each is not None}


def login_at_provider(settings: Settings, email: str) -> str | None:
    """Return what lets the person in whose *email* a provider has verified; None: nothing does."""
    name, _, domain = email.lower().rpartition("@")
    allowed = {each.lower() for each in settings.console_oidc_allowed}
    if settings.console_oidc_issuer is None or not name or not allowed & {email.lower(), f"@{domain}"}:
        return None
    return f"{settings.console_oidc_issuer} {email.lower()}"


def begin_session(name: str, login: str) -> None:
    """Sign *name* in, whom *login* let in."""
    res = resources()
    now = res.now()
    ends_at = now + timedelta(hours=res.settings.console_session_hours)
    with res.database.begin() as conn:
        token = console_sessions.begin(conn, name, login, now=now, ends_at=ends_at)
        audit.record(conn, name, audit.SIGNED_IN, now=now, address=request.remote_addr)
    session.clear()
    session[_TOKEN] = token
    log.info("console.signed_in")


@blueprint.get("/health")
def health() -> Answer:
    """Say that the process answers."""
    return "ok\n"


@blueprint.get("/sign-in")
def show() -> Answer:
    """Show the form."""
    return form()


@blueprint.post("/sign-in")
def submit() -> Answer:
    """Sign in by password."""
    res = resources()
    name, password = request.form.get("operator", "")[:64], request.form.get("password", "")[:1024]
    now, address = res.now(), request.remote_addr
    with res.database.begin() as conn:
        audit.take_turns(conn, address)
        own, everybody = audit.refused_since(conn, now - WINDOW, operator=name, address=address)
        if own >= OF_OPERATOR or everybody >= OF_ADDRESS:
            log.warning("console.sign_in_limited")
            minutes = int(WINDOW.total_seconds() // 60)
            return form(f"Too many attempts failed. Try again in {minutes} minutes.", status=429)
        hashed = passwords.hash_of(res.settings.console_logins, name, password)
        if hashed is None:
            # A name that nobody has may be a password that was typed into the wrong field.
            known = name if name in dict(res.settings.console_logins) else UNKNOWN
            audit.record(conn, known, audit.SIGN_IN_REFUSED, now=now, address=address)
    if hashed is None:
        log.warning("console.sign_in_refused")
        return form("Name and password do not belong together.", status=403)
    begin_session(name, hashed)
    return redirect(local(request.form.get("next")))


@blueprint.post("/sign-out")
def sign_out() -> Answer:
    """Sign out."""
    res = resources()
    with res.database.begin() as conn:
        console_sessions.end(conn, session.get(_TOKEN, ""))
        audit.record(conn, operator(), audit.SIGNED_OUT, now=res.now(), address=request.remote_addr)
    session.clear()
    return redirect(url_for("sign_in.show"))


def form(error: str | None = None, *, status: int = 200) -> Answer:
    """Return the page on which one signs in, with what went wrong."""
    settings = resources().settings
    page = render_template(
        "sign_in.html",
        error=error,
        next=local(request.values.get("next")),
        name=request.form.get("operator"),
        by_password=bool(settings.console_logins),
        by_provider=urlsplit(settings.console_oidc_issuer or "").hostname,
    )
    return page, status


def _here() -> str:
    return (
        request.full_path.removesuffix("?") if request.method == "GET" and "HX-Request" not in request.headers else "/"
    )


def local(address: str | None) -> str:
    """Return *address* if it is one of ours; else the first page."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")) or not address.isprintable():
        return "/"
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else "/"
