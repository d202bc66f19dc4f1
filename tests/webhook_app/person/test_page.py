"""The person's page without a browser: its links, its states, what it tells nobody."""

import dataclasses
import re
import time
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from unittest import mock

import pytest
from itsdangerous import URLSafeTimedSerializer

from pluggy_sync.engine import requests
from pluggy_sync.engine import submissions as submissions_of_engine
from pluggy_sync.page_links import PAGE_LINK_LIFE_S
from pluggy_sync.resources import create_resources
from pluggy_sync.store import user_actions as user_actions_of_store
from pluggy_sync.store.tables import connectors, submissions, user_actions
from pluggy_sync.texts import catalogue
from tests.kit.factories import a_settings
from tests.kit.proxy import running_proxy
from tests.kit.scripted_server import Reply
from tests.kit.service import Service
from tests.webhook_app.person.person import a_person, change_action, connect, now_and_then
from webhook_app.app import create_app
from webhook_app.person.progress import MAX_STREAMS
from webhook_app.person.screens import as_asked, bank_address

ENGLISH = {"Accept-Language": "en-US,en;q=0.9"}


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
        ("user-not-supported", 2, "not_possible"),
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
    assert "Este link não é mais válido" in response.get_data(as_text=True)


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


def test_a_rotating_code_is_seen_because_a_worker_fetches_the_item(service: Service):
    connect(service, connector=19)
    person = a_person(service)
    before = person.open()
    first = service.web.get(f"{person.path}/version").get_json()["version"]
    service.work()

    second = service.web.get(f"{person.path}/version").get_json()["version"]

    assert first != second
    assert re.search(r'src="(data:image/svg[^"]+)"', person.open())[1] not in before


def test_a_page_that_is_watched_asks_for_fetches_and_never_for_pluggy(service: Service):
    connect(service, connector=19)
    person = a_person(service)
    asked = len(service.upstream.sandbox.requests())

    for _ in range(3):
        assert service.web.get(f"{person.path}/version").status_code == 200

    assert len(service.upstream.sandbox.requests()) == asked
    watched = [event for event in service.events() if event.payload.get("why") == requests.WATCHED]
    assert [event.state for event in watched] == ["stored"]


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


# What the person is told, and what is offered.


def test_what_was_not_done_at_the_bank_is_said_after_the_person_said_it_was(service: Service):
    connect(service, "user-account-need-actions")
    person = a_person(service)
    assert "ainda não foi resolvido" not in person.open()

    person.start()
    service.catch_up()

    assert person.screen() == "at_bank"
    assert "O banco respondeu que isto ainda não foi resolvido" in person.open()


def test_the_same_need_of_another_day_is_not_called_a_vain_try(service: Service, clock):
    item_id = connect(service, "user-account-need-actions")
    a_person(service).start()
    service.catch_up()
    assert "ainda não foi resolvido" in a_person(service).open()

    for user in ("user-ok", "user-account-need-actions"):
        clock.advance(hours=1)
        service.upstream.update(item_id, {"user": user, "password": "password-ok"})
        service.catch_up()

    assert [action.state for action in service.actions()] == ["superseded", "resolved", "open"]
    assert "ainda não foi resolvido" not in a_person(service).open()


def test_who_did_what_took_the_requests_place_is_told_how_it_went(service: Service, clock):
    """As in the widget, where a consent that is renewed asks for an approval at the bank on the way."""
    item_id = connect(service, connector=5)
    person = a_person(service)
    clock.advance(minutes=1)
    service.upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()
    change_action(service, state="resolved", outcome="SUCCESS", settled_at=service.res.now())
    with service.res.database.begin() as conn:
        first = service.actions()[0]
        later = {**first._mapping, "id": "act_later", "dedup_key": "later", "created_at": service.res.now()}
        conn.execute(user_actions.insert().values(later))
        conn.execute(user_actions.update().where(user_actions.c.id == first.id).values(state="superseded"))

    assert person.screen() == "done"

    change_action(service, outcome="cancelled")
    with service.res.database.begin() as conn:
        assert user_actions_of_store.successor(conn, user_actions_of_store.get(conn, first.id)) is None


def test_where_nothing_can_be_done_nothing_is_offered(service: Service):
    connect(service, "user-not-supported")
    person = a_person(service)

    page = person.open()

    assert "Não é possível conectar este acesso" in page
    assert "<form" not in page
    assert 'id="connect"' not in page


@pytest.mark.parametrize(
    "user, first",
    [("user-locked", "Desbloqueie o acesso"), ("user-account-credentials-reset", "Crie a senha nova")],
)
def test_what_comes_first_at_the_bank_is_said_before_the_widget_is_offered(service: Service, user, first):
    connect(service, user)

    page = a_person(service).open()

    assert 0 < page.index(first) < page.index("Só depois, continue por aqui") < page.index('id="connect"')


@pytest.mark.parametrize(
    "value, digits",
    [("123 456", "123456"), (" 123-456\n", "123456"), ("12.34.56", "123456"), ("123\u00a0456", "123456")],
)
def test_a_code_that_was_copied_in_groups_is_taken(service: Service, value, digits):
    connect(service, connector=5)
    person = a_person(service)

    person.give(value)
    now_and_then(service)

    assert as_asked(value, {"type": "number"}) == digits
    assert person.screen() == "done"


@pytest.mark.parametrize(
    "parameter, value, given",
    [
        ({"type": "text"}, " João da Silva ", "João da Silva"),
        ({"type": "text", "validation": r"^\d{6}$"}, "123 456", "123456"),
        ({"type": "text", "validation": r"^[0-9]{4,8}$"}, "12-34", "1234"),
        ({"type": "text", "validation": r"^[a-z ]+$"}, "12 34", "12 34"),
        ({"type": "number"}, "12 34a", "12 34a"),
        ({"type": "number"}, "١٢٣", "١٢٣"),
        ({}, "", ""),
    ],
)
def test_only_digits_lose_what_groups_them(parameter, value, given):
    assert as_asked(value, parameter) == given


