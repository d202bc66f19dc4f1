"""
The central bank's credit registry, SCR, as Pluggy forwards it for an Item's document (Pluggy facts 13.13).

The sandbox's payload is made up from the document and the month, so that the same question has the same answer.
"""

import re
from datetime import date
from typing import Any

from pluggy_sandbox.bank.card import add_months
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json, cents
from pluggy_sandbox.wire.errors import BadRequestError, UnprocessableError
from pluggy_sandbox.wire.instants import day_in_brazil

_MONTH = re.compile(r"^[0-9]{4}(0[1-9]|1[0-2])$")
_MOST_MONTHS = 60
_BEHIND = 2  # months after which a base date is closed
_USUAL = 3  # months before the last one that are consulted where the request does not say
_MODALITIES = ("0203", "0204", "0218", "0401", "0901")
_VERTICES = ("v20", "v110", "v120", "v130", "v140", "v150", "v160")


def of_item(world: World, item: Item, first: str | None, last: str | None) -> Json:
    """
    Return what the registry has from month *first* to month *last*, both YYYYMM and None for the usual ones.

    Raises:
        BadRequestError: SCR_INVALID_REQUEST, for months that are none, in the wrong order or too many.
        UnprocessableError: the Item has no Open Finance consent that lives, or no document.
    """
    document = re.sub(r"[^0-9]", "", item.credentials.parameters.get("cpf", ""))
    if not item.connector.is_open_finance or not document or item.authorization.is_revoked:
        raise UnprocessableError("SCR is available for Open Finance items whose document is known")
    today = day_in_brazil(world.clock.now).replace(day=1)
    until = _month(last) if last else add_months(today, -_BEHIND)
    since = _month(first) if first else add_months(until, -_USUAL)
    months = (until.year - since.year) * 12 + until.month - since.month + 1
    if not 1 <= months <= _MOST_MONTHS:
        raise BadRequestError(f"from must be at most {_MOST_MONTHS - 1} months before to", "SCR_INVALID_REQUEST")
    consulted = [add_months(since, n) for n in range(months)]
    return {
        "dtbConsult": ",".join(f"{month:%Y%m}" for month in consulted),
        "cdCli": document,
        "tpCli": "1",
        "lsDtb": [_base_date(world, document, month, add_months(today, -_BEHIND)) for month in consulted],
        "listaDeMensagensDeValidacao": [],
    }


def _month(text: str) -> date:
    if not _MONTH.match(text) or text < "0100":
        raise BadRequestError("from and to must be base dates as YYYYMM", "SCR_INVALID_REQUEST")
    return date(int(text[:4]), int(text[4:]), 1)


def _base_date(world: World, document: str, month: date, closed: date) -> Json:
    head: Json = {"dtb": int(f"{month:%Y%m}")}
    if month > closed:
        return head | {"msg": "Data-base não disponível para consulta", "lsOp": []}
    dice = world.ids.chance("scr", document, month)
    return head | {
        "docProc": "99.9",
        "volProc": "99.8",
        "qtdIfs": 2,
        "qtdCongFinc": 2,
        "dtbIniRel": "201504",
        "coobAss": 0,
        "coobRec": 0,
        "lsOp": [_operation(dice, modality) for modality in _MODALITIES[: dice.randint(1, len(_MODALITIES))]],
    }


def _operation(dice: Any, modality: str) -> Json:
    balances = {vertex: cents(dice.randrange(20_000, 900_000)) for vertex in _VERTICES[: dice.randint(1, 7)]}
    return {"mod": modality, "oriRec": "0199", "indx": "11", "varCamb": "790", "resVenc": balances, "lsGar": []}
