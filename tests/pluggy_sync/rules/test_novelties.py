"""What is new in Pluggy's objects is named by field, and never by what a bank wrote."""

import pytest

from pluggy_sync.rules.novelties import ACCOUNT, FIELD, ITEM, TRANSACTION, UNREADABLE, VALUE, of


@pytest.mark.parametrize(
    "raw, known, found",
    [
        ({"id": "1", "status": "UPDATED", "executionStatus": "SUCCESS"}, ITEM, []),
        ({"status": "PAUSED"}, ITEM, [(VALUE, "status=PAUSED")]),
        ({"executionStatus": None, "nextBillingAt": None}, ITEM, [(FIELD, "nextBillingAt")]),
        ({"type": "LOAN", "subtype": "CREDIT_CARD"}, ACCOUNT, [(VALUE, "type=LOAN")]),
        ({"type": 7}, TRANSACTION, []),
        ({"status": "pago por Ana", "a b": 1}, TRANSACTION, [(FIELD, UNREADABLE), (VALUE, f"status={UNREADABLE}")]),
    ],
)
def test_a_field_or_value_that_the_facts_do_not_have_is_new(raw, known, found):
    assert of(raw, known) == found
