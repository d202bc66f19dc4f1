"""What the doctor says of Items that may be one, and of Pluggy's list of them. Quotas: `store/test_quotas.py`."""

import dataclasses

from console.checkup import persons
from pluggy_sync.store import item_links, item_list
from pluggy_sync.store.item_links import Maker, State
from pluggy_sync.store.item_list import Check
from tests.kit.factories import an_id

LINKS = "Two Items of one person at one bank"
LIST = "Pluggy's list of Items"


def test_a_link_that_waits_for_a_decision_is_a_heads_up(said, resources):
    assert said(persons.links, resources)[LINKS][0] == "pass"

    with resources.database.begin() as conn:
        item_links.save(
            conn,
            an_id(),
            an_id(),
            state=State.SUGGESTED,
            score=70,
            reasons=["same_number"],
            made_by=Maker.RULE,
            now=resources.now(),
        )

    verdict, detail = said(persons.links, resources)[LINKS]
    assert (verdict, detail.split()[0]) == ("heads-up", "1")


def test_items_that_one_side_lacked_are_a_heads_up_and_a_list_that_is_not_enabled_is_none(said, resources):
    def after(**changes):
        with resources.database.begin() as conn:
            item_list.save(conn, resources.settings.pluggy_client_id, dataclasses.replace(Check(), **changes))
        return said(persons.listed, resources)[LIST][0]

    assert said(persons.listed, resources)[LIST][0] == "pass"
    assert after(refused_at=resources.now()) == "pass"
    assert after(finished_at=resources.now()) == "pass"
    assert after(finished_at=resources.now(), unknown_here=2) == "heads-up"
    assert after(finished_at=resources.now(), unknown_there=1) == "heads-up"
