"""`pluggy-sync links`, on real Postgres, with a person who connected the same bank twice."""

import json

import pytest
from click.testing import CliRunner

from console.cli import main
from tests.kit.factories import an_environ, an_id
from tests.kit.pluggy import FEW_PRODUCTS


@pytest.fixture
def call(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = service.res.settings
    environ = an_environ(
        DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url, PLUGGY_API_URL=settings.pluggy_api_url
    )

    def run(*arguments, fails=False):
        result = CliRunner().invoke(main, ["links", *arguments], env=environ)
        assert (result.exit_code != 0) == fails, result.output
        return result.output

    return run


@pytest.fixture
def two_items(service):
    more = {"parameters": {"cpf": "761.092.776-73"}, "products": [*FEW_PRODUCTS, "IDENTITY"]}
    old = service.upstream.connect("user-ok", connector=201, **more)
    service.upstream.later(days=1)
    new = service.upstream.connect("none", connector=601, **more)
    service.upstream.approve(new)
    service.catch_up()
    return old, new


def test_a_link_is_listed_shown_undone_previewed_and_confirmed(call, service, two_items):
    old, new = two_items
    (listed,) = json.loads(call("list", "--json"))
    assert (listed["old"], listed["new"], listed["state"], listed["by"]) == (old, new, "linked", "rule")
    assert json.loads(call("show", new.upper(), "--json")) == [listed]

    call("undo", old, new)
    assert json.loads(call("list", "--state", "undone", "--json"))[0]["by"] == "operator"
    assert service.item(old).replaced_by is None

    preview = json.loads(call("preview", old, new, "--json"))
    assert preview["verdict"] == "link"
    assert len(preview["accounts"]) == 2
    assert preview["rowsInBoth"] > 0
    assert f"score {preview['score']}" in call("preview", old, new)
    assert service.item(old).replaced_by is None

    call("confirm", old, new, "--yes")
    assert service.item(old).replaced_by == new
    assert old in call("list", "--state", "linked")


def test_what_cannot_be_linked_is_refused_with_its_reason(call, two_items):
    old, new = two_items

    assert "replaced already" in call("confirm", old, new, "--yes", fails=True)
    assert "not known here" in call("confirm", an_id(), new, "--yes", fails=True)
    assert "not known here" in call("preview", an_id(), new, fails=True)
    assert "no such link" in call("undo", new, old, fails=True)
