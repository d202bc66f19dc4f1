"""
`POST /webhooks/pluggy`: authenticate, bound, store, queue, answer.

A 2xx means that the event is committed. 401 is only for strangers, since Pluggy does not try it again; our own
trouble is 503, which it does (Pluggy facts 2.5).
"""

import structlog
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from pluggy_sync.metrics import count_rejected
from webhook_app.app_resources import resources
from webhook_app.intake import authenticity, body, store

blueprint = Blueprint("intake", __name__)

log = structlog.get_logger(__name__)

Answer = tuple[Response, int]


@blueprint.post("/webhooks/pluggy")
def receive() -> Answer:
    """Store one delivery and answer that it is stored."""
    res = resources()
    if not authenticity.is_authentic(request.headers.get(res.settings.webhook_secret_header, ""), res.settings):
        log.warning("webhook.rejected", reason="wrong or missing secret")
        count_rejected(res)
        return _answer("rejected", 401)
    try:
        content = body.read(request)
    except body.UnpackableError as exc:
        return _answer(store.keep(res, exc.body, str(exc)), 202)
    return _answer(store.store(res, content), 202)


@blueprint.errorhandler(HTTPException)
def _refused(error: HTTPException) -> Answer:
    status = error.code or 500
    log.warning("webhook.refused", status=status)
    return _answer(error.name.lower(), status)


@blueprint.errorhandler(SQLAlchemyError)
def _not_stored(error: SQLAlchemyError) -> Answer:
    log.error("webhook.not_stored", exc_info=error, next="Pluggy sends it again")
    return _answer("not stored", 503)


def _answer(result: str, status: int) -> Answer:
    return jsonify({"result": result}), status
