"""Two Items of one person for one bank are told from everybody else's."""

import dataclasses
from datetime import timedelta

import pytest

from pluggy_sync.rules.succession import (
    AccountFacts,
    ItemFacts,
    Reason,
    Rows,
    Verdict,
    account_pairs,
    bank_name,
    compare,
)
from tests.kit.factories import NOON

CPF, OTHER_CPF = "761.092.776-73", "238.242.640-30"
SAME = Rows(old=40, new=42, same=40)


def an_account(id_="old-1", **changes):
    values = {
        "id": id_,
        "type": "BANK",
        "subtype": "CHECKING_ACCOUNT",
        "currency": "BRL",
        "number": "0001/12345-6",
        "transfer_number": "341/0001/12345-6",
        "owner": "Ana Souza",
        "document": CPF,
        "brand": None,
    }
    return AccountFacts(**{**values, **changes})


def a_card(id_="old-2", **changes):
    values = {"type": "CREDIT", "subtype": "CREDIT_CARD", "number": "4321", "transfer_number": None, "brand": "VISA"}
    return an_account(id_, **{**values, **changes})


def an_old_item(**changes):
    values = {
        "id": "old",
        "client_user_id": "user-42",
        "connector_id": 201,
        "connector_name": "Itaú",
        "documents": [CPF],
        "connected_at": NOON,
        "accounts": [an_account()],
    }
    return ItemFacts(**{**values, **changes})


def a_new_item(**changes):
    values = {
        "id": "new",
        "connector_id": 601,
        "connector_name": "Itaú Open Finance",
        "documents": ["76109277673"],
        "connected_at": NOON + timedelta(days=400),
        "accounts": [an_account("new-1", number="12345-6", transfer_number="341/1/012345-6")],
    }
    return an_old_item(**{**values, **changes})


def verdict(old=None, new=None, rows=SAME):
    return compare(old or an_old_item(), new or a_new_item(), rows).verdict


def test_the_same_person_at_the_same_bank_with_the_same_account_and_rows_is_linked():
    found = compare(an_old_item(), a_new_item(), SAME)

    assert found.verdict is Verdict.LINK
    assert found.score == 100
    assert [(each.old.id, each.new.id) for each in found.accounts] == [("old-1", "new-1")]
    assert {Reason.SAME_USER, Reason.SAME_DOCUMENT, Reason.SAME_BANK_NAME, Reason.SAME_ACCOUNT} <= {*found.reasons}


def test_without_a_document_the_user_the_account_and_the_rows_are_enough():
    own = {"documents": (), "accounts": [an_account(document=None)]}
    new = a_new_item(documents=(), accounts=[an_account("new-1", document=None)])

    assert verdict(an_old_item(**own), new) is Verdict.LINK
    assert verdict(an_old_item(**own), new, Rows()) is Verdict.SUGGEST


def test_without_a_user_the_document_the_account_and_the_rows_are_enough():
    assert verdict(an_old_item(client_user_id=None), a_new_item(client_user_id=None)) is Verdict.LINK


LOOK_ALIKES = {
    "two people of one family at one bank, under one user": {
        "documents": [OTHER_CPF],
        "accounts": [an_account("new-1", number="0001/98765-4", transfer_number=None, document=OTHER_CPF)],
    },
    "a joint account that each of its holders connects": {
        "client_user_id": "user-43",
        "documents": [OTHER_CPF],
    },
    "a joint account of which the bank names one holder, connected by another user": {
        "client_user_id": "user-43",
        "documents": (),
    },
    "a joint account of which the bank names another owner": {
        "documents": (),
        "accounts": [an_account("new-1", document=None, owner="Bruno Souza")],
    },
    "the same number at another bank": {
        "connector_name": "Nubank",
        "accounts": [an_account("new-1", transfer_number="260/0001/12345-6")],
    },
    "the same number at another bank that gives no code": {
        "connector_name": "Nubank",
        "accounts": [an_account("new-1", transfer_number=None)],
    },
    "the same number at another branch": {
        "accounts": [an_account("new-1", number="0002/12345-6", transfer_number="341/0002/12345-6")]
    },
    "another account of the same person": {
        "accounts": [an_account("new-1", number="0001/55555-5", transfer_number=None)]
    },
    "savings under the number of the checking account": {
        "accounts": [an_account("new-1", subtype="SAVINGS_ACCOUNT")],
    },
    "an account in another currency": {"accounts": [an_account("new-1", currency="USD")]},
    "an Item that was connected at the same moment": {"connected_at": NOON},
    "an Item without accounts": {"accounts": []},
}


