"""
The person's page: `/act/<token>`.

The token is all the authority there is: signed, expiring, bound to one action. No cookie is set. What is given is
passed on to Pluggy and answered with a redirect, so that reload and back repeat nothing.
"""

import base64
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import segno
import structlog
from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from pluggy_sync import wire
from pluggy_sync.engine import submissions
from pluggy_sync.engine.errors import CannotActError
from pluggy_sync.page_links import PageLink
from pluggy_sync.pluggy import fields
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.resources import Resources
from pluggy_sync.rules import refusals
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.store import connectors, items, user_actions
from pluggy_sync.store.connectors import KnownConnector
from pluggy_sync.store.user_actions import Action
from pluggy_sync.texts.actions import text_of
from pluggy_sync.texts.catalogue import Language, Text
from webhook_app.app_resources import resources
from webhook_app.front.areas import PERSON_BODY_BYTES
from webhook_app.person import colors, progress, rate_limit, screens
from webhook_app.person.company import Company, company, language
from webhook_app.person.notices import busy, is_page, notice
from webhook_app.person.screens import FOLLOWED, Screen, Shown

blueprint = Blueprint(
    "person", __name__, template_folder="templates", static_folder="static", static_url_path="/act-files"
)

log = structlog.get_logger(__name__)

_PICTURE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}

# The same for everybody who opens a page.
_FILES = ("person.static", "person.company_colors")

# How long after a bank came back the page says so.
_BACK_FOR = timedelta(hours=48)

# A second tab, a double tap, or too late: the page says how things stand.
_OVERTAKEN = frozenset({"action-submitted", "action-settled", "action-expired", refusals.ALREADY_UPDATING})
# Trying again is no use: it is not offered.
_NO_USE = frozenset({"too-many-errors", "updates-not-allowed"})

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
    if request.endpoint not in _FILES:
        response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault("Content-Security-Policy", _policy())
    return response


@blueprint.get("/act-files/company.css")
def company_colors() -> Response:
    """Return the company's colour as a style sheet; an empty one if it has set none."""
    color = resources().settings.product_color
    answer = Response("" if color is None else colors.stylesheet(color), mimetype="text/css")
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@blueprint.get("/act/<token>")
def show(token: str) -> Answer:
    """Show what the action needs now; move on to the action that took its place."""
    seen = _open(token)
    if isinstance(seen, Response):
        return seen
    if seen.shown.screen in (Screen.CANCELLED, Screen.EXPIRED):
        res = resources()
        with res.database.begin() as conn:
            following_one = user_actions.successor(conn, seen.action)
        if following_one is not None:
            return _see(res.links.following(seen.link, following_one.id))
    return _page(token, seen)


@blueprint.post("/act/<token>")
def act(token: str) -> Answer:
    """Pass on what the person gave, or start the update again; then show how it goes."""
    seen = _open(token, tries=True)
    if isinstance(seen, Response):
        return seen
    action = seen.action
    try:
        if request.form.get("do") == "restart":
            submissions.restart(resources(), action.id)
        else:
            value = screens.as_asked(request.form.get("value", ""), screens.parameter_of(action) or {})
            submissions.answer_mfa(resources(), action.id, value)
    except CannotActError as exc:
        return _see(token) if exc.code in _OVERTAKEN else (_again(token, error=exc), 422)
    except PluggyError as exc:
        log.warning("person.pluggy_failed", error=str(exc))
        return _again(token, error="unavailable"), 503
    return _see(token)