def test_a_code_of_digits_has_the_numeric_keyboard_and_the_focus(service: Service):
    connect(service, connector=5)
    page = a_person(service).open()

    field = re.search(r"<input id=\"value\"[^>]*>", page)[0]

    assert 'inputmode="numeric"' in field
    assert 'autocomplete="one-time-code"' in field
    assert " autofocus " in field


def test_what_becomes_of_what_is_typed_is_said_on_every_screen_that_asks(service: Service):
    for user, connector, words in (
        ("user-ok", 5, "É enviado com segurança ao banco, por meio da Pluggy, e não fica guardado aqui."),
        ("user-bad", 2, "O que você digitar nela é enviado com segurança ao banco"),
        ("user-account-need-actions", 2, "Nesta página você não digita nada"),
        ("user-ok", 19, "Nesta página você não digita nada"),
    ):
        connect(service, user, connector)
        assert words in a_person(service).open()


class TestWhenPluggyRefuses:
    @pytest.fixture
    def proxy(self, sandbox):
        with running_proxy(sandbox.url) as proxy:
            yield proxy

    @pytest.fixture
    def settings(self, settings, proxy):
        return dataclasses.replace(settings, pluggy_api_url=proxy.url)

    @pytest.fixture
    def refused(self, service: Service, proxy):
        """Return a function: what the person reads when Pluggy refuses a new start in this way."""

        def refused(status: int, **body) -> str:
            connect(service, "user-account-need-actions")
            proxy.before = lambda asked: Reply(body, status) if asked.method == "PATCH" else None
            return a_person(service).start(status=422)

        return refused

    def test_a_refusal_for_now_says_until_when(self, refused):
        again_at = {"canRetryAfterDate": "2026-12-13T02:30:00.000Z"}

        page = refused(409, codeDescription="ITEM_IN_ERROR_COOLDOWN", data=again_at)

        assert "Tente de novo em 12 de dezembro de 2026, depois das 23:30" in page
        assert "<form" in page

    def test_a_refusal_without_a_time_says_later(self, refused):
        page = refused(409, codeDescription="SOMETHING_NEW")

        assert "Não é possível atualizar esta conta agora. Tente de novo mais tarde." in page

    def test_an_item_that_failed_too_often_is_not_offered_another_try(self, refused):
        page = refused(400, codeDescription="TOO_MANY_CONSECUTIVE_ERRORS")

        assert "Esta conta falhou muitas vezes seguidas" in page
        assert "<form" not in page


def test_while_the_bank_is_offline_nothing_is_asked_and_its_return_is_said(service: Service, clock):
    connect(service, "user-account-need-actions")
    person = a_person(service)
    mark = service.web.get(f"{person.path}/version").get_json()

    bank(service, "OFFLINE")
    assert person.screen() == "away"
    assert "Seu banco está fora do ar" in person.open()
    assert service.web.get(f"{person.path}/version").get_json() != mark
    clock.advance(minutes=30)
    bank(service, "ONLINE")

    assert person.screen() == "at_bank"
    assert "Seu banco voltou a funcionar" in person.open()
    clock.advance(hours=49)
    assert "Seu banco voltou a funcionar" not in person.open()


def test_an_execution_that_waits_for_its_person_is_not_stopped_by_a_bank_that_goes_offline(service: Service):
    connect(service, connector=5)
    bank(service, "OFFLINE", connector=5)

    assert a_person(service).screen() == "form"


def test_what_waits_for_an_approval_at_the_bank_is_shown_until_it_is_given(service: Service):
    item_id = connect_open_finance(service, {"CREDIT_CARD_ACCOUNT": "PENDING_AUTHORISATION"})
    person = a_person(service)

    assert person.screen() == "approve"
    page = person.open()
    assert "Falta uma aprovação no seu banco" in page
    assert "<form" not in page

    service.upstream.approve(item_id)
    service.catch_up()

    assert person.screen() == "done"


def test_the_end_of_a_consent_is_said_with_its_day(service: Service):
    connect(service, connector=5)
    change_action(
        service,
        kind="consent",
        reason="CONSENT_EXPIRING",
        parameter=None,
        expires_at=service.res.now() + timedelta(days=9),
    )
    day = catalogue.read().pt.date(service.res.now() + timedelta(days=9))

    person = a_person(service)

    assert person.screen() == "connect"
    assert f"até {day}. Renove-a para não interromper as atualizações." in person.open()
    change_action(service, expires_at=service.res.now() - timedelta(days=1))
    assert "Sua autorização venceu" in person.open()


def test_a_start_that_leads_to_a_code_does_not_send_the_person_away(service: Service):
    connect(service, connector=5)
    change_action(service, state="submitted")
    assert "Você pode fechar esta página; a atualização continua." in a_person(service).open()

    change_action(service, parameter=None)

    assert "Fique nesta página: o banco vai pedir um código." in a_person(service).open()


def bank(service: Service, status: str, connector: int = 2) -> None:
    service.upstream.connector_health(connector, status)
    service.deliver(*service.upstream.take_events())
    service.work()


def connect_open_finance(service: Service, withheld: dict[str, str]) -> str:
    """Connect an Item by Open Finance of which the bank keeps something back, and give the consent."""
    item_id = service.upstream.connect(connector=600, parameters={"cpf": "761.092.776-73"})
    service.upstream.sandbox.control("PUT", f"/items/{item_id}/resources", withheld)
    service.upstream.approve(item_id)
    service.catch_up()
    return item_id
