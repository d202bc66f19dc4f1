"""`pluggy-sync tokens` on real Postgres: what is made opens the API, and what is revoked does not."""

import json

import pytest
from click.testing import CliRunner

from console.cli import main
from standalone.polling import eventually
from tests.kit.factories import an_environ


@pytest.fixture
def call(settings, resources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = an_environ(DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url)

    def run(*arguments, fails=False):
        result = CliRunner().invoke(main, ["tokens", *arguments], env=environ)
        assert (result.exit_code != 0) == fails, result.output
        return result.stderr if fails else result.stdout

    return run


def test_a_token_that_is_made_opens_the_api_and_is_shown_once(call, web):
    text = call("create", "the wallet", "--scope", "read").strip()

    answer = web.get("/v1/items", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200
    (shown,) = json.loads(call("list", "--json"))
    assert (shown["name"], shown["scope"], shown["revokedAt"]) == ("the wallet", "read", None)
    assert shown["lastUsedAt"] is not None
    listed = call("list")
    assert "the wallet" in listed
    assert "1 more in API_TOKENS" in listed
    assert text not in listed + json.dumps(shown)


def test_a_revoked_token_is_refused_and_stays_in_the_list(call, web):
    made = json.loads(call("create", "leaked", "--scope", "admin", "--json"))
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert web.get("/v1/endpoints", headers=headers).status_code == 200

    assert json.loads(call("revoke", "leaked", "--json"))["id"] == made["id"]

    eventually(lambda: web.get("/v1/endpoints", headers=headers).status_code == 401, what="refused")
    (shown,) = json.loads(call("list", "--json"))
    assert shown["revokedAt"] is not None


def test_what_cannot_be_is_said_and_changes_nothing(call):
    call("create", "one", "--scope", "act")

    assert "There is a token 'one'" in call("create", "one", "--scope", "read", fails=True)
    assert "no valid token 'other'" in call("revoke", "other", fails=True)
    assert "Invalid value" in call("create", "two", "--scope", "all", fails=True)
    assert "without spaces at its ends" in call("create", " two", "--scope", "read", fails=True)
    assert "--scope" in call("create", "two", fails=True)
    assert [each["name"] for each in json.loads(call("list", "--json"))] == ["one"]
