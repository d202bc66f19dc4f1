"""A day on a credit card: purchases, instalments into the future, foreign currency, refunds, the bill."""

import calendar
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from pluggy_sandbox.bank import names
from pluggy_sandbox.bank.rows import Row, as_printed, instant_on, shown_from
from pluggy_sandbox.wire.encoding import Json, cents
from pluggy_sandbox.wire.instants import iso, midnight_in_brazil

CLOSING_DAY, FEE_DAY = 25, 14
DUE_AFTER_DAYS = 10
_RATES = {"USD": 5.31, "EUR": 6.07}


def day_of(dice: random.Random, last_digits: str, day: date, *, regulated: bool) -> Iterator[Row]:
    """
    Yield what is bought on *day*, with the instalments that lie ahead.

    On a regulated institution a row stays PENDING until its bill closes (Pluggy facts 5.6); elsewhere for two days.
    """
    for due, row in _bought(dice, last_digits, day):
        row.posts_on = closing_after(due) if regulated else max(day, due) + timedelta(days=2)
        if row.posts_as is not None and dice.random() < 0.3:
            # It is dated anew when it posts, so that nothing tells that it is the same (Pluggy facts 13.12).
            row.posts_at = midnight_in_brazil(min(due + timedelta(days=1), row.posts_on))
        yield row


def closing_after(day: date) -> date:
    """Return the closing day of the bill that a purchase of *day* falls into."""
    closing = day.replace(day=CLOSING_DAY)
    return closing if day <= closing else add_months(closing, 1)


def add_months(day: date, months: int) -> date:
    """Return the same day *months* later, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _bought(dice: random.Random, last_digits: str, day: date) -> Iterator[tuple[date, Row]]:
    """Yield each row with the day that it is due; the row's own instant may fall on the evening before."""
    for due, name, business, category, mcc, amount in names.SUBSCRIPTIONS:
        if day.day == due:
            yield day, _purchase(dice, day, (name, business, category, mcc, amount, amount), last_digits)
    if day.day == FEE_DAY:
        yield day, _fee(dice, day, last_digits)
    for _ in range(dice.choice((0, 1, 1, 2))):
        yield day, _purchase(dice, day, dice.choice(names.SHOPS), last_digits)
    if dice.random() < 0.05:
        yield from _instalments(dice, day, last_digits)
    if dice.random() < 0.04:
        yield day, _abroad(dice, day, last_digits)
    if dice.random() < 0.015:
        yield day, _refund(dice, day, last_digits)


Shop = tuple[str, str, str, int, int, int]


def _purchase(dice: random.Random, day: date, shop: Shop, last_digits: str) -> Row:
    name, business, category, mcc, least, most = shop
    new_name = f"{name} SAO PAULO BR" if dice.random() < 0.35 else None
    at = instant_on(dice, day)
    return Row(
        key=f"{dice.getrandbits(64):016x}",
        at=at,
        description=name,
        amount=cents(dice.randint(least, most)),
        type="DEBIT",
        shown_at=shown_from(at, day),
        status="PENDING",
        description_raw=as_printed(dice, name),
        category=category if dice.random() < 0.8 else None,
        operation="PAGAMENTO",
        merchant={"name": name.title(), "businessName": business} if dice.random() < 0.3 else None,
        card=_metadata(dice, day, mcc, last_digits),
        posts_as=new_name,
    )


def _metadata(dice: random.Random, day: date, mcc: int, last_digits: str) -> Json:
    # "0001-01" has been seen for a bill that is not known yet (Pluggy facts 9.9).
    forecast = "0001-01" if dice.random() < 0.02 else f"{closing_after(day):%Y-%m}"
    metadata: Json = {
        "purchaseDate": iso(midnight_in_brazil(day)),
        "payeeMCC": mcc,
        "cardNumber": last_digits,
        "billForecastDate": forecast,
        "paymentType": "SINGLE",
    }
    if dice.random() < 0.8:
        bought_at = midnight_in_brazil(day) + timedelta(milliseconds=dice.randrange(6 * 3_600_000, 86_400_000))
        metadata["transactionDateTime"] = iso(bought_at)
    return metadata


def _instalments(dice: random.Random, day: date, last_digits: str) -> Iterator[tuple[date, Row]]:
    times = dice.choice((2, 3, 4, 6, 10, 12))
    first = _purchase(dice, day, dice.choice(names.BIG_SHOPS), last_digits)
    each = int(first.amount * 100) // times
    for number in range(1, times + 1):
        due = add_months(day, number - 1)
        card = (first.card or {}) | {
            "installmentNumber": number,
            "totalInstallments": times,
            "totalAmount": cents(each * times),
            "paymentType": "INSTALLMENT",
            "billForecastDate": f"{closing_after(due):%Y-%m}",
        }
        row = replace(
            first,
            key=f"{first.key}-{number}",
            at=midnight_in_brazil(due),
            shown_at=midnight_in_brazil(day),
            description=f"{first.description} {number:02d}/{times:02d}",
            amount=cents(each),
            card=card,
            posts_as=None,
            extra={},
        )
        yield due, row


def _abroad(dice: random.Random, day: date, last_digits: str) -> Row:
    name, currency, category, mcc, least, most = dice.choice(names.FOREIGN_SHOPS)
    row = _purchase(dice, day, (name, name.title(), category, mcc, least, most), last_digits)
    row.currency = currency
    row.amount_in_account_currency = cents(round(int(row.amount * 100) * _RATES[currency]))
    return row


def _fee(dice: random.Random, day: date, last_digits: str) -> Row:
    row = _purchase(dice, day, ("ANUIDADE DIFERENCIADA", "", "16030000", 0, 2_990, 2_990), last_digits)
    row.operation, row.posts_as, row.merchant = "TARIFA", None, None
    row.card = {name: value for name, value in (row.card or {}).items() if name != "payeeMCC"}
    row.card["feeType"] = "ANNUAL_FEE"
    return row


def _refund(dice: random.Random, day: date, last_digits: str) -> Row:
    row = _purchase(dice, day, dice.choice(names.SHOPS), last_digits)
    row.description, row.amount, row.type = f"ESTORNO {row.description}", -row.amount, "CREDIT"
    row.operation, row.posts_as = "ESTORNO", None
    return row
