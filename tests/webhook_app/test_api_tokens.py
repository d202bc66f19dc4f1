"""The tokens in memory: a request costs no query, and a revoked token opens nothing after seconds, in any process."""

from contextlib import closing
from datetime import timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.resources import create_resources
from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store import api_tokens as store
from standalone.polling import eventually
from tests.kit import asgi_client
from tests.kit.factories import API_TOKEN, NOON, a_settings, an_id
from tests.kit.statements import counting
from webhook_app import api_tokens
from webhook_app.api_tokens import ApiTokens, CannotTellError
from webhook_app.front.app import Front


@pytest.fixture
def settings(database_url, valkey):
    return a_settings(DATABASE_URL=database_url, REDIS_URL=valkey.url)


@pytest.fixture
def make(database):
    def make(name, scope):
        with database.begin() as conn:
            return store.create(conn, name, Scope(scope), now=NOON)

    return make


def bearer(text):
    return f"Bearer {text}"


def test_a_token_opens_what_its_scope_says_and_one_of_the_settings_all(database, settings, make):
    tokens = ApiTokens(settings, database)
    made, text = make("reads", "read")

    assert tokens.find(bearer(text)).scope == Scope.READ
    assert tokens.find(bearer(text)).token.id == made.id
    assert tokens.find(bearer(API_TOKEN)) == api_tokens.Opened(scope=Scope.ADMIN, token=None)
    assert tokens.find(bearer(text + "x")) is None
    assert tokens.find("") is None


def test_many_requests_cost_few_queries_whether_their_token_is_known_or_not(database, settings, make, monkeypatch):
    monkeypatch.setattr(api_tokens, "READ_EVERY_S", 600.0)
    monkeypatch.setattr(api_tokens, "READ_FOR_STRANGERS_EVERY_S", 600.0)
    _, text = make("acts", "act")
    tokens = ApiTokens(settings, database)

    with counting(database) as counted:
        found = [tokens.find(bearer(each)) for each in [text, "stranger", text, "another"] * 50]

    assert [each is not None for each in found] == [True, False, True, False] * 50
    assert len([each for each in counted.statements if "api_tokens" in each]) == 1


def test_a_token_that_is_made_while_the_process_runs_is_valid_at_once(database, settings, make, monkeypatch):
    monkeypatch.setattr(api_tokens, "READ_FOR_STRANGERS_EVERY_S", 0.0)
    tokens = ApiTokens(settings, database)
    assert tokens.find(bearer("nobody's")) is None

    _, text = make("new", "read")

    assert tokens.find(bearer(text)) is not None


@pytest.mark.slow
def test_a_revoked_token_opens_nothing_after_seconds_in_each_process(database, settings, make):
    _, text = make("leaked", "admin")
    processes = [ApiTokens(settings, database) for _ in range(2)]
    assert all(each.find(bearer(text)) for each in processes)

    with database.begin() as conn:
        store.revoke(conn, "leaked", now=NOON)

    assert api_tokens.READ_EVERY_S <= 5
    for each in processes:
        eventually(lambda each=each: each.find(bearer(text)) is None, what="refused")
        assert each.known(store.digest_of(text)) is None


def test_while_postgres_is_away_tokens_of_the_settings_are_known_and_of_others_nobody_can_tell():
    with closing(create_resources(a_settings())) as nowhere:
        tokens = ApiTokens(nowhere.settings, nowhere.database)

        assert tokens.find(bearer(API_TOKEN)) is not None
        with pytest.raises(CannotTellError):
            tokens.find(bearer("another"))


def test_what_was_read_before_postgres_went_away_counts_for_seconds_and_no_longer(
    database, settings, make, monkeypatch
):
    monkeypatch.setattr(api_tokens, "READ_EVERY_S", 0.0)
    monkeypatch.setattr(api_tokens, "READ_FOR_STRANGERS_EVERY_S", 0.0)
    _, text = make("acts", "act")
    tokens = ApiTokens(settings, database)
    assert tokens.find(bearer(text)) is not None
    with closing(create_resources(a_settings())) as nowhere:
        tokens._database = nowhere.database

        assert tokens.find(bearer(text)) is not None
        monkeypatch.setattr(api_tokens, "BELIEVED_FOR_S", 0.0)
        with pytest.raises(CannotTellError):
            tokens.find(bearer(text))


def test_the_last_use_is_noted_rarely_and_by_one_statement(database, settings, make):
    _, text = make("acts", "act")
    tokens = ApiTokens(settings, database)

    def last_used():
        with database.begin() as conn:
            return store.valid(conn)[0].last_used_at

    with counting(database) as counted:
        for seconds in range(0, 299, 13):
            tokens.note_use(tokens.find(bearer(text)), now=NOON + timedelta(seconds=seconds))
    assert last_used() == NOON
    assert len([each for each in counted.statements if each.startswith("UPDATE api_tokens")]) == 1

    tokens.note_use(tokens.find(bearer(text)), now=NOON + timedelta(minutes=6))
    assert last_used() == NOON + timedelta(minutes=6)


def test_a_use_that_cannot_be_noted_refuses_nothing(database, settings, make, caplog):
    _, text = make("acts", "act")
    tokens = ApiTokens(settings, database)
    opened = tokens.find(bearer(text))
    with closing(create_resources(a_settings())) as nowhere:
        tokens._database = nowhere.database

        tokens.note_use(opened, now=NOON)

    assert "api_token.use_not_noted" in caplog.text
    assert text not in caplog.text


def test_the_front_reads_a_body_for_a_token_that_was_made_just_now_and_for_no_stranger(web, settings, make):
    front = Front(web.application, settings, None, api_tokens.of_app(web.application))
    body = wire.encode({"itemId": an_id()})

    def register(text):
        headers = {"Authorization": bearer(text), "Content-Type": "application/json"}
        return asgi_client.post(front, "/v1/items", body, headers).status_code

    assert register("stranger") == 401
    _, text = make("acts", "act")
    eventually(lambda: register(text) == 202, what="its body was read")
    # In memory now.
    assert register(text) == 202
    _, reads = make("reads", "read")
    eventually(lambda: register(reads) == 403, what="refused")
