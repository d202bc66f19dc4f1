"""Reading bodies: what is held at once by all clients together is bounded, and is given back."""

import asyncio

import pytest

from tests.kit import event_loops
from webhook_app.front.bodies import Body, BrokenOffError, Buffered, NoRoomError, TooLargeError, TooSlowError


def sender(*messages):
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(content, *, more=True):
    return {"type": "http.request", "body": content, "more_body": more}


def read(body, *messages, limit=100, within_s=5.0):
    event_loops.run(body.read(sender(*messages), limit=limit, within_s=within_s))


def test_a_body_is_all_its_parts():
    body = Body(Buffered(100))

    read(body, part(b"one"), part(b""), part(b"two", more=False))

    assert body.content == b"onetwo"


@pytest.mark.parametrize(
    "messages, error",
    [
        ([part(b"x" * 60), part(b"x" * 41, more=False)], TooLargeError),
        ([part(b"x"), {"type": "http.disconnect"}], BrokenOffError),
        ([part(b"x")], TooSlowError),
    ],
    ids=["too large", "broken off", "too slow"],
)
def test_what_is_not_a_whole_body_in_time_is_none(messages, error):
    with pytest.raises(error):
        read(Body(Buffered(1000)), *messages, within_s=0.2)


def test_all_clients_together_are_bounded_and_give_back_what_they_took():
    buffered = Buffered(100)
    first, second = Body(buffered), Body(buffered)
    read(first, part(b"x" * 60, more=False))

    with pytest.raises(NoRoomError):
        read(second, part(b"x" * 60, more=False))
    second.release()
    first.release()

    read(second, part(b"x" * 100, more=False))
    assert len(second.content) == 100
