"""A day in a checking account: salary, PIX, boletos, debit card, fees, yields with four decimals."""

import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal

from pluggy_sandbox.bank import names
from pluggy_sandbox.bank.people import Person, any_cpf
from pluggy_sandbox.bank.rows import Row, as_printed, instant_on, shown_from
from pluggy_sandbox.wire.encoding import Json, cents, money
from pluggy_sandbox.wire.instants import midnight_in_brazil

AHEAD_DAYS = 90  # so long before are payments scheduled (Pluggy facts 13.12)
_SCHEDULED = names.BOLETOS[0]


def day_of(dice: random.Random, person: Person, day: date, *, first: date | None) -> Iterator[Row]:
    """
    Yield what moves in a checking account on *day*.

    *first* is the first day of an account whose institution shows scheduled payments, None where it does not.
    """
    yield from _salary(dice, person, day)
    if first is not None:
        yield from _scheduled(dice, person, day, first)
    yield from _boletos(dice, person, day, names.BOLETOS if first is None else names.BOLETOS[1:])
    yield from _pix(dice, person, day)
    yield from _debit_card(dice, day)
    yield from _fees(dice, day)
    yield from _transport(dice, day)


def _row(dice: random.Random, day: date, description: str, amount: Decimal, **more: object) -> Row:
    at = instant_on(dice, day)
    kind = "CREDIT" if amount > 0 else "DEBIT"
    row = Row(f"{dice.getrandbits(64):016x}", at, description, amount, kind, shown_at=shown_from(at, day))
    row.description_raw = as_printed(dice, description)
    row.provider_code = f"{dice.randrange(10**6):06d}" if dice.random() < 0.5 else None
    for name, value in more.items():
        setattr(row, name, value)
    return row


def _salary(dice: random.Random, person: Person, day: date) -> Iterator[Row]:
    if day.day == 5:
        payment: Json = {
            "payer": {
                "name": person.employer,
                "documentNumber": {"type": "CNPJ", "value": person.employer_cnpj},
            },
            "paymentMethod": "TED",
        }
        yield _row(
            dice, day, f"PAGAMENTO DE SALARIO {person.employer.upper()}", cents(person.salary_cents),
            category="01010000", operation="FOLHA_PAGAMENTO", payment=payment,
        )  # fmt: skip


def _boletos(dice: random.Random, person: Person, day: date, all_of_them: Iterable[names.Boleto]) -> Iterator[Row]:
    for each in all_of_them:
        if day.day == each.due:
            yield _paid(dice, person, day, each)


def _paid(dice: random.Random, person: Person, day: date, each: names.Boleto) -> Row:
    amount = dice.randint(each.least, each.most)
    payment: Json = {
        "payer": _payer(person),
        "receiver": {"name": each.creditor, "documentNumber": {"type": "CNPJ", "value": each.cnpj}},
        "paymentMethod": "BOLETO",
        "boletoMetadata": _boleto(dice, amount),
        "authenticationCode": f"{dice.getrandbits(128):032X}",
    }
    return _row(
        dice, day, each.description, cents(-amount), category=each.category, operation="BOLETO", payment=payment
    )


def _scheduled(dice: random.Random, person: Person, day: date, first: date) -> Iterator[Row]:
    """
    Yield the payments that are scheduled on *day* for days ahead; on the first day those of all the months ahead.

    On a working day the payment keeps the institution's id or gets another one; on a weekend it is paid on Monday, and
    so with another date.
    """
    days = range(1, AHEAD_DAYS + 1) if day == first else (AHEAD_DAYS,)
    for due in (day + timedelta(days=n) for n in days):
        if due.day == _SCHEDULED.due:
            row = _paid(dice, person, due, _SCHEDULED)
            paid = due + timedelta(days=max(0, 7 - due.weekday()) if due.weekday() > 4 else 0)
            row.at, row.shown_at = midnight_in_brazil(due), midnight_in_brazil(day)
            row.status, row.posts_on = "PENDING", paid
            if paid != due or dice.random() < 0.5:
                row.posts_as, row.posts_at = row.description, midnight_in_brazil(paid)
            yield row


