"""
Whether one Item took the place of another: the same person connected the same bank anew, as by Open Finance.

Then there are two Items for the same accounts. The newer one, the successor, brings them from then on.

What must hold for each pair of Items: nothing speaks against it, and the person and the bank are the same. All else
adds points. A mistake would show one person's rows to another, or stop an Item that still brings something, so only a
pair that is beyond doubt is linked without an operator (`AUTOMATIC`).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# From so many points on the Items are linked; from so many on they are suggested to an operator. Of 100.
AUTOMATIC = 80
SUGGESTED = 50

# Rows of the overlap count as evidence from so many on, in each Item.
ROWS_THAT_COUNT = 5
SAME_ROWS = 0.8
OTHER_ROWS = 0.3

# Words that tell connectors of one bank apart, and not banks.
_NOT_OF_THE_NAME = frozenset({"open", "finance", "openfinance", "of", "banco", "bank", "sa", "pf", "pessoa", "fisica"})


class Verdict(StrEnum):
    """What follows from a comparison."""

    LINK = "link"
    SUGGEST = "suggest"
    NONE = "none"


class Reason(StrEnum):
    """What speaks for a succession or against it."""

    SAME_USER = "same_client_user_id"
    SAME_DOCUMENT = "same_document"
    SAME_CONNECTOR = "same_connector"
    SAME_BANK_NAME = "same_bank_name"
    SAME_BANK_CODE = "same_bank_code"
    SAME_ACCOUNT = "same_number_and_branch"
    SAME_NUMBER = "same_number"
    SAME_CARD = "same_card"
    ALL_ACCOUNTS = "all_accounts"
    SAME_OWNER = "same_owner"
    SAME_ROWS = "same_rows"
    SAME_PROVIDER_IDS = "same_provider_ids"

    # The successor does not bring everything: only an operator may link.
    ACCOUNTS_LACKING = "accounts_lacking"
    OTHER_USER = "other_client_user_id"

    # Never.
    OTHER_DOCUMENT = "other_document"
    NOT_THE_SAME_PERSON = "not_the_same_person"
    OTHER_BANK = "other_bank"
    NO_ACCOUNT_IN_COMMON = "no_account_in_common"
    OTHER_ROWS = "other_rows"
    NOT_NEWER = "not_newer"


POINTS: dict[Reason, int] = {
    Reason.SAME_USER: 20,
    Reason.SAME_DOCUMENT: 25,
    Reason.SAME_CONNECTOR: 15,
    Reason.SAME_BANK_NAME: 15,
    Reason.SAME_BANK_CODE: 15,
    Reason.SAME_ACCOUNT: 25,
    Reason.SAME_NUMBER: 15,
    Reason.SAME_CARD: 5,
    Reason.ALL_ACCOUNTS: 10,
    Reason.SAME_OWNER: 5,
    Reason.SAME_ROWS: 20,
    Reason.SAME_PROVIDER_IDS: 10,
}
_NEEDS_AN_OPERATOR = frozenset({Reason.ACCOUNTS_LACKING, Reason.OTHER_USER})
# With one of these, nothing is linked or suggested.
_AGAINST = frozenset(
    {
        Reason.OTHER_DOCUMENT,
        Reason.NOT_THE_SAME_PERSON,
        Reason.OTHER_BANK,
        Reason.NO_ACCOUNT_IN_COMMON,
        Reason.OTHER_ROWS,
        Reason.NOT_NEWER,
    }
)


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
    """What tells an account apart, as Pluggy sent it. `listed`: Pluggy still lists it."""

    id: str
    type: str | None
    subtype: str | None
    currency: str | None
    number: str | None
    transfer_number: str | None
    owner: str | None
    document: str | None
    brand: str | None
    listed: bool = True


@dataclass(frozen=True, kw_only=True)
class ItemFacts:
    """
    What tells a connection apart. `documents`: of its identity, as sent.

    `connected_at`: when Pluggy made the Item, else when we first heard of it.
    """

    id: str
    client_user_id: str | None
    connector_id: int | None
    connector_name: str | None
    documents: Collection[str]
    connected_at: datetime
    accounts: Sequence[AccountFacts]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """
    The posted rows of two accounts in the days that both cover.

    `same`: rows with the same day, amount and description, or the same `providerId`; `same_ids`: by the latter.
    """

    old: int = 0
    new: int = 0
    same: int = 0
    same_ids: int = 0


@dataclass(frozen=True, kw_only=True)
class AccountPair:
    """An account and the one that took its place."""

    old: AccountFacts
    new: AccountFacts
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two Items compare. `score`: of 100. `accounts`: those that are the same, each with its successor."""

    verdict: Verdict
    score: int
    reasons: tuple[Reason, ...]
    accounts: tuple[AccountPair, ...]


