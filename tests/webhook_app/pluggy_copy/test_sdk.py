"""The official Python package and its models read through `/pluggy` what they read from Pluggy itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pluggy_sdk
import pytest
from pluggy_sdk import api as apis
from pluggy_sdk import exceptions, models

from pluggy_sync.engine.sync.data_products import sync_categories
from tests.kit.factories import API_TOKEN, an_id
from tests.kit.service import Service
from tests.webhook_app.pluggy_copy.conftest import CLIENT_ID

Sdk = pluggy_sdk.ApiClient
Both = tuple[Sdk, Sdk]

OPEN_FINANCE = "761.092.776-73"

# Of each Item: its user, its bank, and what happens there, twice.
LIVES: list[tuple[str, int, list[str]]] = [
    ("user-ok", 2, ["add", "edit", "remove", "backdate"]),
    ("user-ok-two-checking-accounts", 2, ["add", "remove", "remove", "pending"]),
    ("user-ok-account-warning", 8, ["pending", "add", "edit"]),
    ("user-ok-account-error", 2, ["add"]),
    ("user-ok", 16, ["add", "edit", "edit"]),
    (OPEN_FINANCE, 600, ["add", "pending", "remove"]),
]


def everything(sdk: Sdk, item_id: str) -> dict[str, Any]:
    """Read all that there is of an Item, each object by its list and by its id."""
    item = UUID(item_id)
    read: dict[str, Any] = {"item": apis.ItemsApi(sdk).items_retrieve(item_id).to_dict()}
    accounts, investments, loans = apis.AccountApi(sdk), apis.InvestmentApi(sdk), apis.LoanApi(sdk)
    consents, bills = apis.ConsentApi(sdk), apis.BillApi(sdk)
    held = by_id(accounts.accounts_list(item).results, accounts.accounts_retrieve)
    for account_id in held:
        read[f"transactions of {account_id}"] = all_transactions(sdk, account_id)
        if held[account_id]["type"] == "CREDIT":
            listed = bills.bills_list(UUID(account_id)).results or []
            read[f"bills of {account_id}"] = [bill.to_dict() for bill in listed]
            by_id(listed, lambda id_: bills.bills_retrieve(UUID(id_)))
    owned = by_id(investments.investments_list(item).results, lambda id_: investments.investments_retrieve(UUID(id_)))
    for investment_id in owned:
        moved = investments.investment_transactions_list(UUID(investment_id)).results
        read[f"movements of {investment_id}"] = by_id(moved)
    person = apis.IdentityApi(sdk).identity_find_by_item(item)
    assert apis.IdentityApi(sdk).identity_retrieve(UUID(person.id)) == person
    return {
        **read,
        "accounts": held,
        "investments": owned,
        "identity": person.to_dict(),
        "loans": by_id(loans.loans_list(item).results, lambda id_: loans.loans_retrieve(UUID(id_))),
        "consents": by_id(consents.consents_list(item).results, lambda id_: consents.consent_retrieve(UUID(id_))),
    }


def by_id(found: Any, one: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Return the rows of a list by their ids; each equals what *one* returns."""
    rows = {row.id: row.to_dict() for row in found or []}
    assert len(rows) == len(found or [])
    if one is not None:
        assert {row_id: one(row_id).to_dict() for row_id in rows} == rows
    return rows


def all_transactions(sdk: Sdk, account_id: str, **filters: Any) -> dict[str, Any]:
    """Read all pages, newest first. Rows of one instant have no order of their own: they are returned by id."""
    api = apis.TransactionApi(sdk)
    after, rows = None, []
    while True:
        page = api.transactions_list_by_cursor(UUID(account_id), after=after, **filters)
        rows += page.results
        if page.next is None:
            break
        after = parse_qs(page.next.removeprefix("?"))["after"][0]
    dates = [row.var_date for row in rows]
    assert dates == sorted(dates, reverse=True)
    return by_id(rows)


def connected(service: Service, user: str, bank: int) -> str:
    """Return an Item; one of Open Finance is known by a CPF and approved at the bank."""
    if user != OPEN_FINANCE:
        return service.upstream.connect(user, connector=bank, products=None)
    item_id = service.upstream.connect(connector=bank, parameters={"cpf": user}, products=None)
    service.upstream.approve(item_id)
    return item_id


