"""The front as an ASGI application: read the request, have it answered by a thread of its area, send the answer."""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Flask

from pluggy_sync.settings import Settings
from webhook_app import api_tokens, pluggy_keys
from webhook_app.api_tokens import ApiTokens, CannotTellError
from webhook_app.front import unanswered, webhooks
from webhook_app.front.areas import BUFFERED_BYTES, PLUGGY, STREAM_PART_S, STREAM_S, STREAMS, Area, areas
from webhook_app.front.bodies import (
    Body,
    BrokenOffError,
    Buffered,
    NoRoomError,
    Receive,
    TooLargeError,
    TooSlowError,
)
from webhook_app.front.calls import Answer, Parts, call, environ_of
from webhook_app.front.headers import header
from webhook_app.front.threads import AllBusyError, Threads
from webhook_app.intake import authenticity
from webhook_app.intake.intake import Intake

log = structlog.get_logger(__name__)

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# A larger answer is sent in parts. A client that does not read them is noticed.
PART_BYTES = 64 * 1024


def _headers_of(scope: Scope) -> Callable[[str], str]:
    return lambda name: header(scope, name.encode())


class Front:
    """Answers requests by *app*. One for each process."""

    def __init__(
        self, app: Flask, settings: Settings, intake: Intake | None = None, tokens: ApiTokens | None = None
    ) -> None:
        """
        Take small deliveries by *intake*; None: all of them by *app*.

        The body of a call of `/v1` is read if one of *tokens* is given; None: those of *settings*.
        """
        self._app = app
        self._intake = intake
        self._settings = settings
        self._tokens = tokens or ApiTokens(settings, None)
        self._areas = areas(settings)
        self._gate = authenticity.Gate(settings)
        self._threads = {area.name: Threads(area.name, area.threads, area.waiting) for area in self._areas}
        self._streams = Threads("streams", STREAMS, 10 * STREAMS)
        self._buffered = Buffered(BUFFERED_BYTES)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._admit(scope, receive, send)
        except TimeoutError:
            log.info("front.client_left", why="it did not read the answer")
        except Exception as exc:
            # The server would print its text, which may quote data. The connection ends without an answer.
            log.exception("front.failed", exc_info=exc)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        area = next(each for each in self._areas if each.holds(scope["path"]))
        if area.same_path is None:
            await self._answer(area, scope, receive, send)
            return
        path = scope["path"]
        if self._open[path] >= area.same_path:
            await _send(send, unanswered.too_many(area.name))
            return
        self._open[path] += 1
        try:
            await self._answer(area, scope, receive, send)
        finally:
            self._open[path] -= 1
            if not self._open[path]:
                del self._open[path]

    async def _answer(self, area: Area, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(self._buffered)
        context = contextvars.copy_context()
        try:
            async with asyncio.timeout(area.answer_s):
                may_send = area.body_bytes > 0 and await self._may_send(area, scope)
                refused = await self._read(body, area, receive) if may_send else None
                if self._intake and may_send and refused is None and self._is_small_delivery(area, scope, body):
                    answer = await webhooks.take(self._intake, scope, body.content)
                else:
                    environ = environ_of(scope, body.content, refused)
                    answer = await self._threads[area.name].run(lambda: context.run(call, self._app, environ))
        except BrokenOffError:
            # The client may still read: perhaps it closed only its direction.
            answer = unanswered.broken_off(area.name)
        except (AllBusyError, NoRoomError, TimeoutError) as exc:
            log.warning("front.not_answered", area=area.name, why=type(exc).__name__, next="the client tries again")
            answer = unanswered.unavailable(area.name)
        finally:
            body.release()
        if answer.parts is None:
            await _send(send, answer)
        else:
            await self._stream(receive, send, answer, Parts(answer.parts, context))

    async def _read(self, body: Body, area: Area, receive: Receive) -> int | None:
        """Read the body; return the status with which to refuse the request, or None."""
        try:
            await body.read(receive, limit=area.body_bytes, within_s=area.body_s)
        except TooLargeError:
            body.release()
            return 413
        except TooSlowError:
            body.release()
            return area.too_slow
        return None

    def _is_small_delivery(self, area: Area, scope: Scope, body: Body) -> bool:
        """Return whether the loop takes the body, which its secret says is authentic. A bad signature is for Flask."""
        if area.name != "webhooks" or not webhooks.are_for_the_loop(scope, body.content):
            return False
        return self._gate.refusal_of_body(_headers_of(scope), body.content, datetime.now(UTC)) is None

    async def _may_send(self, area: Area, scope: Scope) -> bool:
        """Return whether to read the body: in some areas only that of a client with a valid secret or token is read."""
        if area.name == "webhooks":
            client = self._gate.client_of((scope.get("client") or (None,))[0], header(scope, b"x-forwarded-for"))
            return self._gate.refusal_of_head(_headers_of(scope), client) is None
        if area.name == "api":
            return await self._is_token(area, api_tokens.digest_in(header(scope, b"authorization")))
        if area.name == PLUGGY:
            api_key = header(scope, b"x-api-key")
            return await self._is_token(area, pluggy_keys.digest_in(api_key, self._settings, now=datetime.now(UTC)))
        return True

    async def _is_token(self, area: Area, digest: bytes | None) -> bool:
        """Return whether *digest* is that of a valid token. Only one that is not in memory takes a thread."""
        if digest is None:
            return False
        if self._tokens.known(digest) is not None:
            return True
        try:
            return await self._threads[area.name].run(lambda: self._tokens.find_by_digest(digest)) is not None
        except CannotTellError:
            # The app answers 503. It needs no body for that.
            return False

    async def _stream(self, receive: Receive, send: Send, answer: Answer, parts: Parts) -> None:
        """Send a stream. A slow client occupies no thread. The stream ends for one that is too slow or has left."""
        gone = asyncio.ensure_future(receive())
        try:
            async with asyncio.timeout(STREAM_S):
                await _start(send, answer)
                while not gone.done() and (part := await self._streams.run(parts.next)) is not None:
                    async with asyncio.timeout(STREAM_PART_S):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (AllBusyError, TimeoutError) as exc:
            log.warning("front.stream_ended", why=type(exc).__name__, next="the client asks again")
        finally:
            gone.cancel()
            await asyncio.shield(asyncio.to_thread(parts.close))


async def _send(send: Send, answer: Answer) -> None:
    await _start(send, answer)
    body = answer.body
    while len(body) > PART_BYTES:
        part, body = body[:PART_BYTES], body[PART_BYTES:]
        async with asyncio.timeout(STREAM_PART_S):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
