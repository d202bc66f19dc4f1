"""Customers of the bank: who they are, invented from the dice of their login."""

import random
from dataclasses import dataclass, replace
from datetime import date

from pluggy_sandbox.bank import names


@dataclass(frozen=True)
class Person:
    """One customer."""

    name: str
    cpf: str
    birth: date
    employer: str
    employer_cnpj: str
    salary_cents: int
    email: str
    phone: str
    cnpj: str | None = None  # of a company; its name is then `name`


def invent(dice: random.Random, cpf: str | None = None) -> Person:
    """Return a person; *cpf* is kept when the login told it."""
    first, last = dice.choice(names.FIRST), dice.choice(names.LAST)
    employer, cnpj = dice.choice(names.EMPLOYERS)
    return Person(
        name=f"{first} {dice.choice(names.LAST)} {last}",
        cpf=cpf or any_cpf(dice),
        birth=date(dice.randint(1962, 2003), dice.randint(1, 12), dice.randint(1, 28)),
        employer=employer,
        employer_cnpj=cnpj,
        salary_cents=dice.randrange(380_000, 1_480_000, 5_000),
        email=f"{first}.{last}@example.com".lower(),
        phone=f"+55 11 9{dice.randint(1000, 9999)}-{dice.randint(1000, 9999)}",
    )


def invent_company(dice: random.Random) -> Person:
    """Return a company, with the person who acts for it."""
    person = invent(dice)
    name, cnpj = dice.choice(names.EMPLOYERS)
    return replace(person, name=name, cnpj=cnpj, salary_cents=dice.randrange(2_000_000, 9_000_000, 10_000))


def any_cpf(dice: random.Random) -> str:
    """Return a CPF whose check digits are right."""
    digits = [dice.randint(0, 9) for _ in range(9)]
    digits.append(_check_digit(digits))
    digits.append(_check_digit(digits))
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def is_cpf(text: str) -> bool:
    """Return whether *text* is eleven digits, dotted or not, with right check digits."""
    digits = [int(c) for c in text if c in "0123456789"]
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return digits[9] == _check_digit(digits[:9]) and digits[10] == _check_digit(digits[:10])


def _check_digit(digits: list[int]) -> int:
    weight = len(digits) + 1
    rest = sum(d * (weight - i) for i, d in enumerate(digits)) * 10 % 11
    return rest % 10