@pytest.fixture
def lives(service: Service) -> list[str]:
    """Items of many kinds whose banks have changed much since they were connected; all was synced."""
    upstream = service.upstream
    ids = [connected(service, user, bank) for user, bank, _ in LIVES]
    service.catch_up()
    for _ in range(2):
        upstream.later(days=4)
        for item_id, (_, _, changes) in zip(ids, LIVES, strict=True):
            upstream.evolve(item_id, *changes)
            upstream.run(item_id)
        service.catch_up()
    return ids


def test_the_package_reads_of_many_evolved_items_what_it_reads_from_pluggy(lives: list[str], sdks: Both) -> None:
    copy, pluggy = sdks

    for item_id in lives:
        read, expected = everything(copy, item_id), everything(pluggy, item_id)

        assert read.keys() == expected.keys()
        for part in expected:
            assert read[part] == expected[part], part
    # The last is of Open Finance: it has a consent.
    assert expected["consents"]


def test_what_the_bank_removed_is_absent(service: Service, sdks: Both) -> None:
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    removed = service.upstream.evolve(item_id, "remove", "remove")["removed"]
    service.upstream.run(item_id)
    service.catch_up()
    account_ids = everything(sdks[0], item_id)["accounts"]

    left = {row_id for account_id in account_ids for row_id in all_transactions(sdks[0], account_id)}

    assert len(removed) == 2
    assert not left & set(removed)
    for each in removed:
        with pytest.raises(exceptions.NotFoundException):
            apis.TransactionApi(sdks[0]).transactions_retrieve(UUID(each))