@blueprint.get("/act/<token>/changes")
def changes(token: str) -> Answer:
    """Stream marks of change until the page has to be painted anew; 503 if it shall poll instead."""
    seen = _open(token)
    if isinstance(seen, Response):
        return seen
    res, action_id = resources(), seen.action.id
    stream = progress.open_stream(lambda: _version(res, action_id))
    if stream is None:
        return Response(status=503, headers={"Retry-After": "3"})
    answer = Response(iter(stream), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
    answer.call_on_close(stream.close)
    return answer


@blueprint.get("/act/<token>/version")
def version(token: str) -> Answer:
    """Return the present mark, for a page that polls."""
    seen = _open(token)
    if isinstance(seen, Response):
        return seen
    return jsonify({"version": _version(resources(), seen.action.id)})


@blueprint.post("/act/<token>/connect-token")
def connect_token(token: str) -> Answer:
    """Make a token with which the widget updates this action's Item."""
    seen = _open(token, tries=True)
    if isinstance(seen, Response):
        return seen
    res, item_id = resources(), seen.action.item_id
    if seen.shown.screen is not Screen.CONNECT:
        return jsonify({"error": "not now"}), 409
    try:
        with somebody_waits():
            made = res.pluggy.connect_token(item_id, {})
    except PluggyError as exc:
        log.warning("person.pluggy_failed", error=str(exc))
        return jsonify({"error": "unavailable"}), 503
    return jsonify({"accessToken": made, "itemId": item_id, "includeSandbox": _is_sandbox(item_id)})


@blueprint.post("/act/<token>/connected")
def connected(token: str) -> Answer:
    """Hear from the widget that the person has acted in it."""
    seen = _open(token, tries=True)
    if isinstance(seen, Response):
        return seen
    try:
        submissions.told_by_widget(resources(), seen.action.id)
    except CannotActError as exc:
        log.info("person.widget_not_heard", code=exc.code)
    return _see(token)


@blueprint.get("/act/<token>/connected")
@blueprint.get("/act/<token>/connect-token")
def reloaded(token: str) -> Answer:
    """Show the page to a browser that loads again what only the page's script asks for."""
    return _see(token)


class _Seen:
    """An action as it stands: what its page shows of it, and of its bank."""

    def __init__(self, conn: Connection, link: PageLink, action: Action) -> None:
        self.link = link
        self.action = action
        self.bank: KnownConnector | None = connectors.of_item(conn, action.item_id)
        self.now: datetime = resources().pluggy_now()
        self.shown: Shown = screens.shown(action, self.now, offline=self.bank is not None and self.bank.is_offline)
        self.was_tried: bool = action.state == OPEN and user_actions.was_tried_before(conn, action)


def _open(token: str, *, tries: bool = False) -> _Seen | Response:
    """Return what the link opens, or the page that says why it opens nothing."""
    res = resources()
    link = res.links.read(token)
    if link is None:
        wait_s = rate_limit.wait_s(res, rate_limit.STRANGERS, "strangers", rate_limit.client(request.remote_addr))
        return busy(wait_s) if wait_s else notice("gone", 410)
    limit = rate_limit.TRIES if tries else rate_limit.READS
    wait_s = rate_limit.wait_s(res, limit, "tries" if tries else "reads", link.action_id)
    if wait_s:
        return busy(wait_s)
    seen = _seen(res, link)
    return notice("gone", 410) if seen is None else seen


def _seen(res: Resources, link: PageLink) -> _Seen | None:
    with res.database.begin() as conn:
        action = user_actions.get(conn, link.action_id)
        return None if action is None else _Seen(conn, link, action)


def _again(token: str, *, error: CannotActError | str) -> Response:
    """Return the page as it is after something was not taken, with the reason."""
    res = resources()
    link = res.links.read(token)
    seen = None if link is None else _seen(res, link)
    return notice("gone", 410) if seen is None else _page(token, seen, error=error)


def _version(res: Resources, action_id: str) -> str:
    """Return a mark that changes with what the page shows, after requesting a fetch if it is time to."""
    found = _shown_of(res, action_id)
    if found is not None and _watches_pluggy(*found):
        progress.fetch_if_due(res, found[0].item_id)
    if found is None:
        return "gone"
    action, shown = found
    if shown.screen in (Screen.CANCELLED, Screen.EXPIRED):
        with res.database.begin() as conn:
            after = user_actions.successor(conn, action)
        return shown.version if after is None else f"moved to {after.id}"
    return shown.version


def _shown_of(res: Resources, action_id: str) -> tuple[Action, Shown] | None:
    with res.database.begin() as conn:
        action = user_actions.get(conn, action_id)
        bank = None if action is None else connectors.of_item(conn, action.item_id)
    if action is None:
        return None
    return action, screens.shown(action, res.pluggy_now(), offline=bank is not None and bank.is_offline)


def _watches_pluggy(action: Action, shown: Shown) -> bool:
    if shown.screen in FOLLOWED:
        return True
    return action.state == OPEN and (screens.parameter_of(action) or {}).get("type") == "image"


def _see(token: str) -> Response:
    return make_response(redirect(url_for("person.show", token=token), 303))


def _page(token: str, seen: _Seen, *, error: CannotActError | str | None = None) -> Response:
    res = resources()
    words = language(res.texts, request.accept_languages)
    action, screen = seen.action, seen.shown.screen
    text = _text(words, action, screen)
    who = company(res.settings, seen.link.return_url)
    bank_logo = None if seen.bank is None else seen.bank.image_url
    parameter = screens.parameter_of(action) or {}
    deadline = action.retry_at if screen is Screen.WAIT else action.expires_at
    if not _counts_down(screen):
        deadline = None
    html = render_template(
        "page.html",
        words=words,
        company=who,
        token=token,
        action=action,
        parameter=parameter,
        digits=screens.wants_digits(parameter),
        user_action=screens.user_action_of(action) or {},
        screen=screen.value,
        version=seen.shown.version,
        followed=screen in FOLLOWED,
        watched=screen not in (Screen.DONE, Screen.CANCELLED),
        ends=screen in screens.ENDS,
        title=text.title,
        body=text.body,
        first=action.reason if action.reason in screens.THEN_CREDENTIALS else None,
        bank={"name": None if seen.bank is None else seen.bank.name, "logo": bank_logo},
        bank_is_back=_bank_is_back(seen),
        still=seen.was_tried and _can_be_tried_in_vain(action, screen),
        offered=not (isinstance(error, CannotActError) and error.code in _NO_USE),
        deadline=wire.to_text(deadline),
        deadline_clock=None if deadline is None else words.time(deadline),
        now=wire.to_text(seen.now),
        picture=_picture(action),
        bank_address=screens.bank_address(action),
        connect_url=res.settings.pluggy_connect_url,
        error=None if error is None else _error(words, error),
    )
    policy = _policy(connects=screen is Screen.CONNECT, pictures=_pictures(who, bank_logo))
    return make_response(html, {"Vary": "Accept-Language", "Content-Security-Policy": policy})


def _text(words: Language, action: Action, screen: Screen) -> Text:
    if screen is Screen.DONE:
        name = {"SUCCESS": "done", "PARTIAL_SUCCESS": "partial"}.get(action.outcome or "", "later")
    elif screen is Screen.EXPIRED:
        name = "consent_ended" if action.reason == "CONSENT_EXPIRING" else "expired"
    elif screen in (Screen.WAIT, Screen.PROGRESS, Screen.CANCELLED, Screen.AWAY):
        name = screen.value
    else:
        asked = (screens.parameter_of(action) or {}).get("type")
        return text_of(words, action.kind, action.reason, asked=asked, ends_at=action.expires_at)
    return Text(title=words.page(f"{name}_title"), body=words.page(f"{name}_body"))


def _error(words: Language, error: CannotActError | str) -> str:
    if isinstance(error, str):
        return words.error(error)
    retry_at = error.more.get("retryAt")
    if error.code == refusals.NOT_NOW and retry_at is not None:
        moment = wire.instant(retry_at)
        if moment is not None:
            return words.error("not-now-until", date=words.date(moment), time=words.time(moment))
    return words.error(error.code)


def _bank_is_back(seen: _Seen) -> bool:
    """Return whether the bank came back since the person was asked, and not long ago."""
    came_back_at = None if seen.bank is None else seen.bank.came_back_at
    if came_back_at is None or seen.action.state != OPEN or seen.shown.screen in (*screens.ENDS, Screen.AWAY):
        return False
    return seen.action.created_at < came_back_at and resources().now() - came_back_at < _BACK_FOR


def _can_be_tried_in_vain(action: Action, screen: Screen) -> bool:
    """Return whether it must be said that a try has not settled it. Other texts say so themselves."""
    return screen is Screen.AT_BANK or action.reason in (*screens.THEN_CREDENTIALS, "USER_AUTHORIZATION_PENDING")


def _counts_down(screen: Screen) -> bool:
    return screen in (Screen.FORM, Screen.QR, Screen.GO_TO_BANK, Screen.APPROVE, Screen.WAIT)


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


def _pictures(who: Company, bank_logo: str | None) -> list[str]:
    """Return the origins that the page loads pictures from."""
    return [origin for address in (who.logo_url, bank_logo) if (origin := _origin(address)) is not None]


def _origin(address: str | None) -> str | None:
    parts = None if address is None else screens.parts_of(address)
    if parts is None or parts.scheme not in ("https", "http"):
        return None
    return f"{parts.scheme}://{parts.netloc}" if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc) else None


def _policy(*, connects: bool = False, pictures: list[str] | None = None) -> str:
    """Return the content security policy: our own files, the logos, and the widget where it is needed."""
    if pictures is None:
        # A notice shows the company's logo.
        logo = _origin(resources().settings.product_logo_url)
        pictures = [] if logo is None else [logo]
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
    picture = " ".join([picture, *pictures])
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src {picture}; connect-src {ask}; "
        f"frame-src {frame}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
