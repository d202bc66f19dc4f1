"""What an operator sees of a payload."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pluggy_sync.rules.redaction import redacted
from tests.kit.factories import an_event


def test_ids_codes_and_moments_are_shown():
    event = an_event("transactions/created", transactionsCreatedAtFrom="2026-03-10T15:00:00.000Z", connectorId=2)

    assert redacted(event) == event


def test_of_everything_else_only_the_kind_is_shown():
    payload = {
        "event": "item/updated",
        "description": "Padaria do Joao",
        "amount": Decimal("12.34"),
        "owner": {"fullName": "Maria", "taxNumber": None},
        "flags": ["secret", True],
    }

    assert redacted(payload) == {
        "event": "item/updated",
        "description": "‹text of 15›",
        "amount": "‹number›",
        "owner": {"fullName": "‹text of 5›", "taxNumber": None},
        "flags": ["‹text of 6›", True],
    }


def test_a_text_in_a_field_for_ids_codes_moments_or_counts_is_not_shown():
    payload = {"status": "Maria", "reason": {"code": "a b"}, "id": "Maria", "createdAt": "Maria", "added": "Maria"}

    assert redacted(payload) == {
        "status": "‹text of 5›",
        "reason": {"code": "‹text of 3›"},
        "id": "‹text of 5›",
        "createdAt": "‹text of 5›",
        "added": "‹text of 5›",
    }


def test_a_notification_keeps_what_says_how_it_stands():
    body = {
        "type": "item.action_required",
        "timestamp": "2026-03-10T15:00:00.000Z",
        "data": {"sequence": 3, "action": {"id": "act_0123456789ab", "kind": "mfa", "state": "open", "reason": "X_Y"}},
    }

    assert redacted(body) == body


def test_a_name_that_is_no_name_of_a_field_is_not_shown():
    assert redacted({"Maria da Silva": 1}) == {"‹name›": "‹number›"}


def test_of_a_long_list_the_first_are_shown_and_how_many_there_are_beyond():
    shown = redacted({"transactionIds": [str(number) for number in range(25)]})["transactionIds"]

    assert shown[:20] == [str(number) for number in range(20)]
    assert shown[20:] == ["‹5 more›"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_no_text_of_an_unknown_field_is_shown_whatever_its_shape(value):
    planted = "Senha-1234"
    payload = {
        "x": value,
        "y": [planted, {"status": planted, "id": planted, "z": [planted]}],
        planted: 1,
        "id": [planted],
    }

    assert planted not in str(redacted(payload))
