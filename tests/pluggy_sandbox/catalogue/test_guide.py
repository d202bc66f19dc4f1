"""What the page says of each test user is what comes of it."""

import pytest

from pluggy_sandbox.catalogue import guide
from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.guide import TestUser as User
from pluggy_sandbox.catalogue.logins import APPROVERS, FATES
from tests.pluggy_sandbox.driver import Driver

SUCCESSES = ("UPDATED SUCCESS", "UPDATED PARTIAL_SUCCESS")


def test_every_test_user_is_explained() -> None:
    named = {user.name for group in guide.USERS.values() for user in group}

    assert named >= set(FATES)
    assert {"".join(c for c in user.cpf if c.isdigit()) for user in guide.PEOPLE} >= set(APPROVERS)
    assert set(guide.LOGINS) == set(Login)


@pytest.mark.parametrize("user", guide.CONNECTING, ids=lambda user: user.name)
def test_who_is_said_to_connect_connects(driver: Driver, user: User) -> None:
    assert driver.state(driver.connect(user.name)) in SUCCESSES


@pytest.mark.parametrize("user", guide.ASKED, ids=lambda user: user.name)
def test_who_is_said_to_do_something_first_connects_after_it(driver: Driver, user: User) -> None:
    item_id = driver.connect(user.name)
    assert driver.state(item_id) not in SUCCESSES

    while (asked := driver.item(item_id)["parameter"]) is not None:
        value = asked["options"][0]["value"] if "options" in asked else "123456"
        driver.mfa(item_id, **{asked["name"]: value})
    if driver.state(item_id) not in SUCCESSES:
        driver.do(item_id, "approve")

    assert driver.state(item_id) in SUCCESSES


@pytest.mark.parametrize("user", guide.FAILING, ids=lambda user: user.name)
def test_who_is_said_not_to_connect_does_not(driver: Driver, user: User) -> None:
    state = driver.state(driver.connect(user.name))

    assert state.split()[0] in ("LOGIN_ERROR", "OUTDATED")


OUTCOMES = (
    "UPDATED SUCCESS",
    "UPDATED SUCCESS",
    "LOGIN_ERROR USER_AUTHORIZATION_NOT_GRANTED",
    "LOGIN_ERROR INVALID_CREDENTIALS",
)


@pytest.mark.parametrize("user,state", list(zip(guide.PEOPLE, OUTCOMES, strict=True)))
def test_a_person_of_open_finance_does_what_is_said(driver: Driver, user: User, state: str) -> None:
    item_id = driver.connect_open_finance(user.cpf)
    if driver.item(item_id)["status"].startswith("WAITING"):
        driver.do(item_id, "approve")
    driver.advance(seconds=121)

    assert driver.state(item_id) == state
