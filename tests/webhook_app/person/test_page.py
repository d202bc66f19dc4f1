"""The person's page without a browser: its links, its states, what it tells nobody."""

import re
import time
from html import unescape
from types import SimpleNamespace
from unittest import mock

import pytest
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer

from pluggy_sync.engine import submissions as submissions_of_engine
from pluggy_sync.page_links import PAGE_LINK_LIFE_S
from pluggy_sync.resources import create_resources
from pluggy_sync.store.tables import connectors, submissions, user_actions
from tests.kit.factories import a_settings
from tests.kit.service import Service
from webhook_app.app import create_app
from webhook_app.person.progress import MAX_STREAMS
from webhook_app.person.screens import bank_address

ENGLISH = {"Accept-Language": "en-US,en;q=0.9"}


class Person:
    """A person with a link, in a browser without script."""

    def __init__(self, service: Service, path: str, headers: dict[str, str] | None = None) -> None:
        self._web: FlaskClient = service.web
        self.path = path
        self._headers = headers or {}

    def open(self) -> str:
        response = self._web.get(self.path, headers=self._headers, follow_redirects=True)
        assert response.status_code == 200, response.get_data(as_text=True)
        self.path = response.request.path
        return response.get_data(as_text=True)

    def screen(self) -> str:
        found = re.search(r'data-screen="([a-z_]+)"', self.open())
        assert found
        return found[1]

    def give(self, value: str, status: int = 303) -> str:
        return self.post({"do": "mfa", "value": value}, status)

    def start(self, status: int = 303) -> str:
        return self.post({"do": "restart"}, status)

    def post(self, form: dict[str, str], status: int) -> str:
        response = self._web.post(self.path, data=form, headers=self._headers)
        assert response.status_code == status, response.get_data(as_text=True)
        return unescape(response.get_data(as_text=True))


def a_person(service: Service, headers: dict[str, str] | None = None) -> Person:
    action = service.actions()[-1]
    return Person(service, f"/act/{service.res.links.token(action.id)}", headers)


def connect(service: Service, user: str = "user-ok", connector: int = 2) -> str:
    item_id = service.upstream.connect(user, connector=connector)
    service.catch_up()
    return item_id


def now_and_then(service: Service) -> None:
    """Deliver and work, without moving the clock."""
    service.deliver(*service.upstream.take_events())
    service.work()


def test_a_code_is_given_and_the_outcome_shown(service: Service):
    connect(service, connector=5)
    person = a_person(service)
    assert person.screen() == "form"

    person.give("123456")

    assert person.screen() == "progress"
    now_and_then(service)
    assert person.screen() == "done"
    assert "Pronto!" in person.open()


def test_a_wrong_code_leads_on_to_the_action_that_says_so(service: Service):
    connect(service, connector=5)
    person = a_person(service)
    person.give("654321")
    now_and_then(service)

    assert person.screen() == "start"
    assert "O código não foi aceito" in person.open()
    service.upstream.later(seconds=600)
    person.start()
    now_and_then(service)
    assert person.screen() == "form"


@pytest.mark.parametrize(
    "user, connector, screen",
    [
        ("user-bad", 2, "connect"),
        ("user-locked", 2, "connect"),
        ("user-account-credentials-reset", 2, "connect"),
        ("user-account-need-actions", 2, "at_bank"),
        ("user-not-supported", 2, "at_bank"),
        ("user-ok-auth-pending", 2, "approve"),
        ("user-ok-img", 5, "form"),
        ("user-ok-select", 5, "form"),
        ("user-ok", 19, "qr"),
    ],
)
def test_every_need_has_its_screen(service: Service, user, connector, screen):
    connect(service, user, connector)

    assert a_person(service).screen() == screen


def test_words_are_portuguese_unless_the_browser_prefers_english(service: Service):
    connect(service, connector=5)

    assert "Seu banco pediu um código" in a_person(service).open()
    assert "Seu banco pediu um código" in a_person(service, {"Accept-Language": "fr, de;q=0.5"}).open()
    english = a_person(service, ENGLISH).open()
    assert "Your bank asked for a code" in english
    assert '<html lang="en">' in english


def test_the_banks_own_message_is_shown(service: Service):
    connect(service, "user-account-need-actions-provider-message")

    message = service.actions()[-1].provider_message

    assert message
    assert message in unescape(a_person(service).open())


