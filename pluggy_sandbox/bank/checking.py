"""A day in a checking account: salary, PIX, boletos, debit card, fees, yields with four decimals."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from pluggy_sandbox.bank import names
from pluggy_sandbox.bank.people import Person, any_cpf
from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.wire.encoding import Json, cents, money
from pluggy_sandbox.wire.instants import midnight_in_brazil


def day_of(dice: random.Random, person: Person, day: date) -> Iterator[Row]:
    """Yield what moves in a checking account on *day*."""
    yield from _salary(dice, person, day)
    yield from _boletos(dice, person, day)
    yield from _pix(dice, person, day)
    yield from _debit_card(dice, day)
    yield from _fees(dice, day)
    yield from _transport(dice, day)


def _row(dice: random.Random, day: date, description: str, amount: Decimal, **more: object) -> Row:
    at = midnight_in_brazil(day)
    if dice.random() < 0.2:  # some institutions tell the real time of day (Pluggy facts 9.7)
        at += timedelta(seconds=dice.randrange(7 * 3600, 20 * 3600))
    kind = "CREDIT" if amount > 0 else "DEBIT"
    row = Row(f"{dice.getrandbits(64):016x}", at, description, amount, kind, shown_at=midnight_in_brazil(day))
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


def _boletos(dice: random.Random, person: Person, day: date) -> Iterator[Row]:
    for due, description, creditor, cnpj, category, least, most in names.BOLETOS:
        if day.day == due:
            amount = dice.randint(least, most)
            payment: Json = {
                "payer": _payer(person),
                "receiver": {"name": creditor, "documentNumber": {"type": "CNPJ", "value": cnpj}},
                "paymentMethod": "BOLETO",
                "boletoMetadata": _boleto(dice, amount),
            }
            yield _row(dice, day, description, cents(-amount), category=category, operation="BOLETO", payment=payment)


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
        amount = dice.randrange(1_500, 85_000)
        words = "PIX RECEBIDO" if incoming else "PIX ENVIADO"
        yield _row(
            dice, day, f"{words} {other.upper()}", cents(amount if incoming else -amount),
            category="05070000" if dice.random() < 0.8 else None, operation="PIX", payment=payment,
        )  # fmt: skip


def _debit_card(dice: random.Random, day: date) -> Iterator[Row]:
    if dice.random() < 0.6:
        name, business, category, _, least, most = dice.choice(names.SHOPS)
        yield _row(
            dice, day, f"COMPRA DEBITO {name}", cents(-dice.randint(least, most)),
            category=category if dice.random() < 0.85 else None, operation="CARTAO",
            merchant={"name": name.title(), "businessName": business} if dice.random() < 0.4 else None,
        )  # fmt: skip


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