def _boleto(dice: random.Random, amount: int) -> Json:
    bar = f"{dice.randrange(10**43):043d}"
    return {
        "digitableLine": f"{bar[:5]}.{bar[5:10]} {bar[10:15]}.{bar[15:21]} {bar[21:26]}.{bar[26:32]} 1 {bar[29:43]}",
        "barcode": f"1{bar}",
        "baseAmount": cents(amount),
    }


def _payer(person: Person) -> Json:
    return {
        "name": person.name,
        "documentNumber": {"type": "CPF", "value": person.cpf},
        "branchNumber": "0001",
        "accountNumber": "12345-6",
        "routingNumber": names.INSTITUTION["compe"],
        "routingNumberISPB": names.INSTITUTION["ispb"],
    }


def _pix(dice: random.Random, person: Person, day: date) -> Iterator[Row]:
    for _ in range(dice.choice((0, 1, 1, 2))):
        other = f"{dice.choice(names.FIRST)} {dice.choice(names.LAST)}"
        incoming = dice.random() < 0.25
        them: Json = {"name": other, "documentNumber": {"type": "CPF", "value": any_cpf(dice)}}
        payment: Json = {
            "payer": them if incoming else _payer(person),
            "receiver": _payer(person) if incoming else them,
            # TEF is in no list of methods, yet it arrives (Pluggy facts 5.5, 9.28).
            "paymentMethod": "TEF" if dice.random() < 0.05 else "PIX",
            "referenceNumber": f"E99999004{day:%Y%m%d}{dice.getrandbits(44):011x}",
        }
        if dice.random() < 0.6:
            payment["authenticationCode"] = f"{dice.getrandbits(128):032X}"
        amount = dice.randrange(1_500, 85_000)
        words = "PIX RECEBIDO" if incoming else "PIX ENVIADO"
        yield _row(
            dice, day, f"{words} {other.upper()}", cents(amount if incoming else -amount),
            category="05070000" if dice.random() < 0.8 else None, operation="PIX", payment=payment,
        )  # fmt: skip


def _debit_card(dice: random.Random, day: date) -> Iterator[Row]:
    if dice.random() < 0.6:
        name, business, category, _, least, most = dice.choice(names.SHOPS)
        row = _row(
            dice, day, f"COMPRA DEBITO {name}", cents(-dice.randint(least, most)),
            category=category if dice.random() < 0.85 else None, operation="CARTAO",
            merchant={"name": name.title(), "businessName": business} if dice.random() < 0.4 else None,
        )  # fmt: skip
        if dice.random() < 0.4:
            _wait(dice, row, day)
        yield row


def _wait(dice: random.Random, row: Row, day: date) -> None:
    """Let the institution still process *row* for a day or two (Pluggy facts 13.12)."""
    row.status, row.posts_on = "PENDING", day + timedelta(days=dice.choice((1, 2)))
    way = dice.random()
    if way < 0.4:
        return  # it posts as itself
    row.posts_as = row.description
    if way > 0.7:  # and is dated when it posts, so that nothing tells that it is the same
        row.posts_at = midnight_in_brazil(day + timedelta(days=1))


def _fees(dice: random.Random, day: date) -> Iterator[Row]:
    if day.day == 2:
        yield _row(
            dice, day, "TARIFA PACOTE DE SERVICOS", cents(-3490), category="16000000",
            operation="TARIFA_SERVICOS_AVULSOS",
        )  # fmt: skip
    if day.weekday() < 5:  # the yield of idle money, to the hundredth of a cent (Pluggy facts 9.29)
        yield _row(
            dice, day, "RENDIMENTO LIQUIDO", money(dice.randint(11, 29_999)), category="03000000",
            operation="RENDIMENTO_APLICACAO_FINANCEIRA",
        )  # fmt: skip


def _transport(dice: random.Random, day: date) -> Iterator[Row]:
    # There and back: two rows of one day that nothing but their position tells apart (Pluggy facts 5.6).
    if day.weekday() < 5 and dice.random() < 0.3:
        for _ in range(2):
            row = _row(dice, day, "METRO SP BILHETE", cents(-520), category="09010000", operation="CARTAO")
            row.at = midnight_in_brazil(day)
            yield row
