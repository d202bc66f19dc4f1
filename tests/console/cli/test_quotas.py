"""`pluggy-sync quotas`, on real Postgres."""

import json

import pytest
from click.testing import CliRunner

from console.cli import main
from pluggy_sync.store.quotas import there_again_on
from tests.kit.factories import an_environ
from tests.kit.interception import changed, edited


@pytest.fixture
def call(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = an_environ(DATABASE_URL=service.res.settings.database_url)

    def run(*arguments):
        result = CliRunner().invoke(main, ["quotas", *arguments], env=environ)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def used_up(item):
    item["statusDetail"] = {"loans": {"isUpdated": False, "lastUpdatedAt": None, "warnings": [{"code": "423"}]}}


def test_whose_requests_are_used_up_is_listed_with_the_day_on_which_they_are_there_again(call, service):
    assert json.loads(call("--json"))["results"] == []
    with changed(service.res, "/items/[^/]+", edited(used_up)):
        item_id = service.upstream.connect("user-ok", products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
        service.catch_up()

    (shown,) = json.loads(call("--json"))["results"]
    assert (shown["itemId"], shown["clientUserId"], shown["products"]) == (item_id, "user-42", ["loans"])
    assert shown["itemsAtBank"] == 1
    table = call()
    assert item_id in table
    assert there_again_on(service.res.now()).isoformat() in table
