"""
The person's page: `/act/<token>`.

The token is all the authority there is: signed, expiring, bound to one action. No cookie is set. What is given is
passed on to Pluggy and answered with a redirect, so that reload and back repeat nothing.
"""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import segno
import structlog
from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from pluggy_sync import wire
from pluggy_sync.engine import submissions
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.notifications.texts import texts_of
from pluggy_sync.pluggy import fields
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.store import connectors, items, user_actions
from pluggy_sync.store.user_actions import Action
from webhook_app.app_resources import resources
from webhook_app.front.areas import PERSON_BODY_BYTES
from webhook_app.person import progress, rate_limit, screens, texts
from webhook_app.person.notices import is_page, notice
from webhook_app.person.screens import FOLLOWED, Screen

blueprint = Blueprint(
    "person", __name__, template_folder="templates", static_folder="static", static_url_path="/act-files"
)

log = structlog.get_logger(__name__)

_PICTURE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}

Answer = Response | tuple[Response, int]


@blueprint.before_request
def _bound_body() -> None:
    request.max_content_length = PERSON_BODY_BYTES


@blueprint.after_app_request
def _keep_private(response: Response) -> Response:
    """The address is a key: it is not passed on, not indexed, not cached, not framed."""
    if request.blueprint != blueprint.name and not is_page(request.path):
        return response
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
    if request.endpoint != "person.static":
        response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault("Content-Security-Policy", _policy())
    return response


@blueprint.get("/act/<token>")
def show(token: str) -> Answer:
    """Show what the action needs now; move on to the action that took its place."""
    action = _action_of(token)
    if isinstance(action, Response):
        return action
    res = resources()
    now = res.pluggy_now()
    if screens.shown(action, now).screen in (Screen.CANCELLED, Screen.EXPIRED):
        with res.database.begin() as conn:
            following_one = user_actions.successor(conn, action)
        link = res.links.read(token)
        if following_one is not None and link is not None:
            return _see(res.links.following(link, following_one.id))
    return _page(token, action, now)


@blueprint.post("/act/<token>")
def act(token: str) -> Answer:
    """Pass on what the person gave, or start the update again; then show how it goes."""
    action = _action_of(token, tries=True)
    if isinstance(action, Response):
        return action
    try:
        if request.form.get("do") == "restart":
            submissions.restart(resources(), action.id)
        else:
            submissions.answer_mfa(resources(), action.id, request.form.get("value", "").strip())
    except CannotActError as exc:
        if exc.code in ("action-submitted", "action-settled", "action-expired", "already-updating"):
            # A second tab, a double tap, or too late: the page says how things stand.
            return _see(token)
        return _page(token, action, resources().pluggy_now(), error=exc.code), 422
    except PluggyError as exc:
        log.warning("person.pluggy_failed", error=str(exc))
        return _page(token, action, resources().pluggy_now(), error="unavailable"), 503
    return _see(token)