def compare(old: ItemFacts, new: ItemFacts, rows: Rows) -> Comparison:
    """Return whether *new* took the place of *old*; *rows*: of all pairs that `account_pairs` gives."""
    pairs = account_pairs(old.accounts, new.accounts)
    reasons = (
        *_of_person(old, new),
        *_of_bank(old, new, pairs),
        *_of_accounts(old, pairs),
        *_of_rows(rows),
        *(() if old.connected_at < new.connected_at else (Reason.NOT_NEWER,)),
    )
    score = min(100, sum(POINTS.get(each, 0) for each in reasons))
    return Comparison(verdict=_verdict(score, reasons, pairs), score=score, reasons=reasons, accounts=pairs)


def _verdict(score: int, reasons: Collection[Reason], pairs: Sequence[AccountPair]) -> Verdict:
    if score < SUGGESTED or not _AGAINST.isdisjoint(reasons):
        return Verdict.NONE
    # The last digits of a card are those of one card in ten thousand. Its rows have to agree too.
    only_cards = all(each.reason is Reason.SAME_CARD for each in pairs)
    doubtful = only_cards and Reason.SAME_ROWS not in reasons
    if score < AUTOMATIC or doubtful or not _NEEDS_AN_OPERATOR.isdisjoint(reasons):
        return Verdict.SUGGEST
    return Verdict.LINK


def _of_person(old: ItemFacts, new: ItemFacts) -> list[Reason]:
    """Return what is known of whose Items they are. The identity counts first: accounts may be of several persons."""
    ours, theirs = _documents(old.documents), _documents(new.documents)
    if ours and theirs and ours.isdisjoint(theirs):
        return [Reason.OTHER_DOCUMENT]
    same_user = old.client_user_id is not None and old.client_user_id == new.client_user_id
    both_named = old.client_user_id is not None and new.client_user_id is not None
    if ours and theirs:
        found = [Reason.SAME_DOCUMENT]
        if both_named:
            found.append(Reason.SAME_USER if same_user else Reason.OTHER_USER)
        return found
    of_old = ours or _documents(each.document for each in old.accounts)
    of_new = theirs or _documents(each.document for each in new.accounts)
    if of_old and of_new and of_old.isdisjoint(of_new):
        return [Reason.OTHER_DOCUMENT]
    same_document = bool(of_old and of_new) and not (both_named and not same_user)
    found = [*([Reason.SAME_USER] if same_user else []), *([Reason.SAME_DOCUMENT] if same_document else [])]
    return found or [Reason.NOT_THE_SAME_PERSON]


def _of_bank(old: ItemFacts, new: ItemFacts, pairs: Sequence[AccountPair]) -> list[Reason]:
    codes = [(_bank_code(each.old.transfer_number), _bank_code(each.new.transfer_number)) for each in pairs]
    known = [(one, other) for one, other in codes if one and other]
    if any(one != other for one, other in known):
        return [Reason.OTHER_BANK]
    if old.connector_id is not None and old.connector_id == new.connector_id:
        return [Reason.SAME_CONNECTOR]
    if bank_name(old.connector_name) and bank_name(old.connector_name) == bank_name(new.connector_name):
        return [Reason.SAME_BANK_NAME]
    return [Reason.SAME_BANK_CODE] if known else [Reason.OTHER_BANK]


def _of_accounts(old: ItemFacts, pairs: Sequence[AccountPair]) -> list[Reason]:
    if not pairs:
        return [Reason.NO_ACCOUNT_IN_COMMON]
    found = [reason for reason in _HOW_SAME if any(each.reason is reason for each in pairs)][:1]
    paired = {each.old.id for each in pairs}
    lacking = [each for each in old.accounts if each.listed and each.id not in paired]
    found.append(Reason.ACCOUNTS_LACKING if lacking else Reason.ALL_ACCOUNTS)
    if all(_same_owner(each.old, each.new) is True for each in pairs):
        found.append(Reason.SAME_OWNER)
    return found


def _of_rows(rows: Rows) -> list[Reason]:
    fewer = min(rows.old, rows.new)
    if fewer < ROWS_THAT_COUNT:
        return []
    share = rows.same / fewer
    if share < OTHER_ROWS:
        return [Reason.OTHER_ROWS]
    found = [Reason.SAME_ROWS] if share >= SAME_ROWS else []
    return [*found, Reason.SAME_PROVIDER_IDS] if rows.same_ids else found


