"""The sandbox as `make up` uses it."""

from contextlib import closing

import pytest

from pluggy_sandbox.testing import running_sandbox
from standalone.sandbox import Sandbox


@pytest.fixture
def sandbox():
    with (
        running_sandbox() as running,
        closing(
            Sandbox(running.url, client_id=running.client_id, client_secret=running.client_secret),
        ) as sandbox,
    ):
        yield sandbox


def registered(sandbox):
    return [(hook["url"], hook["headers"]) for hook in sandbox.api("GET", "/webhooks")["results"]]


def test_events_go_to_the_address_and_with_the_secret_of_the_present_start(sandbox):
    other = {"url": "http://127.0.0.1:9/product", "event": "item/created"}
    sandbox.api("POST", "/webhooks", other)
    for port, secret in ((1, "old"), (1, "new"), (2, "new"), (2, "new")):
        sandbox.register_webhook(f"http://127.0.0.1:{port}/webhooks/pluggy", secret_header="X-Secret", secret=secret)

    assert registered(sandbox) == [
        ("http://127.0.0.1:9/product", {}),
        ("http://127.0.0.1:2/webhooks/pluggy", {"X-Secret": "new"}),
    ]