@blueprint.get("/act/<token>/changes")
def changes(token: str) -> Answer:
    """Stream marks of change until the page has to be painted anew; 503 if it shall poll instead."""
    action = _action_of(token)
    if isinstance(action, Response):
        return action
    res = resources()
    stream = progress.open_stream(lambda: _version(res, action.id))
    if stream is None:
        return Response(status=503, headers={"Retry-After": "3"})
    answer = Response(iter(stream), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
    answer.call_on_close(stream.close)
    return answer


@blueprint.get("/act/<token>/version")
def version(token: str) -> Answer:
    """Return the present mark, for a page that polls."""
    action = _action_of(token)
    if isinstance(action, Response):
        return action
    return jsonify({"version": _version(resources(), action.id)})


@blueprint.post("/act/<token>/connect-token")
def connect_token(token: str) -> Answer:
    """Make a token with which the widget updates this action's Item."""
    action = _action_of(token, tries=True)
    if isinstance(action, Response):
        return action
    res = resources()
    if screens.shown(action, res.pluggy_now()).screen is not Screen.CONNECT:
        return jsonify({"error": "not now"}), 409
    try:
        with somebody_waits():
            made = res.pluggy.connect_token(action.item_id, {})
    except PluggyError as exc:
        log.warning("person.pluggy_failed", error=str(exc))
        return jsonify({"error": "unavailable"}), 503
    return jsonify({"accessToken": made, "itemId": action.item_id, "includeSandbox": _is_sandbox(action.item_id)})


@blueprint.post("/act/<token>/connected")
def connected(token: str) -> Answer:
    """Hear from the widget that the person has acted in it."""
    action = _action_of(token, tries=True)
    if isinstance(action, Response):
        return action
    try:
        submissions.told_by_widget(resources(), action.id)
    except CannotActError as exc:
        log.info("person.widget_not_heard", code=exc.code)
    return _see(token)


def _action_of(token: str, *, tries: bool = False) -> Action | Response:
    """Return the action that the link is for, or the page that says why there is none."""
    res = resources()
    link = res.links.read(token)
    if link is None:
        within = rate_limit.allowed(res, rate_limit.STRANGERS, "strangers", request.remote_addr or "")
        return notice("gone", 410) if within else notice("busy", 429)
    limit = rate_limit.TRIES if tries else rate_limit.READS
    if not rate_limit.allowed(res, limit, "tries" if tries else "reads", link.action_id):
        return notice("busy", 429)
    with res.database.begin() as conn:
        action = user_actions.get(conn, link.action_id)
    return notice("gone", 410) if action is None else action


def _version(res: Any, action_id: str) -> str:
    """Return a mark that changes with what the page shows, after asking Pluggy if it is time to."""
    with res.database.begin() as conn:
        action = user_actions.get(conn, action_id)
    if action is None:
        return "gone"
    if _watches_pluggy(action, res.pluggy_now()):
        progress.look_if_due(res, action.item_id)
        with res.database.begin() as conn:
            action = user_actions.get(conn, action_id)
        if action is None:
            return "gone"
    shown = screens.shown(action, res.pluggy_now())
    if shown.screen in (Screen.CANCELLED, Screen.EXPIRED):
        with res.database.begin() as conn:
            after = user_actions.successor(conn, action)
        return shown.version if after is None else f"moved to {after.id}"
    return shown.version


def _watches_pluggy(action: Action, now: datetime) -> bool:
    if screens.shown(action, now).screen in FOLLOWED:
        return True
    return action.state == "open" and (screens.parameter_of(action) or {}).get("type") == "image"


def _see(token: str) -> Response:
    return make_response(redirect(url_for("person.show", token=token), 303))


def _language() -> str:
    return texts.language_of(request.accept_languages)


def _page(token: str, action: Action, now: datetime, *, error: str | None = None) -> Response:
    language = _language()
    said = texts.words(language)
    shown = screens.shown(action, now)
    with resources().database.begin() as conn:
        bank = _bank(conn, action)
    title, body = _title_and_body(language, action, shown.screen)
    deadline = action.retry_at if shown.screen is Screen.WAIT else action.expires_at
    html = render_template(
        "page.html",
        said=said,
        language=language,
        token=token,
        action=action,
        parameter=screens.parameter_of(action) or {},
        user_action=screens.user_action_of(action) or {},
        screen=shown.screen.value,
        version=shown.version,
        followed=shown.screen in FOLLOWED,
        watched=shown.screen not in (Screen.DONE, Screen.CANCELLED),
        title=title,
        body=body,
        bank=bank,
        deadline=wire.to_text(deadline) if _counts_down(shown.screen) else None,
        now=wire.to_text(now),
        picture=_picture(action),
        bank_address=screens.bank_address(action),
        connect_url=resources().settings.pluggy_connect_url,
        error=None if error is None else texts.error(language, error),
    )
    headers = {
        "Vary": "Accept-Language",
        "Content-Security-Policy": _policy(connects=shown.screen is Screen.CONNECT, logo=bank["logo"]),
    }
    return make_response(html, headers)


def _title_and_body(language: str, action: Action, screen: Screen) -> tuple[str, str]:
    said = texts.words(language)
    if screen is Screen.DONE:
        return texts.outcome(language, action.outcome)
    if screen in (Screen.WAIT, Screen.PROGRESS, Screen.EXPIRED, Screen.CANCELLED):
        return said[f"{screen.value}_title"], said[f"{screen.value}_body"]
    asked = (screens.parameter_of(action) or {}).get("type")
    action_texts = texts_of(action.kind, action.reason, asked=asked)
    text = action_texts.pt if language == "pt" else action_texts.en
    return text.title, text.body


def _counts_down(screen: Screen) -> bool:
    return screen in (Screen.FORM, Screen.QR, Screen.GO_TO_BANK, Screen.APPROVE, Screen.WAIT)


def _bank(conn: Connection, action: Action) -> Mapping[str, str | None]:
    item = items.get(conn, action.item_id)
    found = None if item is None or item.connector_id is None else connectors.get(conn, item.connector_id)
    if found is None:
        return {"name": None, "logo": None}
    return {"name": found.name, "logo": found.image_url}


def _is_sandbox(item_id: str) -> bool:
    with resources().database.begin() as conn:
        row = items.get(conn, item_id)
    raw = {} if row is None or row.raw is None else row.raw
    return bool((fields.object_of(raw.get("connector")) or {}).get("isSandbox"))


def _picture(action: Action) -> str | None:
    """Return the bank's picture as a data address: one it sent, or the QR code of the text it sent."""
    user_action = screens.user_action_of(action) or {}
    if user_action.get("type") == "qr":
        text = next(iter(user_action["attributes"].values()), None)
        return None if text is None else _as_picture(text) or _qr_code(text)
    parameter = screens.parameter_of(action) or {}
    sent = parameter.get("data")
    return _as_picture(sent) if parameter.get("type") == "image" and sent is not None else None


def _qr_code(text: str) -> str | None:
    """Return the QR code of *text* as a data address; None if none can hold so much."""
    for error_correction in ("m", "l"):
        try:
            return str(segno.make_qr(text, error=error_correction).svg_data_uri(scale=6, border=3, light="#fff"))
        except ValueError:
            continue
    return None


def _as_picture(text: str) -> str | None:
    """Return base64 *text* as a data address, if it is a picture of a kind that cannot hold a script."""
    encoded = re.sub(r"^data:image/[a-z+]+;base64,", "", text)
    try:
        beginning = base64.b64decode(encoded[:64], validate=True)
    except ValueError:
        return None
    kind = next((name for magic, name in _PICTURE_TYPES.items() if beginning.startswith(magic)), None)
    return None if kind is None else f"data:{kind};base64,{encoded}"


def _policy(*, connects: bool = False, logo: str | None = None) -> str:
    """Return the content security policy: our own files, the bank's logo, and the widget where it is needed."""
    script, frame, style, picture, ask = "'self'", "'none'", "'self'", "'self' data:", "'self'"
    if connects:
        widget = urlsplit(resources().settings.pluggy_connect_url)
        origin = f"{widget.scheme}://{widget.netloc}"
        script = f"'self' {origin}{widget.path}"
        frame = f"{origin} https://*.pluggy.ai"
        ask = f"'self' {origin} https://*.pluggy.ai"
        picture += f" {origin} https://*.pluggy.ai"
        # The widget styles the frame that it adds.
        style = "'self' 'unsafe-inline'"
    if logo is not None:
        address = screens.parts_of(logo)
        if (
            address is not None
            and address.scheme in ("https", "http")
            and re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", address.netloc)
        ):
            picture += f" {address.scheme}://{address.netloc}"
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src {picture}; connect-src {ask}; "
        f"frame-src {frame}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