def test_a_double_tap_reaches_the_bank_once(service: Service):
    connect(service, connector=5)
    person = a_person(service)

    person.give("123456")
    person.give("123456")

    assert len(service.rows(submissions)) == 1
    assert person.screen() == "progress"


def test_a_second_tab_sees_what_the_first_did(service: Service):
    connect(service, connector=5)
    one, other = a_person(service), a_person(service)
    assert other.screen() == "form"

    one.give("123456")
    now_and_then(service)
    other.give("999999")

    assert other.screen() == "done"
    assert len(service.rows(submissions)) == 1


def test_time_that_ends_while_the_page_is_open_is_said(service: Service, clock):
    connect(service, connector=5)
    person = a_person(service)
    assert person.screen() == "form"
    clock.advance(minutes=5)

    person.give("123456")

    assert person.screen() == "expired"
    assert service.rows(submissions) == []


def test_a_value_of_a_wrong_form_is_said_and_not_sent(service: Service):
    connect(service, connector=5)
    person = a_person(service)

    page = person.give("12", status=422)

    assert "Confira o que você digitou" in page
    assert 'role="alert"' in page
    assert service.rows(submissions) == []
    assert person.screen() == "form"


def test_trouble_at_pluggy_is_said_and_the_form_stays(service: Service):
    connect(service, connector=5)
    person = a_person(service)
    service.upstream.fail({"endpoint": "POST /items/{id}/mfa", "do": "status", "status": 500})

    page = person.give("123456", status=503)

    assert "Não conseguimos falar com o banco agora" in page
    assert 'data-screen="form"' in page
    assert "123456" not in page


def test_two_failed_logins_show_the_wait(service: Service):
    item_id = connect(service, "user-bad")
    service.upstream.update(item_id, {"user": "user-bad", "password": "wrong"})
    service.catch_up()

    page = a_person(service).open()

    assert 'data-screen="wait"' in page
    assert "data-until=" in page


@pytest.mark.parametrize("token", ["x", "ImFjdF8xIg.aaaa.bbbb", "..", "a" * 500])
def test_a_link_that_is_not_ours_opens_nothing(service: Service, token: str):
    response = service.web.get(f"/act/{token}")

    assert response.status_code == 410
    assert "Este link não vale mais" in response.get_data(as_text=True)


def test_a_link_of_another_key_or_for_another_use_opens_nothing(service: Service):
    connect(service, connector=5)
    action_id = service.actions()[-1].id
    key = service.res.settings.secret_key

    for serializer in (
        URLSafeTimedSerializer("another-key-of-the-tests-that-is-long-enough", salt="person's page"),
        URLSafeTimedSerializer(key, salt="something else"),
    ):
        assert service.web.get(f"/act/{serializer.dumps(action_id)}").status_code == 410


def test_an_old_link_opens_nothing(service: Service):
    connect(service, connector=5)
    action_id = service.actions()[-1].id
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() - PAGE_LINK_LIFE_S - 5):
        token = service.res.links.token(action_id)

    assert service.web.get(f"/act/{token}").status_code == 410


def test_a_purged_action_opens_nothing(service: Service):
    item_id = connect(service, "user-bad")
    person = a_person(service)
    service.upstream.delete(item_id)
    service.catch_up()

    assert service.web.get(person.path).status_code == 410


def test_tries_of_one_action_are_limited(service: Service):
    connect(service, connector=5)
    person = a_person(service)

    statuses = [service.web.post(person.path, data={"do": "mfa", "value": "1"}).status_code for _ in range(12)]

    assert statuses == [422] * 10 + [429] * 2
    assert person.screen() == "form"


def test_guessing_links_is_limited(service: Service):
    statuses = {service.web.get(f"/act/guess-{number}").status_code for number in range(40)}

    assert statuses == {410, 429}


def test_the_page_keeps_its_address_and_itself_private(service: Service):
    connect(service, connector=5)

    response = service.web.get(a_person(service).path)

    headers = response.headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "noindex" in headers["X-Robots-Tag"]
    assert "Set-Cookie" not in headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert service.actions()[-1].item_id not in response.get_data(as_text=True)


def test_only_the_widgets_screen_allows_the_widget(service: Service):
    connect(service, "user-bad")

    policy = service.web.get(a_person(service).path).headers["Content-Security-Policy"]

    assert "script-src 'self' https://cdn.pluggy.ai/pluggy-connect/v2.9.2/pluggy-connect.js;" in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]


