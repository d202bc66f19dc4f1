"""A posted row replaces a pending one by the bank's id, or by account, amount and a day close by; each at most once."""

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import pytest

from pluggy_sync.rules.replacements import NEARBY, Replacement, Rule, find

DAY = date(2026, 11, 18)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    id: str
    account_id: str = "card"
    day: date = DAY
    description: str | None = "PADARIA"
    amount: Decimal | None = Decimal("12.50")
    currency_code: str | None = "BRL"
    type: str | None = "DEBIT"
    status: str | None = "POSTED"
    provider_id: str | None = None


def pending(row_id, **fields):
    return Row(id=row_id, status="PENDING", **fields)


def found(gone, appeared):
    return {(each.id, each.replaces, each.rule) for each in find(gone, appeared)}


def test_the_banks_id_decides_whatever_else_changed():
    new = Row(id="new", amount=Decimal(99), day=DAY + timedelta(days=40), account_id="other", provider_id="p1")

    assert find([pending("old", provider_id="p1")], [new]) == [
        Replacement(id="new", replaces="old", rule=Rule.PROVIDER_ID)
    ]


def test_without_it_account_amount_currency_direction_and_a_day_close_by_decide():
    new = Row(id="new", description="PADARIA DO BAIRRO", day=DAY + NEARBY)

    assert found([pending("old", provider_id="p1")], [new]) == {("new", "old", Rule.AMOUNT_AND_DATE)}


@pytest.mark.parametrize(
    "other",
    [
        {"account_id": "another"},
        {"amount": Decimal("12.51")},
        {"currency_code": "USD"},
        {"type": "CREDIT"},
        {"day": DAY + NEARBY + timedelta(days=1)},
        {"day": DAY - NEARBY - timedelta(days=1)},
        {"status": "PENDING"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_row_that_differs_in_what_counts_replaces_nothing(other):
    assert found([pending("old")], [dataclasses.replace(Row(id="new"), **other)]) == set()


@pytest.mark.parametrize("field", ["provider_id", "amount"])
def test_what_neither_row_has_in_common_is_no_match(field):
    """Two rows without the bank's id, or without an amount, are not alike for that."""
    lacks = {"provider_id": None, "amount": None} if field == "amount" else {"provider_id": ""}
    other = {"amount": Decimal(7)} if field == "provider_id" else {}

    assert found([pending("old", **lacks)], [Row(id="new", **{**lacks, **other})]) == set()


def test_only_a_pending_row_is_replaced():
    assert found([Row(id="old")], [Row(id="new")]) == set()


def test_a_row_without_a_status_is_posted():
    assert found([pending("old")], [Row(id="new", status=None)]) == {("new", "old", Rule.AMOUNT_AND_DATE)}


def test_each_row_takes_part_once_and_the_banks_id_comes_first():
    gone = [pending("a", provider_id="p1"), pending("b")]
    appeared = [Row(id="x", provider_id="p1"), Row(id="y")]

    for some_gone in (gone, gone[::-1]):
        for some_appeared in (appeared, appeared[::-1]):
            assert found(some_gone, some_appeared) == {
                ("x", "a", Rule.PROVIDER_ID),
                ("y", "b", Rule.AMOUNT_AND_DATE),
            }
    assert found(gone, appeared[1:]) == {("y", "a", Rule.AMOUNT_AND_DATE)}


def test_among_several_that_fit_the_same_description_comes_before_the_nearest_day():
    far, near = DAY + timedelta(days=3), DAY
    gone = [pending("bread"), pending("milk", description="LEITERIA")]
    appeared = [Row(id="1", day=near, description="LEITERIA"), Row(id="2", day=far)]

    assert {each[:2] for each in found(gone, appeared)} == {("1", "milk"), ("2", "bread")}


def test_among_equals_the_nearest_day_comes_first():
    gone = [pending("early", day=DAY), pending("late", day=DAY + timedelta(days=4))]
    appeared = [Row(id="1", day=DAY + timedelta(days=1)), Row(id="2", day=DAY + timedelta(days=5))]

    assert {each[:2] for each in found(gone, appeared)} == {("1", "early"), ("2", "late")}


def test_equal_rows_are_paired_in_the_same_way_each_time():
    gone = [pending("a"), pending("b")]
    appeared = [Row(id="x"), Row(id="y")]

    assert {each[:2] for each in found(gone[::-1], appeared[::-1])} == {("x", "a"), ("y", "b")}


def test_a_row_that_was_taken_for_gone_and_shown_again_does_not_replace_itself():
    assert found([pending("same")], [Row(id="same")]) == set()
