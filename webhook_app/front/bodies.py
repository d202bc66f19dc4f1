"""Reading a request's body: whole, in time, and no larger than allowed, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class BrokenOffError(Exception):
    """The client left before it had sent the whole body. There is nobody to answer."""


class TooLargeError(Exception):
    """The body is larger than allowed."""


class TooSlowError(Exception):
    """The body was not complete in time."""


class NoRoomError(Exception):
    """All clients together have sent as much as this process takes at once."""


class Buffered:
    """Counts the bytes of all requests of this process: many clients together are bounded too."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> bool:
        """Take *size* bytes; return False when there are not so many left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        self._left += size


class Body:
    """A body as it arrives. `release` gives back what it took of *buffered*."""

    def __init__(self, buffered: Buffered) -> None:
        self._buffered = buffered
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def content(self) -> bytes:
        """What was read."""
        return b"".join(self._parts)

    async def read(self, receive: Receive, *, limit: int, within_s: float) -> None:
        """
        Read it to its end.

        Raises:
            BrokenOffError, TooLargeError, TooSlowError, NoRoomError: as they say.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._read(receive, limit)
        except TimeoutError:
            raise TooSlowError from None

    async def _read(self, receive: Receive, limit: int) -> None:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BrokenOffError
            part = message.get("body", b"")
            if self._size + len(part) > limit:
                raise TooLargeError
            if not self._buffered.take(len(part)):
                raise NoRoomError
            self._size += len(part)
            self._parts.append(part)
            if not message.get("more_body"):
                return

    def release(self) -> None:
        """Drop what was read."""
        self._buffered.give_back(self._size)
        self._parts, self._size = [], 0
