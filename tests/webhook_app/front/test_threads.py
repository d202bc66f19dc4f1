"""Threads with a bounded queue: one more is told so at once, and what was given up is not begun."""

import asyncio
import threading

import pytest

from tests.kit import event_loops
from webhook_app.front.threads import AllBusyError, Threads


def test_one_more_than_can_wait_is_told_so_and_a_place_is_given_back():
    done = threading.Event()

    async def scenario():
        threads = Threads("test", threads=1, waiting=1)
        under_way = [asyncio.ensure_future(threads.run(done.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(AllBusyError):
            await threads.run(done.wait)
        done.set()
        await asyncio.gather(*under_way)
        return await threads.run(lambda: "a place again")

    assert event_loops.run(scenario()) == "a place again"


def test_what_was_given_up_while_it_waited_is_not_begun():
    done, begun = threading.Event(), []

    async def scenario():
        threads = Threads("test", threads=1, waiting=1)
        first = asyncio.ensure_future(threads.run(done.wait))
        second = asyncio.ensure_future(threads.run(lambda: begun.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        done.set()
        await first
        await threads.run(lambda: begun.append("third"))

    event_loops.run(scenario())

    assert begun == ["third"]
