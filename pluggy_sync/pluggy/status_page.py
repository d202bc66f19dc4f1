"""
Pluggy's public status page (Pluggy facts 13.4). It needs no key, and is asked no more than once a minute.

Tests: `engine/test_incidents.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from pluggy_sync import tls, wire
from pluggy_sync.pluggy import fields, payloads
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.pluggy.exchange import Exchange, Hooks
from pluggy_sync.pluggy.payloads import Incident
from pluggy_sync.settings import Settings

PATH = "/api/connectors-incidents"
# Nobody waits for it.
TOTAL_S = 10.0


def incidents(settings: Settings, url: str) -> Mapping[int, Sequence[Incident]]:
    """
    Return what goes on now, by the connector's id.

    Raises:
        PluggyUnavailableError: the page does not answer, or not as it should.
    """
    with httpx.Client(
        base_url=url, follow_redirects=False, headers={"User-Agent": "pluggy-sync"}, verify=tls.context()
    ) as http:
        exchange = Exchange(http, total_s=min(TOTAL_S, settings.pluggy_timeout_s), hooks=Hooks())
        answer = exchange.send("GET", PATH)
    if not answer.is_success:
        raise PluggyUnavailableError(f"{answer.status} for GET {PATH} of the status page")
    try:
        body: Any = wire.decode(answer.content)
    except ValueError:
        body = None
    found = fields.object_of(body.get("connectors")) if isinstance(body, dict) else None
    if found is None:
        raise PluggyUnavailableError("the status page does not name connectors")
    return {int(name): payloads.incidents(each) for name, each in found.items() if name.isdecimal() and len(name) < 19}