def test_many_pages_and_every_filter_give_the_same_rows(service: Service, sdks: Both) -> None:
    item_id = service.upstream.connect("user-ok-perf-40x")
    service.catch_up()
    copy, pluggy = sdks
    account_id = apis.AccountApi(pluggy).accounts_list(UUID(item_id)).results[0].id
    whole = all_transactions(pluggy, account_id)
    ingested = sorted(row["createdAt"] for row in whole.values())
    days = sorted(row["date"] for row in whole.values())
    middle = days[len(days) // 2]
    asked: list[dict[str, Any]] = [
        {},
        {"date_from": middle},
        {"date_to": middle},
        {"date_from": middle - timedelta(days=3), "date_to": middle},
        {"created_at_from": ingested[len(ingested) // 2]},
        {"ids": [UUID(each) for each in [*whole][:7]] + [UUID(an_id())]},
    ]

    for filters in asked:
        read, expected = all_transactions(copy, account_id, **filters), all_transactions(pluggy, account_id, **filters)
        assert read == expected, filters
    assert len(whole) > 500
    assert 0 < len(all_transactions(copy, account_id, **asked[3])) < len(whole)


def test_lists_have_the_same_pages_and_filters(service: Service, sdks: Both) -> None:
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    first = apis.AccountApi(sdks[1]).accounts_list(UUID(item_id)).results
    card = next(UUID(each.id) for each in first if each.type == "CREDIT")
    kind = apis.InvestmentApi(sdks[1]).investments_list(UUID(item_id)).results[0].type

    def read(sdk: Sdk) -> Any:
        investments = apis.InvestmentApi(sdk)
        pages = [investments.investments_list(UUID(item_id), page_size=2, page=number) for number in (1, 2, 3, 9)]
        return {
            "sizes": [(each.page, each.total, each.total_pages, len(each.results)) for each in pages],
            "rows": sorted(row.id for each in pages for row in each.results),
            "of a kind": by_id(investments.investments_list(UUID(item_id), type=kind).results),
            "cards": by_id(apis.AccountApi(sdk).accounts_list(UUID(item_id), type="CREDIT").results),
            "bills": [row.to_dict() for row in apis.BillApi(sdk).bills_list(card, page_size=2, page=2).results],
        }

    copy, pluggy = (read(sdk) for sdk in sdks)

    assert copy == pluggy
    assert copy["sizes"][0][1] > 2


def test_categories_are_the_same(service: Service, sdks: Both) -> None:
    sync_categories(service.res)

    def read(sdk: Sdk) -> Any:
        categories = apis.CategoryApi(sdk)
        return by_id(categories.categories_list().results), by_id(
            categories.categories_list(parent_id="01000000").results, categories.categories_retrieve
        )

    copy, pluggy = (read(sdk) for sdk in sdks)

    assert copy == pluggy
    assert len(copy[0]) > len(copy[1]) > 0


def test_items_are_listed_newest_first_and_by_filter(service: Service, sdks: Both) -> None:
    service.upstream.settings(listItemsEnabled=True)
    mine = [service.upstream.connect(), service.upstream.connect(connector=8)]
    other = service.upstream.connect(clientUserId="user-43")
    service.catch_up()

    def read(sdk: Sdk) -> Any:
        items = apis.ItemsApi(sdk)
        return [
            [each.to_dict() for each in items.items_list_by_cursor(**filters).results]
            for filters in ({}, {"client_user_id": "user-42"}, {"connector_id": 8})
        ]

    copy, pluggy = (read(sdk) for sdk in sdks)

    assert copy == pluggy
    assert [[each["id"] for each in part] for part in copy] == [[other, *reversed(mine)], [*reversed(mine)], [mine[1]]]


def test_the_package_signs_in_with_a_token_in_place_of_the_secret(served: str, sdks: Both) -> None:
    signing_in = apis.AuthApi(sdks[0])

    key = signing_in.auth_create(models.AuthRequest(clientId=UUID(CLIENT_ID), clientSecret=API_TOKEN)).api_key

    assert key.count(".") == 2
    sdks[0].configuration.api_key = {"default": key}
    assert apis.CategoryApi(sdks[0]).categories_list().results == []


def outcome(ask: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """Return the status with which *ask* is refused, and the error as the package reads it."""
    try:
        got = ask()
    except exceptions.ApiException as exc:
        error: Any = exc
        return error.status, models.GlobalErrorResponse.from_json(error.body).to_dict()
    return 200, {"got": got}


@pytest.mark.filterwarnings("ignore:GET /transactions is deprecated")
def test_refusals_are_the_same(service: Service, sdks: Both) -> None:
    item_id = service.upstream.connect()
    service.catch_up()
    account_id = UUID(apis.AccountApi(sdks[1]).accounts_list(UUID(item_id)).results[0].id)
    unknown = UUID("00000000-0000-4000-8000-00000000dead")

    def refusals(sdk: Sdk) -> list[tuple[int, dict[str, Any]]]:
        transactions = apis.TransactionApi(sdk)
        return [
            outcome(ask)
            for ask in (
                lambda: apis.ItemsApi(sdk).items_retrieve(str(unknown)),
                lambda: apis.AccountApi(sdk).accounts_list(unknown),
                lambda: apis.AccountApi(sdk).accounts_list(UUID(item_id), type="LOAN"),
                lambda: apis.AccountApi(sdk).accounts_retrieve(str(unknown)),
                lambda: apis.BillApi(sdk).bills_list(unknown),
                lambda: apis.InvestmentApi(sdk).investments_list(unknown),
                lambda: apis.InvestmentApi(sdk).investment_transactions_list(unknown),
                lambda: apis.IdentityApi(sdk).identity_find_by_item(unknown),
                lambda: apis.LoanApi(sdk).loans_retrieve(unknown),
                lambda: apis.ConsentApi(sdk).consent_retrieve(unknown),
                lambda: apis.CategoryApi(sdk).categories_retrieve("77777777"),
                lambda: transactions.transactions_retrieve(unknown),
                lambda: transactions.transactions_list_by_cursor(unknown),
                lambda: transactions.transactions_list_by_cursor(account_id, after="nonsense"),
                lambda: transactions.transactions_list_by_cursor(account_id, ids=[unknown] * 501),
                lambda: transactions.transactions_list(account_id),
                lambda: apis.AuthApi(sdk).auth_create(models.AuthRequest(clientId=unknown, clientSecret="wrong")),
            )
        ]

    copy, pluggy = (refusals(sdk) for sdk in sdks)

    assert copy == pluggy
    assert {status for status, _ in copy} == {400, 401, 404, 410}


def test_the_package_passes_on_what_is_meant_for_pluggy(service: Service, sdks: Both) -> None:
    copy, _ = sdks
    items = apis.ItemsApi(copy)
    item_id = service.upstream.connect(connector=5)
    service.catch_up()

    options = models.ConnectTokenRequest(itemId=UUID(item_id), options=models.ItemOptions(clientUserId="user-42"))
    token = apis.AuthApi(copy).connect_token_create(options).access_token
    answered = items.items_send_mfa(item_id, {"token": "123456"})
    service.catch_up()
    updated = items.items_update(item_id, models.UpdateItem())

    assert token.count(".") == 2
    assert (answered.id, answered.status) == (item_id, "UPDATING")
    assert (updated.id, updated.status) == (item_id, "UPDATING")
