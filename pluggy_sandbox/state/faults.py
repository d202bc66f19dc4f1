"""
What goes wrong on purpose (`PUT /_sandbox/faults`).

`requests` is a list of rules, each for an endpoint as it is written in the API's reference
(`GET /items/{id}`, or `*`): the first one that still has `times` left decides an answer.
"""

import random
from dataclasses import dataclass, field, fields
from typing import TypeVar

from pluggy_sandbox.settings import camel
from pluggy_sandbox.wire.encoding import Json

KINDS = ("status", "slow", "drop", "not_found", "empty", "expire_keys", "bad_cursor")


@dataclass
class RequestFault:
    """One rule about requests."""

    endpoint: str
    do: str
    status: int = 503
    seconds: float = 1.0
    times: int | None = None  # None: for good
    skip: int = 0  # how many requests go well first
    chance: float = 1.0

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

    loss: float = 0.0
    duplicate: float = 0.0
    disorder: bool = False
    delay_seconds: tuple[float, float] = (0.0, 0.0)

    def wait(self, dice: random.Random) -> float:
        """Return how long one delivery waits first."""
        spread = 0.3 if self.disorder else 0.0
        return dice.uniform(*self.delay_seconds) + dice.uniform(0, spread)


@dataclass
class Faults:
    """All that goes wrong at present."""

    requests: list[RequestFault] = field(default_factory=list)
    deliveries: DeliveryFaults = field(default_factory=DeliveryFaults)
    not_found_after_event: int = 0  # so many GETs of an Item answer 404 after each of its events

    def striking(self, endpoint: str, dice: random.Random) -> RequestFault | None:
        """Return the fault that hits a request to *endpoint*, or None."""
        return next((fault for fault in self.requests if fault.strikes(endpoint, dice)), None)

    def as_json(self) -> Json:
        """Return what goes wrong, as it is written on the wire."""
        return {
            "requests": [_plain(rule) for rule in self.requests],
            "deliveries": _plain(self.deliveries),
            "notFoundAfterEvent": self.not_found_after_event,
        }


_Rule = TypeVar("_Rule", RequestFault, DeliveryFaults)


def read(body: Json) -> Faults:
    """
    Return the faults that *body* asks for.

    Raises:
        ValueError: a key or a kind is unknown.
    """
    unknown = set(body) - {"requests", "deliveries", "notFoundAfterEvent"}
    if unknown:
        raise ValueError(f"unknown fault: {', '.join(sorted(unknown))}")
    deliveries = dict(body.get("deliveries") or {})
    if "delaySeconds" in deliveries:
        deliveries["delaySeconds"] = _span(deliveries["delaySeconds"])
    return Faults(
        [_rule(rule) for rule in body.get("requests") or []],
        _made(DeliveryFaults, deliveries),
        int(body.get("notFoundAfterEvent") or 0),
    )


def _rule(body: Json) -> RequestFault:
    rule = _made(RequestFault, {"endpoint": "*", **body})
    if rule.do not in KINDS:
        raise ValueError(f"do must be one of {', '.join(KINDS)}")
    return rule


def _made(kind: type[_Rule], body: Json) -> _Rule:
    names = {camel(field.name): field.name for field in fields(kind)}
    unknown = set(body) - set(names)
    if unknown:
        raise ValueError(f"unknown key: {', '.join(sorted(unknown))}")
    return kind(**{names[key]: value for key, value in body.items()})


def _span(value: object) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2:
        return float(value[0]), float(value[1])
    if isinstance(value, int | float):
        return float(value), float(value)
    raise ValueError("delaySeconds is a number or a pair of numbers")


def _plain(record: RequestFault | DeliveryFaults) -> Json:
    values = {camel(field.name): getattr(record, field.name) for field in fields(record)}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
