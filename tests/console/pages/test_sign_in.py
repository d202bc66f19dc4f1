"""Only operators see the console, for a while, and everything they do at the door is written down."""

import re
from dataclasses import replace

import pytest

from console.pages import page_resources, sign_in
from console.pages.app import NobodyCanSignInError, create_app
from console.pages.passwords import login
from pluggy_sync.store import audit, console_sessions
from tests.console.pages.conftest import LOGIN, OPERATOR, PASSWORD
from tests.kit.factories import a_settings

IDLE_S = console_sessions.IDLE.total_seconds()


def entries(resources):
    with resources.database.begin() as conn:
        return [(each.what, each.operator) for each in audit.before(conn, None, limit=100)]


def test_the_console_does_not_start_when_nobody_could_sign_in():
    with pytest.raises(NobodyCanSignInError, match="CONSOLE_LOGINS"):
        create_app(a_settings())


def addresses_of(app):
    given = {"item_id": "i", "event_id": "e", "notification_id": "n", "endpoint_id": "p", "operation_id": "o"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in sign_in.OPEN_TO_ALL:
            method = "GET" if "GET" in rule.methods else "POST"
            yield method, re.sub(r"<(?:\w+:)?(\w+)>", lambda found: given.get(found[1], "x"), rule.rule)


def test_a_stranger_is_sent_to_the_door_whatever_is_asked_for(console, stranger):
    found = list(addresses_of(console))
    console.config["WTF_CSRF_ENABLED"] = False
    try:
        answers = {address: stranger.client.open(address, method=method) for method, address in found}
    finally:
        console.config["WTF_CSRF_ENABLED"] = True

    assert len(answers) > 5
    assert {answer.status_code for answer in answers.values()} == {302}
    assert {answer.location.partition("?")[0] for answer in answers.values()} == {"/sign-in"}


def test_who_signs_in_is_led_to_what_was_asked_for(stranger):
    asked = stranger.get("/items?freshness=stale")
    assert "next=" in asked.location

    answer = stranger.sign_in(next="/items?freshness=stale")

    assert answer.location == "/items?freshness=stale"
    assert OPERATOR in stranger.text("/")


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""])
def test_nobody_is_led_elsewhere(stranger, elsewhere):
    assert stranger.sign_in(next=elsewhere).location == "/"


@pytest.mark.parametrize("operator, password", [(OPERATOR, "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_or_password_lets_nobody_in_and_is_written_down(stranger, resources, operator, password):
    answer = stranger.sign_in(operator, password)

    assert answer.status_code == 403
    assert stranger.get("/").status_code == 302
    assert entries(resources) == [("sign_in_refused", operator if operator == OPERATOR else sign_in.UNKNOWN)]
    assert password not in answer.text or not password


def test_after_some_attempts_no_more_are_tried_for_a_while(stranger, resources, clock):
    for _ in range(sign_in.OF_OPERATOR):
        assert stranger.sign_in(password="wrong").status_code == 403

    assert stranger.sign_in().status_code == 429
    assert len(entries(resources)) == sign_in.OF_OPERATOR

    clock.advance(seconds=sign_in.WINDOW.total_seconds() + 1)
    assert stranger.sign_in().status_code == 302


def test_a_form_without_its_token_does_nothing(browser, resources):
    answer = browser.client.post("/sign-out")

    assert answer.status_code == 400
    assert browser.get("/").status_code == 200
    assert entries(resources) == [("signed_in", OPERATOR)]


def test_who_signs_out_has_to_sign_in_again_also_with_a_kept_cookie(browser, console, resources):
    kept = browser.client.get_cookie("pluggy-sync-console").value

    browser.send("/", "/sign-out")
    thief = console.test_client()
    thief.set_cookie("pluggy-sync-console", kept)

    assert browser.get("/").status_code == 302
    assert thief.get("/").status_code == 302
    assert entries(resources) == [("signed_out", OPERATOR), ("signed_in", OPERATOR)]


def test_a_session_ends_when_it_is_not_used(browser, clock):
    for _ in range(3):
        clock.advance(seconds=IDLE_S - 120)
        assert browser.get("/").status_code == 200

    clock.advance(seconds=IDLE_S + 120)
    assert browser.get("/").status_code == 302


def test_what_a_page_asks_for_by_itself_does_not_keep_a_session(browser, clock):
    for _ in range(2):
        clock.advance(seconds=IDLE_S * 2 / 3)
        answer = browser.get("/overview/figures", headers={"HX-Request": "true"})

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/sign-in")


def test_a_session_ends_at_its_end_however_much_it_is_used(browser, clock, resources):
    for _ in range(2 * resources.settings.console_session_hours):
        clock.advance(minutes=29)
        assert browser.get("/").status_code == 200

    clock.advance(minutes=30)
    assert browser.get("/").status_code == 302


def test_another_password_ends_the_sessions(browser, console):
    other = a_settings(CONSOLE_LOGINS=login(OPERATOR, "another-password")).console_logins
    res = page_resources.kept(console)
    page_resources.keep(console, replace(res, settings=replace(res.settings, console_logins=other)))

    assert browser.get("/").status_code == 302


def test_the_cookie_is_for_this_site_only_and_no_script_reads_it():
    app = create_app(a_settings(CONSOLE_LOGINS=LOGIN, CONSOLE_URL="https://console.example.com"))
    plain = create_app(a_settings(CONSOLE_LOGINS=LOGIN))

    assert app.config["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert app.config["SESSION_COOKIE_SECURE"]
    assert plain.config["SESSION_COOKIE_HTTPONLY"]
    assert plain.config["SESSION_COOKIE_SAMESITE"] == "Lax"


def test_no_page_may_load_or_send_anything_elsewhere_or_be_kept(browser):
    headers = browser.get("/").headers

    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
