"""
What goes wrong on purpose (`PUT /_sandbox/faults`).

`requests` is a list of rules, each for an endpoint as it is written in the API's reference
(`GET /items/{id}`, or `*`): the first one that still has `times` left decides an answer.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, get_args

from msgspec import Meta

from pluggy_sandbox.settings import Count
from pluggy_sandbox.wire import fields, switches
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError

Kind = Literal["status", "slow", "drop", "not_found", "empty", "expire_keys", "bad_cursor", "odd_text"]
Chance = Annotated[float, Meta(ge=0, le=1)]
Wait = Annotated[float, Meta(ge=0, le=600)]  # seconds


@dataclass
class RequestFault:
    """One rule about requests."""

    endpoint: str
    do: Kind
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    seconds: Wait = 1.0
    times: Count | None = None  # None: for good
    skip: Count = 0  # how many requests go well first
    chance: Chance = 1.0

    def strikes(self, endpoint: str, dice: random.Random) -> bool:
        """Return whether it hits this request, and count it."""
        if self.endpoint not in ("*", endpoint) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if dice.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class DeliveryFaults:
    """What happens to deliveries: chances from 0 to 1, and seconds between which each one waits."""

    loss: Chance = 0.0
    duplicate: Chance = 0.0
    disorder: bool = False
    delay_seconds: tuple[Wait, Wait] = (0.0, 0.0)

    def wait(self, dice: random.Random) -> float:
        """Return how long one delivery waits first."""
        spread = 0.3 if self.disorder else 0.0
        return dice.uniform(*self.delay_seconds) + dice.uniform(0, spread)


@dataclass
class Faults:
    """All that goes wrong at present."""

    requests: list[RequestFault] = field(default_factory=list)
    deliveries: DeliveryFaults = field(default_factory=DeliveryFaults)
    not_found_after_event: Count = 0  # so many GETs of an Item answer 404 after each of its events

    def striking(self, endpoint: str, dice: random.Random) -> RequestFault | None:
        """Return the fault that hits a request to *endpoint*, or None."""
        return next((fault for fault in self.requests if fault.strikes(endpoint, dice)), None)


def read(body: Json) -> Faults:
    """
    Return the faults that *body* asks for.

    Raises:
        BadRequestError: a name or a kind is unknown, or a value is of the wrong kind.
    """
    rules, deliveries = fields.records(body, "requests") or [], fields.record(body, "deliveries") or {}
    rest = {name: value for name, value in body.items() if name not in ("requests", "deliveries")}
    found = switches.changed(Faults(), rest)
    return replace(found, requests=[_rule(rule) for rule in rules], deliveries=_deliveries(deliveries))


def _rule(body: Json) -> RequestFault:
    if "do" not in body:
        raise BadRequestError(f"do is required, one of {', '.join(get_args(Kind))}")
    return switches.changed(RequestFault("*", "status"), body)


def _deliveries(body: Json) -> DeliveryFaults:
    delay = body.get("delaySeconds")
    if isinstance(delay, int | float):
        body = body | {"delaySeconds": [delay, delay]}
    return switches.changed(DeliveryFaults(), body)
