"""Objects as Pluggy sends them: what is absent is null, what is new is kept, what is not needed may be odd."""

import dataclasses
from datetime import date
from decimal import Decimal

import pytest

from pluggy_sync import wire
from pluggy_sync.pluggy import payloads
from tests.kit.factories import a_raw_account, a_raw_connector, a_raw_item, a_raw_transaction, an_item


def without(raw, *names):
    return {name: value for name, value in raw.items() if name not in names}


def test_what_is_absent_is_the_same_as_null():
    raw = a_raw_item(nextAutoSyncAt=None, error=None)
    missing = payloads.item(without(raw, "nextAutoSyncAt", "error", "parameter", "userAction", "statusDetail"))

    assert missing.next_auto_sync_at is None
    assert missing.error is None
    assert missing.products == {}


def test_keys_and_values_that_are_new_are_kept_as_they_came():
    raw = a_raw_item(status="A_NEW_STATUS", executionStatus="A_NEW_CODE", aNewKey={"deep": [1]})

    item = payloads.item(raw)

    assert (item.status, item.execution_status) == ("A_NEW_STATUS", "A_NEW_CODE")
    assert item.raw == raw


@pytest.mark.parametrize("spelling", ["investmentTransactions", "investmentsTransactions"])
def test_both_spellings_of_a_product_are_one_product(spelling):
    detail = {spelling: {"isUpdated": True, "lastUpdatedAt": None, "warnings": []}}

    assert an_item(statusDetail=detail).products["investmentsTransactions"].is_updated


def test_a_product_that_was_not_asked_for_has_no_detail():
    assert an_item(statusDetail={"loans": None}).products == {}


def test_without_detail_a_product_is_as_fresh_as_the_item():
    item = an_item()

    assert item.collected_at("transactions") == item.last_updated_at


def test_with_detail_a_product_is_as_fresh_as_its_own_last_collection():
    detail = {"transactions": {"isUpdated": False, "lastUpdatedAt": "2026-03-01T00:00:00.000Z", "warnings": []}}
    never = {"transactions": {"isUpdated": False, "lastUpdatedAt": None, "warnings": []}}

    collected = an_item(statusDetail=detail).collected_at("transactions")
    assert collected is not None
    assert collected.day == 1
    assert an_item(statusDetail=never).collected_at("transactions") is None


def test_the_connector_says_whether_a_run_needs_a_code():
    def needs_code(**changes):
        return an_item(connector=a_raw_connector(**changes)).connector.needs_mfa_each_run

    assert not needs_code()
    assert needs_code(hasMFA=True)
    assert needs_code(credentials=[{"name": "user"}, {"name": "token", "mfa": True}])


@pytest.mark.parametrize(
    "date_text, day",
    [
        ("2026-03-09T03:00:00.000Z", date(2026, 3, 9)),  # midnight in São Paulo
        ("2026-03-09T00:00:00-03:00", date(2026, 3, 9)),
        ("2026-03-09T02:59:59.000Z", date(2026, 3, 8)),
        ("2026-03-09T15:30:00.000Z", date(2026, 3, 9)),
        # A day, and not the evening before.
        ("2026-03-09T00:00:00.000Z", date(2026, 3, 9)),
        ("2026-03-09T00:00:00+00:00", date(2026, 3, 9)),
        ("2026-03-09", date(2026, 3, 9)),
        # A time, though near midnight UTC.
        ("2026-03-09T00:00:00.001Z", date(2026, 3, 8)),
        ("2026-03-08T23:59:59.999Z", date(2026, 3, 8)),
        # While São Paulo had summer time, midnight there was 02:00Z.
        ("2018-12-09T02:00:00.000Z", date(2018, 12, 9)),
        ("2018-12-09T01:59:59.000Z", date(2018, 12, 8)),
    ],
)
def test_the_day_of_a_transaction_is_the_day_that_the_bank_means(date_text, day):
    row = payloads.transaction(a_raw_transaction(date=date_text))

    assert row.day == day
    assert row.date == wire.instant(date_text)
    assert row.raw["date"] == date_text


def test_a_transaction_without_a_status_is_posted():
    assert payloads.transaction(a_raw_transaction(status=None)).status == "POSTED"
    assert payloads.transaction(without(a_raw_transaction(), "status")).status == "POSTED"


def test_an_amount_keeps_its_four_decimals():
    row = payloads.transaction(a_raw_transaction(amount=Decimal("-12.3456")))

    assert str(row.amount) == "-12.3456"


