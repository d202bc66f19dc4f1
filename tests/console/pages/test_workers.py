"""What waits where, and who works."""

import dataclasses

from flask import Flask

from console.pages import page_resources, workers
from pluggy_sync import queue
from pluggy_sync.queue import Message
from pluggy_sync.redis_options import redis_options
from tests.console.pages.conftest import Browser
from tests.kit.service import Service


def test_every_queue_is_shown_with_what_waits_in_it_and_that_nobody_reads_it(browser: Browser, service, monkeypatch):
    monkeypatch.setattr(workers, "ANSWER_WITHIN_S", 0.05)
    service.res.sender.send([Message(queue.SYNC_ITEM, "x")] * 7)

    page = browser.text("/workers/now")

    for name in set(queue.QUEUE_OF_TASK.values()):
        assert f">{name.replace('_', ' ')}</td>" in page
    assert ">7</td>" in page
    assert page.count("nobody") == len(set(queue.QUEUE_OF_TASK.values()))
    assert "No worker answers." in page


def test_a_redis_that_is_away_is_said(browser: Browser, console: Flask, service: Service, monkeypatch):
    away = "redis://127.0.0.1:1/0"
    res = page_resources.kept(console)
    page_resources.keep(
        console,
        dataclasses.replace(
            res,
            settings=dataclasses.replace(res.settings, redis_url=away),
            redis=redis_options(away).client(connect_timeout_s=1, timeout_s=1),
        ),
    )

    assert "Redis does not answer." in browser.text("/workers/now")