def test_what_the_bank_sends_is_shown_as_text(service: Service):
    connect(service, "user-account-need-actions")
    action = service.actions()[-1]
    with service.res.database.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE user_actions SET provider_message = '<script>alert(1)</script>' WHERE id = %s", (action.id,)
        )

    page = a_person(service).open()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_rotating_code_is_seen_by_looking_at_the_item(service: Service):
    connect(service, connector=19)
    person = a_person(service)
    before = person.open()
    first = service.web.get(f"{person.path}/version").get_json()["version"]
    service.res.redis.flushall()

    second = service.web.get(f"{person.path}/version").get_json()["version"]

    assert first != second
    assert re.search(r'src="(data:image/svg[^"]+)"', person.open())[1] not in before


def test_the_stream_tells_of_a_change(service: Service):
    connect(service, connector=5)
    person = a_person(service)
    marks: list[bytes] = []
    response = service.web.get(f"{person.path}/changes")
    for chunk in response.response:
        if not chunk.startswith(b"data: "):
            continue
        marks.append(chunk)
        if len(marks) == 2:
            break
        person.give("123456")
        now_and_then(service)
    response.close()

    assert response.mimetype == "text/event-stream"
    assert marks[0] != marks[1]


def test_streams_are_few_and_each_gives_its_place_back(service: Service):
    connect(service, connector=5)
    path = f"{a_person(service).path}/changes"

    for _ in range(2 * MAX_STREAMS):
        # Nothing is ever read of the answer to a HEAD.
        response = service.web.head(path)
        response.close()
        assert response.status_code == 200
    opened = [service.web.get(path) for _ in range(MAX_STREAMS + 1)]
    statuses = [response.status_code for response in opened]
    for response in opened:
        response.close()

    assert statuses == [200] * MAX_STREAMS + [503]
    last = service.web.get(path)
    last.close()
    assert last.status_code == 200


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "http://bank.example.com", "http://127.0.0.1.example.com/", "data:text/html,x", 5],
)
def test_only_a_web_address_of_the_bank_becomes_a_link(address):
    assert bank_address(SimpleNamespace(parameter={"data": address})) is None
    assert bank_address(SimpleNamespace(parameter={"data": "https://bank.example.com/a"}))


def test_the_widgets_word_starts_the_following(service: Service):
    item_id = connect(service, "user-bad")
    person = a_person(service)
    made = service.web.post(f"{person.path}/connect-token").get_json()
    assert made["itemId"] == item_id
    service.upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})

    assert service.web.post(f"{person.path}/connected").status_code == 303

    assert person.screen() == "progress"
    service.work()
    assert person.screen() == "done"


def test_a_widget_that_ends_as_badly_as_before_asks_again(service: Service):
    item_id = connect(service, "user-bad")
    person = a_person(service)
    service.upstream.update(item_id, {"user": "user-bad", "password": "still-wrong"})
    service.web.post(f"{person.path}/connected")

    service.work()

    assert person.screen() == "wait"
    assert len(service.actions()) == 2


# Whatever the bank or Pluggy sends, and whatever a person sends.


def change_action(service: Service, **columns):
    with service.res.database.begin() as conn:
        conn.execute(user_actions.update().values(**columns))


PARAMETERS = [
    [],
    "token",
    5,
    {},
    {"name": None},
    {"name": 5, "type": ["number"], "label": {"pt": "x"}, "validation": 5, "placeholder": []},
    {"name": "token", "type": "select", "options": "one"},
    {"name": "token", "type": "select", "options": {"one": 1}},
    {"name": "token", "type": "select", "options": 5},
    {"name": "token", "type": "select", "options": ["one", None, 5, [], {}, {"value": None}, {"value": {}}]},
    {"name": "token", "type": "select", "options": [{"value": 1, "label": ["x"]}, {"value": "b"}]},
    {"name": "token", "type": "image", "data": 5},
    {"name": "token", "type": "image", "data": "not base64!"},
    {"name": "token", "type": "image", "data": ["x"]},
    {"name": "token", "type": "image", "data": "data:image/png;base64,é"},
    {"name": "url", "type": "oauth", "data": "https://["},
    {"name": "url", "type": "oauth", "data": "https://a]b/"},
    {"name": "url", "type": "oauth", "data": "javascript:alert(1)"},
    {"name": "url", "type": "oauth", "data": {"url": "https://bank.example"}},
    {"name": "url", "type": "oauth", "data": ""},
    {"unreadable": True},
]
USER_ACTIONS = [
    [],
    "qr",
    5,
    {},
    {"type": ["qr"]},
    {"type": "qr"},
    {"type": "qr", "attributes": []},
    {"type": "qr", "attributes": "text"},
    {"type": "qr", "attributes": {"text": 5}},
    {"type": "qr", "attributes": {"other": None, "text": "x" * 100_000}},
    {"type": "qr", "attributes": {"text": ""}},
    {"type": "qr", "instructions": {"pt": "x"}, "attributes": {"text": "00020126é😀"}},
    {"type": "qr", "attributes": {"text": "x" * 2900}},
]