NO_DATES = [None, "", "0001-01", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59-03:00", 5, ["2026-03-09"], True]


@pytest.mark.parametrize("value", NO_DATES, ids=repr)
def test_a_transaction_needs_a_date_that_exists(value):
    with pytest.raises(payloads.UnreadableError, match=r"^transaction: date$"):
        payloads.transaction(a_raw_transaction(date=value))


@pytest.mark.parametrize(
    "parse, raw, needed",
    [
        (payloads.item, a_raw_item(), ["id", "status"]),
        (payloads.account, a_raw_account(), ["id"]),
        (payloads.transaction, a_raw_transaction(), ["id", "accountId", "date"]),
    ],
    ids=["item", "account", "transaction"],
)
def test_an_object_that_lacks_what_is_needed_is_refused_by_the_name_of_the_field_alone(parse, raw, needed):
    secret = "Farmácia Secreta " * 20
    for name in needed:
        for odd in (None, 5, secret, [secret], {"x": secret}, ""):
            with pytest.raises(payloads.UnreadableError) as caught:
                parse({**raw, "description": secret, name: odd})
            assert str(caught.value).endswith(f": {name}")
        with pytest.raises(payloads.UnreadableError):
            parse(without(raw, name))
    for whole in (None, [], secret, 5, True):
        with pytest.raises(payloads.UnreadableError, match="not an object"):
            parse(whole)


ODD = [None, 5, Decimal("1e39"), "x\N{REPLACEMENT CHARACTER}", "y" * 100_000, True, [], [None, 5], {}, {"z": {"z": 1}}]


@pytest.mark.parametrize(
    "parse, raw, needed",
    [
        (payloads.item, a_raw_item(statusDetail={"loans": {"isUpdated": True}}), {"id", "status"}),
        (payloads.account, a_raw_account(), {"id"}),
        (payloads.transaction, a_raw_transaction(), {"id", "accountId", "date"}),
    ],
    ids=["item", "account", "transaction"],
)
def test_an_odd_field_that_is_not_needed_changes_no_other_field(parse, raw, needed):
    whole = parse(raw)
    for name in raw.keys() - needed:
        for odd in ODD:
            changed = {**raw, name: odd}
            parsed = parse(changed)
            assert parsed.raw == changed
            others = {each.name for each in dataclasses.fields(parsed)} - {"raw", _attribute(name)}
            for other in others - {"requested" if name == "products" else ""}:
                assert getattr(parsed, other) == getattr(whole, other), (name, odd, other)


def _attribute(name):
    special = {"statusDetail": "products", "products": "requested"}
    return special.get(name) or "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


@pytest.mark.parametrize(
    "changes, client_user_id",
    [({"clientUserId": 42}, "42"), ({"clientUserId": Decimal("4.5")}, "4.5"), ({"clientUserId": ["x"]}, None)],
    ids=str,
)
def test_a_number_for_a_user_id_is_kept_as_its_text(changes, client_user_id):
    assert an_item(**changes).client_user_id == client_user_id


def test_an_odd_connector_leaves_what_can_be_read_of_it():
    odd = an_item(connector=a_raw_connector(health="ONLINE", credentials=[None, {"name": "token", "mfa": True}, 5]))

    assert (odd.connector.id, odd.connector.status) == (2, None)
    assert odd.connector.credentials == [{"name": "token", "mfa": True}]


@pytest.mark.parametrize(
    "number, read",
    [(3_000_000_000, 3_000_000_000), ("600", 600), (2**63 - 1, 2**63 - 1), (2**63, None), (-1, None), (True, None)],
)
@pytest.mark.parametrize(
    "odd", [None, "x" * 30, "9" * 4_000, "١٢", Decimal("2.5"), [], {}], ids=lambda odd: str(odd)[:9]
)
def test_a_connector_number_is_what_a_bigint_holds_or_unknown(number, read, odd):
    assert an_item(connector={"id": number}).connector.id == read
    assert an_item(connector={"id": odd}).connector.id is None


@pytest.mark.parametrize("connector", [None, "text", [], 5])
def test_an_item_without_a_connector_that_can_be_read_is_an_item(connector):
    item = an_item(connector=connector)

    assert (item.status, item.connector.id, item.connector.needs_mfa_each_run) == ("UPDATED", None, False)


@pytest.mark.parametrize("detail", ["ok", True, [], {"isUpdated": "yes"}, {"isUpdated": 1}], ids=str)
def test_a_detail_that_cannot_be_read_is_as_if_there_were_none(detail):
    """Were it taken as not collected, what Pluggy did collect would not be read."""
    good = {"isUpdated": False, "lastUpdatedAt": "2026-03-01T00:00:00.000Z", "warnings": [None, {"code": "423"}, 5]}
    item = an_item(statusDetail={"transactions": detail, "loans": good, "collectedAt": "2026-11-25T00:00:00.000Z"})

    assert item.products.keys() == {"loans"}
    assert item.products["loans"].warnings == [{"code": "423"}]
    assert item.collected_at("transactions") == item.last_updated_at


@pytest.mark.parametrize("requested, read", [(["LOANS", None, 5], ["LOANS"]), ("LOANS", []), (7, []), (None, [])])
def test_the_data_products_of_an_item_are_the_texts_in_its_list(requested, read):
    assert an_item(products=requested).requested == read


def test_money_is_an_exact_number_or_none():
    def balance(value):
        return payloads.account(a_raw_account(balance=value)).balance

    assert balance(Decimal("1.0001")) == Decimal("1.0001")
    assert balance(5) == Decimal(5)
    assert balance(10**40) is None
    for odd in (None, "1.234", True, [1], {}):
        assert balance(odd) is None


def test_an_account_is_of_the_item_that_it_was_asked_of_unless_it_names_another():
    assert payloads.account(without(a_raw_account(), "itemId"), of_item="asked").item_id == "asked"
    assert payloads.account(a_raw_account(itemId="another"), of_item="asked").item_id == "another"
