"""
`POST /webhooks/pluggy`: authenticate, bound, read, store, answer.

A 2xx means that the event is committed. 401 is only for strangers, since Pluggy does not try it again; our own
trouble is 503, which it does (Pluggy facts 2.5).

The front takes small authentic deliveries itself (`webhook_app/front/webhooks.py`). All others come here.
"""

from typing import cast

import structlog
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from pluggy_sync import rejections, tallies
from pluggy_sync.engine.intake import Result
from webhook_app.app_resources import resources
from webhook_app.intake import authenticity, body
from webhook_app.intake.intake import Intake
from webhook_app.intake.writer import FullError

PATH = "/webhooks/pluggy"
_KEY = "pluggy_sync_intake"

blueprint = Blueprint("intake", __name__)

log = structlog.get_logger(__name__)

Answer = tuple[Response, int]


def keep(app: Flask, intake: Intake) -> None:
    """Have *app* take deliveries by *intake*."""
    app.extensions[_KEY] = intake


def of_app(app: Flask) -> Intake:
    """Return the intake of *app*."""
    return cast(Intake, app.extensions[_KEY])


@blueprint.post(PATH)
def receive() -> Answer:
    """Store one delivery and answer that it is stored."""
    res = resources()
    gate = authenticity.Gate(res.settings)
    # The client, where `TRUSTED_PROXY_HOPS` says that proxies stand before us.
    refusal = gate.refusal_of_head(_header, request.remote_addr)
    # The front has not read the body of a stranger.
    content = b"" if refusal is not None else request.get_data(cache=False)
    refusal = refusal or gate.refusal_of_body(_header, content, res.now())
    if refusal is not None:
        log.warning("webhook.rejected", reason=refusal)
        rejections.count(res, why=refusal, address=request.remote_addr)
        res.tallies.count(tallies.DELIVERIES, "rejected", refusal.tallied)
        return _answer("rejected", 401)
    try:
        result = _store(content)
    except FullError:
        log.warning("webhook.not_stored", reason="too many wait", next="Pluggy sends it again")
        result = None
    return _answer("not stored", 503) if result is None else _answer(result, 202)


def _header(name: str) -> str:
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else ""


def _store(content: bytes) -> Result | None:
    intake = of_app(current_app)
    content_type, packing = request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", "")
    limit = request.max_content_length or len(content)
    try:
        told = intake.take(body.unpacked(content, content_type, packing, limit=limit))
    except body.UnpackableError as exc:
        told = intake.take(content, fault=str(exc))
    return told.result()


@blueprint.errorhandler(HTTPException)
def _refused(error: HTTPException) -> Answer:
    status = error.code or 500
    log.warning("webhook.refused", status=status)
    resources().tallies.count(tallies.DELIVERIES, "refused", str(status))
    return _answer(error.name.lower(), status)


def _answer(result: str, status: int) -> Answer:
    return jsonify({"result": result}), status