# The strongest first.
_HOW_SAME = (Reason.SAME_ACCOUNT, Reason.SAME_NUMBER, Reason.SAME_CARD)


def account_pairs(old: Sequence[AccountFacts], new: Sequence[AccountFacts]) -> tuple[AccountPair, ...]:
    """Return the accounts of *old* that are in *new* too. What could be two accounts is none: no guess is made."""
    found = [
        AccountPair(old=one, new=other, reason=reason)
        for one in old
        for other in new
        if (reason := _how_same(one, other)) is not None
    ]
    times_old = [each.old.id for each in found]
    times_new = [each.new.id for each in found]
    return tuple(each for each in found if times_old.count(each.old.id) == 1 and times_new.count(each.new.id) == 1)


def _how_same(one: AccountFacts, other: AccountFacts) -> Reason | None:
    if one.type is None or one.type != other.type or not _agree(one.currency, other.currency):
        return None
    if not _agree(one.subtype, other.subtype) or _same_owner(one, other) is False:
        return None
    if one.type == "CREDIT":
        digits, others = _digits(one.number)[-4:], _digits(other.number)[-4:]
        same = len(digits) == 4 and digits == others and _agree(one.brand, other.brand)
        return Reason.SAME_CARD if same else None
    number, others_number = _number(one), _number(other)
    if not number or number != others_number:
        return None
    branch, others_branch = _branch(one), _branch(other)
    if branch and others_branch:
        return Reason.SAME_ACCOUNT if branch == others_branch else None
    return Reason.SAME_NUMBER


def _agree(one: str | None, other: str | None) -> bool:
    """Return whether nothing speaks against their being the same: one that is not known does not."""
    return one is None or other is None or one.upper() == other.upper()


def _same_owner(one: AccountFacts, other: AccountFacts) -> bool | None:
    """Return whether two accounts have one owner; None: not known. The document counts more than the name."""
    document, others = _document(one.document), _document(other.document)
    if document and others:
        return document == others
    name, others_name = _words(one.owner), _words(other.owner)
    if not name or not others_name:
        return None
    if name == others_name:
        return True
    # Banks shorten names. Another first name is another person.
    return None if name.split()[0] == others_name.split()[0] else False


def _documents(found: Iterable[str | None]) -> frozenset[str]:
    return frozenset(filter(None, map(_document, found)))


def _document(text: str | None) -> str:
    """Return a CPF or CNPJ without dots and strokes. A CNPJ may have letters (Pluggy facts 13.13)."""
    return re.sub(r"[^0-9A-Z]", "", (text or "").upper())


def _digits(text: str | None) -> str:
    return re.sub(r"[^0-9]", "", text or "")


def _parts(account: AccountFacts) -> tuple[str, str, str]:
    """
    Return bank code, branch and number, each without leading zeros; empty where it is not said.

    `transferNumber` is bank/branch/number, `number` is branch/number or number alone (Pluggy facts 5.2).
    """
    whole = [_plain(each) for each in (account.transfer_number or "").split("/")]
    short = [_plain(each) for each in (account.number or "").split("/")]
    bank, branch, number = ("", "", "")
    if len(whole) == 3:  # bank, branch, number
        bank, branch, number = whole
    if len(short) == 2:  # branch, number
        branch, number = branch or short[0], short[1] or number
    elif short[0]:
        number = short[0]
    return bank, branch, number


def _plain(text: str) -> str:
    """Return an account's number or branch as digits, and an X as banks have it for a check digit."""
    return re.sub(r"[^0-9X]", "", text.upper()).lstrip("0")


def _number(account: AccountFacts) -> str:
    return _parts(account)[2]


def _branch(account: AccountFacts) -> str:
    return _parts(account)[1]


def _bank_code(transfer_number: str | None) -> str:
    parts = (transfer_number or "").split("/")
    return _plain(parts[0]) if len(parts) == 3 else ""  # bank, branch, number


def bank_name(name: str | None) -> str:
    """Return the name of a connector as that of a bank: "Itaú" and "Banco Itau Open Finance" are one."""
    words = _words(name).split()
    return " ".join(each for each in words if each not in _NOT_OF_THE_NAME) or " ".join(words)


def _words(text: str | None) -> str:
    """Return *text* in small letters without accents, its words parted by one space."""
    plain = unicodedata.normalize("NFKD", text or "").encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z0-9]+", plain.lower()))
