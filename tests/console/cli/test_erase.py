"""`pluggy-sync erase`: it counts, asks, and says what came of it."""

import json
import threading

import pytest
from click.testing import CliRunner

from console.cli import main
from pluggy_sync.engine import erasure
from pluggy_sync.store import erased, erasures
from standalone.polling import eventually
from tests.kit.factories import an_environ
from tests.kit.workers import run_queued

PERSON = "user-42"


@pytest.fixture
def call(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = service.res.settings
    environ = an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
    )

    def run(*arguments, command="erase", exit_code=0, answer=None):
        result = CliRunner().invoke(main, [command, *arguments], env=environ, input=answer)
        assert result.exit_code == exit_code, result.output
        return result

    return run


@pytest.fixture
def item_id(service, upstream):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS"])
    upstream.connect(clientUserId="somebody-else", products=["ACCOUNTS"])
    service.catch_up()
    return item_id


def newest(res):
    with res.database.begin() as conn:
        return next(iter(erasures.newest(conn, limit=1)), None)


def test_it_counts_first_and_without_consent_nothing_happens(call, item_id, service):
    result = call(PERSON, answer="n\n", exit_code=1)

    assert "1 Items, and these rows:" in result.stderr
    assert f"{len(service.transaction_ids())} transactions" in result.stderr
    assert newest(service.res) is None


def test_it_waits_until_workers_have_done_it_and_prints_the_receipt(call, item_id, service):
    workers = threading.Thread(
        target=lambda: (eventually(lambda: newest(service.res), what="requested"), run_queued(service.res))
    )
    workers.start()
    shown = json.loads(call(PERSON, "--yes", "--json").stdout)
    workers.join()

    assert (shown["state"], shown["waitsFor"]) == ("done", None)
    assert shown["removed"]["items"] == 1
    assert shown["signedReceipt"].count(".") == 2


def test_what_is_not_done_in_time_is_said_and_ends_with_3(call, item_id, service):
    result = call(PERSON, "--yes", "--wait", "0", exit_code=3)

    assert "not done; goes on" in result.stdout
    assert json.loads(call("--list", "--json").stdout)[0]["state"] == "running"
    assert newest(service.res).id in call("--list").stdout


def test_whose_erasure_is_done_may_be_let_in_again_and_nobody_else(call, item_id, service):
    assert "was not erased" in call(PERSON, "--allow-return", exit_code=1).output
    erasure.request(service.res, PERSON)
    assert "still runs" in call(PERSON, "--allow-return", exit_code=1).output
    run_queued(service.res)

    call(PERSON, "--allow-return")

    with service.res.database.begin() as conn:
        assert erased.erasure_of_user(conn, PERSON) is None
        assert erased.is_item(conn, item_id)


def test_an_erased_person_is_not_imported(call, item_id, service, upstream, tmp_path):
    erasure.request(service.res, PERSON)
    run_queued(service.res)
    new = upstream.connect(products=["ACCOUNTS"])
    (tmp_path / "items.csv").write_text(f"{new},{PERSON}\n{item_id}\n")

    result = call("items.csv", command="import", exit_code=1)

    assert "its person was erased" in result.output
    with service.res.database.begin() as conn:
        assert erasures.items_known_of(conn, PERSON) == []
        assert erasures.count_rows(conn, [new, item_id]) == {}


def test_a_user_has_to_be_named(call):
    assert "Name a USER" in call(exit_code=2).output
