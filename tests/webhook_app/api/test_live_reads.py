"""What is read from Pluggy on request: passed on as it came, never stored, and refused in words."""

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.store.tables import accounts, metadata
from tests.kit.factories import API_TOKEN, an_id
from tests.kit.interception import changed, refused

CPF = {"cpf": "761.092.776-73"}


@pytest.fixture
def item_id(service):
    item_id = service.upstream.connect("none", connector=600, parameters=CPF)
    service.upstream.approve(item_id)
    service.catch_up()
    return item_id


def call(service, path):
    answer = service.web.get(f"/v1{path}", headers={"Authorization": f"Bearer {API_TOKEN}"})
    return answer.status_code, wire.decode(answer.get_data())


def an_account(service, item_id):
    return service.rows(accounts, accounts.c.item_id == item_id, accounts.c.type == "BANK")[0].id


def number_of_rows(service):
    with service.res.database.begin() as conn:
        return {
            table.name: conn.scalar(sa.select(sa.func.count()).select_from(table)) for table in metadata.tables.values()
        }


def test_each_is_what_pluggy_gives_and_nothing_of_it_is_stored(service, item_id):
    account_id = an_account(service, item_id)
    before = number_of_rows(service)

    status, registry = call(service, f"/items/{item_id}/scr?from=202601&to=202602")
    assert (status, registry["registry"]["dtbConsult"]) == (200, "202601,202602")
    status, statements = call(service, f"/accounts/{account_id}/statements")
    assert (status, len(statements["results"])) == (200, 3)
    assert set(statements["results"][0]) == {"id", "monthYear", "url"}
    status, balance = call(service, f"/accounts/{account_id}/balance")
    assert (status, balance["currencyCode"]) == (200, "BRL")
    truth = {each["id"]: each["balance"] for each in service.upstream.truth(item_id)["accounts"]}
    assert balance["balance"] == truth[account_id]

    assert number_of_rows(service) == before


def test_what_a_direct_connector_does_not_give_is_refused_in_words(service):
    item_id = service.upstream.connect("user-ok")
    service.catch_up()

    status, problem = call(service, f"/accounts/{an_account(service, item_id)}/balance")
    assert (status, problem["code"], problem["pluggyCode"]) == (409, "not-given", "BALANCE_CONSENT_ERROR")
    status, problem = call(service, f"/items/{item_id}/scr")
    assert (status, problem["code"]) == (409, "not-given")


@pytest.mark.parametrize("path", ["/items/{}/scr", "/accounts/{}/balance", "/accounts/{}/statements"])
def test_nothing_is_asked_of_pluggy_about_what_is_not_known_here(service, path):
    status, _ = call(service, path.format(an_id()))

    assert status == 404
    assert service.upstream.take_requests() == []


def test_a_month_that_is_none_is_refused_before_pluggy_is_asked(service, item_id):
    service.upstream.take_requests()

    status, problem = call(service, f"/items/{item_id}/scr?from=january")

    assert (status, problem["code"]) == (400, "invalid-request")
    assert service.upstream.take_requests() == []


def test_a_pluggy_in_trouble_is_told_apart_from_a_refusal(service, item_id):
    account_id = an_account(service, item_id)

    with changed(service.res, "/accounts/[^/]+/balance", refused(503)):
        status, problem = call(service, f"/accounts/{account_id}/balance")
    assert (status, problem["code"]) == (503, "pluggy-unavailable")
    with changed(service.res, "/accounts/[^/]+/balance", refused(404)):
        status, problem = call(service, f"/accounts/{account_id}/balance")
    assert (status, problem["code"]) == (404, "account-not-found")
