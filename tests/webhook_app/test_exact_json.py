"""Money in JSON keeps every digit, both ways."""

from decimal import Decimal

import pytest
from flask import Flask

from webhook_app.exact_json import ExactJSON


@pytest.mark.parametrize("number", ["0.1", "-1234.5600", "12345678901234567890.1234", "0.0000001"])
def test_no_digit_is_lost(number: str):
    exact = ExactJSON(Flask("test"))

    assert exact.dumps({"amount": Decimal(number)}) == f'{{"amount":{Decimal(number)}}}'
    assert exact.loads(f'{{"amount":{number}}}') == {"amount": Decimal(number)}


def test_what_is_not_json_is_a_value_error():
    with pytest.raises(ValueError, match="not JSON"):
        ExactJSON(Flask("test")).loads("{")
