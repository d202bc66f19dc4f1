"""
Deliveries that the event loop takes itself: whole, plain, small and authentic, as nearly all of Pluggy's are.

Reading one takes less than handing it to a thread, and storing it waits for the writer, which needs no thread either.
All others are taken by a thread and Flask, which answer the same.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from pluggy_sync.engine.intake import Result
from webhook_app import request_ids
from webhook_app.front import unanswered
from webhook_app.front.calls import Answer
from webhook_app.front.headers import header
from webhook_app.intake import body
from webhook_app.intake.intake import Intake
from webhook_app.intake.view import PATH
from webhook_app.intake.writer import FullError

log = structlog.get_logger(__name__)

# Reading more would hold up all other clients for some milliseconds.
MOST_BYTES = 16 * 1024

_PATHS = frozenset({PATH, f"{PATH}/"})
_BODIES = {result: msgspec.json.encode({"result": result}) for result in Result}
_HEADERS = {
    result: [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    for result, text in _BODIES.items()
}


def are_for_the_loop(scope: Mapping[str, Any], content: bytes) -> bool:
    """Return whether the delivery *content*, which is authentic, may be taken here."""
    return (
        len(content) <= MOST_BYTES
        and scope["method"] == "POST"
        and scope["path"] in _PATHS
        and body.is_plain(header(scope, b"content-type"), header(scope, b"content-encoding"))
    )


async def take(intake: Intake, scope: Mapping[str, Any], content: bytes) -> Answer:
    """Have the delivery stored, and return the answer that it is, or is not."""
    try:
        result = await intake.take_from_loop(content)
    except FullError:
        log.warning("webhook.not_stored", reason="too many wait", next="Pluggy sends it again")
        result = None
    if result is None:
        return unanswered.unavailable("webhooks")
    request_id = request_ids.given_or_new(header(scope, request_ids.HEADER_BYTES))
    return Answer(202, [*_HEADERS[result], (request_ids.HEADER_BYTES, request_id.encode())], _BODIES[result])
