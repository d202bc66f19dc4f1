"""
Whether Pluggy's 404 for an Item is believed, and whether it means that the Item is gone.

A 404 alone proves nothing: right after an event Pluggy may answer it, and with the keys of another application every
Item is a 404 (decision 15).
"""

from dataclasses import dataclass

from pluggy_sync.rules.contradictions import Contradiction, is_believed


def is_checked(*, told: bool, refetches: int) -> bool:
    """
    Return whether it is time to ask for a witness. If not, the Item is fetched again.

    *told*: an `item/deleted` said that it is gone. *refetches*: how often it was fetched again and was a 404.
    """
    return told or is_believed(Contradiction.NOT_FOUND, refetches=refetches)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    What is known beside the 404.

    *witness_shown*: Pluggy shows another Item of ours now. *witnesses_asked*: how many others it was asked for.
    *told*: an `item/deleted`, or the product, said that the Item is gone. *never_seen*: Pluggy never showed it.
    *same_application*: Pluggy showed it to the application whose keys we use now.
    """

    witness_shown: bool
    witnesses_asked: int
    told: bool
    never_seen: bool
    same_application: bool


def is_gone(evidence: Evidence) -> bool:
    """
    Return whether the Item is gone.

    It is if a witness is shown. If we have no other Item to ask for, it is in three cases: the deletion was told;
    Pluggy showed this Item to the same application before; or the Item was never seen, and nothing is lost. In all
    other cases our credentials may be wrong.
    """
    if evidence.witness_shown:
        return True
    nobody_to_ask = evidence.witnesses_asked == 0
    return nobody_to_ask and (evidence.told or evidence.never_seen or evidence.same_application)