@pytest.mark.parametrize("kind", ["mfa", "authorize", "bank"])
def test_whatever_the_bank_sends_a_page_is_shown(service: Service, kind: str):
    connect(service, connector=5)
    person = a_person(service)
    for odd in ([{"parameter": each} for each in PARAMETERS], [{"user_action": each} for each in USER_ACTIONS]):
        for columns in odd:
            change_action(service, kind=kind, **{"parameter": None, "user_action": None, **columns})

            assert "<main" in person.open(), columns
            assert service.web.get(f"{person.path}/version").status_code == 200, columns


def test_a_qr_code_is_shown_as_long_as_one_can_hold_the_text(service: Service):
    connect(service, connector=5)
    person = a_person(service)

    def shows_code(text):
        change_action(service, kind="authorize", parameter=None, user_action={"type": "qr", "attributes": {"t": text}})
        return "data:image/svg" in person.open()

    assert [shows_code("x" * length) for length in (20, 2900, 3000)] == [True, True, False]


@pytest.mark.parametrize("logo", ["https://[", "//", "not an address", "https://a]b/x.png", "https://x y/"])
def test_a_logo_whose_address_does_not_parse_does_no_harm(service: Service, logo: str):
    connect(service, connector=5)
    with service.res.database.begin() as conn:
        conn.execute(connectors.update().values(image_url=logo))

    assert a_person(service).screen() == "form"


def assert_is_page(answer, status: int) -> None:
    assert answer.status_code == status
    assert answer.mimetype == "text/html"
    assert "<main" in answer.get_data(as_text=True)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_error_of_the_page_is_a_page(service: Service, monkeypatch: pytest.MonkeyPatch):
    connect(service, connector=5)
    path = a_person(service).path

    assert_is_page(service.web.get("/act/"), 404)
    assert_is_page(service.web.get(f"{path}/nothing/here"), 404)
    assert_is_page(service.web.put(path), 405)
    assert_is_page(service.web.get("/act/%00"), 410)
    assert_is_page(service.web.post(path, data={"value": "x" * 20_000}), 413)
    assert_is_page(service.web.post(path, environ_overrides={"webhook_app.refused": 408}), 408)
    monkeypatch.setattr(submissions_of_engine, "answer_mfa", fail)
    assert_is_page(service.web.post(path, data={"value": "123456"}), 500)


def test_without_postgres_the_person_sees_a_page(shared_valkey):
    settings = a_settings(DATABASE_URL="postgresql://127.0.0.1:1/none", REDIS_URL=shared_valkey.url)
    resources = create_resources(settings)
    web = create_app(settings, resources).test_client()

    assert_is_page(web.get(f"/act/{resources.links.token('act_1')}", headers=ENGLISH), 503)
    resources.close()


def fail(*_args, **_more):
    raise KeyError("name")


def test_an_old_link_leads_to_the_next_action_but_lives_no_longer_for_it(service: Service):
    item_id = connect(service, connector=5)
    person = a_person(service)
    token = person.path.removeprefix("/act/")
    change_action(service, state="expired", expires_at=service.res.now())
    with service.res.database.begin() as conn:
        first = conn.execute(user_actions.select()).one()
        later = {**first._mapping, "id": "act_next", "state": "open", "expires_at": None, "dedup_key": "next"}
        conn.execute(user_actions.insert().values({**later, "created_at": service.res.now()}))

    person.open()

    led_to = service.res.links.read(person.path.removeprefix("/act/"))
    assert led_to.action_id == "act_next"
    assert led_to.ends_at == service.res.links.read(token).ends_at
    assert item_id
