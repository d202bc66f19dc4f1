"""Fields that the subjects of `/v1` share: exact, and refusing what is not theirs."""

from datetime import UTC, datetime
from decimal import Decimal

import marshmallow as ma
import pytest

from webhook_app.api import fields


class Example(ma.Schema):
    at = fields.Instant()
    amount = fields.Money()
    item_id = fields.ItemId()


def load(**values):
    return Example().load(values)


def test_an_instant_is_text_with_milliseconds_and_z():
    assert Example().dump({"at": datetime(2026, 3, 10, 15, tzinfo=UTC)}) == {"at": "2026-03-10T15:00:00.000Z"}
    assert Example().dump({"at": "2026-03-10T15:00:00.123456Z"}) == {"at": "2026-03-10T15:00:00.123456Z"}
    assert Example().dump({"at": "2026-03-10T12:00:00-03:00"}) == {"at": "2026-03-10T15:00:00.000Z"}
    assert Example().dump({"at": "2026-03-10"}) == {"at": "2026-03-10T00:00:00.000Z"}
    assert Example().dump({"at": "no instant"}) == {"at": None}
    assert load(at="2026-03-10T12:00:00-03:00")["at"] == datetime(2026, 3, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "yesterday", 5, [], {}, True])
def test_what_is_no_instant_is_refused(value):
    with pytest.raises(ma.ValidationError) as info:
        load(at=value)

    assert info.value.messages == {"at": ["Not an ISO 8601 instant."]}


def test_money_is_exact():
    assert load(amount=Decimal("0.1001"))["amount"] == Decimal("0.1001")
    assert Example().dump({"amount": Decimal("0.1001")}) == {"amount": Decimal("0.1001")}


@pytest.mark.parametrize("value", ["0.10", 0.1, True, [], {}])
def test_what_is_no_exact_number_is_no_money(value):
    with pytest.raises(ma.ValidationError):
        load(amount=value)


def test_the_id_of_an_item_is_lowered_and_nothing_else_is_one():
    id_ = "a1111111-1111-4111-8111-11111111111f"

    assert load(item_id=id_.upper())["item_id"] == id_
    for odd in ("item-1", f"{id_}\n", 5):
        with pytest.raises(ma.ValidationError):
            load(item_id=odd)


def test_an_object_of_pluggy_keeps_what_is_not_declared_and_what_is_wins():
    class Thing(fields.PluggyObject):
        name = ma.fields.Function(lambda _: "ours")

    assert Thing().dump({"name": "theirs", "new": 1}) == {"name": "ours", "new": 1}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"page": "2"}])
def test_a_page_is_asked_for_by_limit_and_cursor_only(query):
    with pytest.raises(ma.ValidationError):
        fields.PageQuery().load(query)


def test_a_page_without_a_wish_has_a_hundred_rows_from_the_start():
    assert fields.PageQuery().load({}) == {"after": None, "limit": 100}