@pytest.mark.parametrize("changes", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_a_look_alike_is_neither_linked_nor_suggested(changes):
    assert verdict(new=a_new_item(**changes)) is Verdict.NONE


def test_two_users_without_an_id_are_not_one_person():
    nobody = {"client_user_id": None, "documents": (), "accounts": [an_account(document=None)]}
    other = {"client_user_id": None, "documents": (), "accounts": [an_account("new-1", document=None)]}

    found = compare(an_old_item(**nobody), a_new_item(**other), SAME)

    assert found.verdict is Verdict.NONE
    assert Reason.NOT_THE_SAME_PERSON in found.reasons


def test_rows_that_differ_speak_against_it_whatever_else_is_the_same():
    assert verdict(rows=Rows(old=30, new=30, same=2)) is Verdict.NONE


def test_a_few_rows_prove_nothing():
    assert compare(an_old_item(), a_new_item(), Rows(old=4, new=4, same=0)).verdict is Verdict.LINK


def test_one_person_under_two_users_is_left_to_an_operator():
    assert verdict(new=a_new_item(client_user_id="user-43")) is Verdict.SUGGEST


def test_an_account_that_the_newer_item_lacks_is_left_to_an_operator():
    old = an_old_item(accounts=[an_account(), an_account("old-3", number="0001/77777-7", transfer_number=None)])

    found = compare(old, a_new_item(), SAME)

    assert found.verdict is Verdict.SUGGEST
    assert Reason.ACCOUNTS_LACKING in found.reasons


def test_an_account_that_is_no_longer_listed_need_not_be_in_the_newer_item():
    old = an_old_item(accounts=[an_account(), an_account("old-3", number="0001/77777-7", listed=False)])

    assert verdict(old) is Verdict.LINK


def test_the_last_digits_of_a_card_count_only_with_its_rows():
    old, new = an_old_item(accounts=[a_card()]), a_new_item(accounts=[a_card("new-2")])

    assert verdict(old, new, SAME) is Verdict.LINK
    assert verdict(old, new, Rows()) is Verdict.SUGGEST


def test_what_could_be_two_accounts_is_paired_with_none():
    twins = [a_card("new-2"), a_card("new-3")]

    assert account_pairs([a_card()], twins) == ()
    assert len(account_pairs([a_card()], [a_card("new-2"), a_card("new-3", brand="MASTERCARD")])) == 1


@pytest.mark.parametrize(
    "number, transfer_number",
    [
        ("0001/12345-6", None),
        ("12345-6", "341/0001/12345-6"),
        ("00123456", "341/1/123456"),
        ("1/12345-6", "341/0001/12345-6"),
    ],
)
def test_number_and_branch_are_the_same_however_a_connector_writes_them(number, transfer_number):
    (found,) = account_pairs([an_account()], [an_account("new-1", number=number, transfer_number=transfer_number)])

    assert found.reason is Reason.SAME_ACCOUNT


def test_a_number_without_its_branch_is_weaker():
    (found,) = account_pairs([an_account()], [an_account("new-1", number="12345-6", transfer_number=None)])

    assert found.reason is Reason.SAME_NUMBER


def test_names_that_a_bank_shortens_are_no_other_owner():
    one = an_account(document=None, owner="ANA S LIMA")
    other = an_account("new-1", document=None, owner="Ana Souza Lima")

    assert len(account_pairs([one], [other])) == 1
    assert account_pairs([one], [dataclasses.replace(other, owner="Bruno Lima")]) == ()


@pytest.mark.parametrize("name", ["Itaú", "ITAU", "Banco Itaú", "Itaú Open Finance"])
def test_a_bank_has_one_name_in_all_its_connectors(name):
    assert bank_name(name) == "itau"
