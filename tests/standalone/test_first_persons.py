"""There is something to look at from the start, and it is not mixed with what somebody tries out."""

from contextlib import closing

import pytest

from pluggy_sandbox.testing import running_sandbox
from standalone import first_persons
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


def test_they_end_in_states_that_an_operator_meets(sandbox):
    assert first_persons.connect(sandbox) == len(first_persons.PERSONS)
    sandbox.settle()

    found = [item["status"] for item in sandbox.control("GET", "/items")["results"]]
    assert set(found) == {"UPDATED", "WAITING_USER_INPUT", "LOGIN_ERROR", "OUTDATED"}


def test_nobody_comes_where_somebody_has_connected_a_bank(sandbox):
    sandbox.connect("user-ok")

    assert first_persons.connect(sandbox) == 0
    assert len(sandbox.control("GET", "/items")["results"]) == 1
