"""Which screen a person sees, decided purely from the action and the clock."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from pluggy_sync import wire
from pluggy_sync.pluggy import fields
from pluggy_sync.rules.needs import Kind
from pluggy_sync.rules.statuses import WAITING


class Screen(StrEnum):
    """The screens of the page; each is one block of the template."""

    FORM = "form"  # give a code, a choice, what a picture shows
    START = "start"  # start the update again: the bank asks for its code during it
    QR = "qr"  # point the bank's app at a code
    GO_TO_BANK = "go_to_bank"  # authorise at the bank's own page
    CONNECT = "connect"  # give credentials or renew the consent, in Pluggy Connect
    AT_BANK = "at_bank"  # do something at the bank, then say so
    APPROVE = "approve"  # approve at the bank; it goes on by itself
    NOT_POSSIBLE = "not_possible"  # nobody can do anything about it here
    AWAY = "away"  # the bank is offline: nothing can be done until it is back
    WAIT = "wait"  # after failed logins, not before some time
    PROGRESS = "progress"
    DONE = "done"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


# On these something goes on without the person: the page follows it.
FOLLOWED = frozenset({Screen.QR, Screen.APPROVE, Screen.GO_TO_BANK, Screen.PROGRESS, Screen.EXPIRED})

# Where the request ends, and the way back is all that is left.
ENDS = frozenset({Screen.DONE, Screen.EXPIRED, Screen.CANCELLED, Screen.NOT_POSSIBLE})

# At the bank first, and then new credentials.
THEN_CREDENTIALS = frozenset({"ACCOUNT_LOCKED", "ACCOUNT_CREDENTIALS_RESET"})


class Action(Protocol):
    """The columns of an action that a screen depends on."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def parameter(self) -> Any: ...
    @property
    def user_action(self) -> Any: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def retry_at(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A screen, and a mark that changes whenever what it shows does."""

    screen: Screen
    version: str


_TEXTS_OF_PARAMETER = (
    *("name", "type", "label", "placeholder", "assistiveText", "instructions", "data"),
    *("validation", "validationMessage"),
)


def parameter_of(action: Action) -> dict[str, Any] | None:
    """Return what the bank asks for, without what the page cannot show; None if nothing is asked."""
    found = fields.object_of(action.parameter)
    if found is None:
        return None
    options = [
        {"value": value, "label": fields.text(each.get("label"))}
        for each in fields.objects(found.get("options"))
        if (value := fields.text(each.get("value"))) is not None
    ]
    return {name: fields.text(found.get(name)) for name in _TEXTS_OF_PARAMETER} | {"options": options}


def user_action_of(action: Action) -> dict[str, Any] | None:
    """Return what the person must do at the bank, likewise: `type`, `instructions` and the texts of `attributes`."""
    found = fields.object_of(action.user_action)
    if found is None:
        return None
    attributes = fields.object_of(found.get("attributes")) or {}
    return {
        "type": fields.text(found.get("type")),
        "instructions": fields.text(found.get("instructions")),
        "attributes": {name: value for name, value in attributes.items() if isinstance(value, str)},
    }


def shown(action: Action, now: datetime, *, offline: bool) -> Shown:
    """Return the screen for *action* at *now*; *offline*: its bank is, as last heard."""
    screen = _screen_of(action, now, offline=offline)
    parts = (
        action.id,
        screen,
        action.state,
        action.outcome,
        action.parameter,
        action.user_action,
        wire.to_text(action.expires_at),
        wire.to_text(action.retry_at),
    )
    return Shown(screen=screen, version=hashlib.sha256(wire.encode(parts)).hexdigest()[:16])


def _screen_of(action: Action, now: datetime, *, offline: bool) -> Screen:
    settled = {"submitted": Screen.PROGRESS, "resolved": Screen.DONE, "expired": Screen.EXPIRED}
    if action.state in settled:
        return settled[action.state]
    if action.state == "superseded":
        return Screen.CANCELLED
    if action.expires_at is not None and action.expires_at <= now:
        return Screen.EXPIRED
    if offline and action.reason not in WAITING:
        # An execution that waits for its person goes on as long as it does.
        return Screen.AWAY
    if action.retry_at is not None and action.retry_at > now:
        return Screen.WAIT
    return _of_open(action)


def _of_open(action: Action) -> Screen:
    if action.kind == Kind.MFA:
        return Screen.START if parameter_of(action) is None else Screen.FORM
    if action.kind == Kind.AUTHORIZE:
        return _of_authorization(action)
    if action.reason == "USER_NOT_SUPPORTED":
        return Screen.NOT_POSSIBLE
    if action.kind == Kind.BANK and action.reason not in THEN_CREDENTIALS:
        return Screen.APPROVE if action.reason == "USER_AUTHORIZATION_PENDING" else Screen.AT_BANK
    return Screen.CONNECT


def _of_authorization(action: Action) -> Screen:
    if bank_address(action) is not None:
        return Screen.GO_TO_BANK
    if (user_action_of(action) or {}).get("type") == "qr":
        return Screen.QR
    return Screen.APPROVE


_DIGITS_ONLY = re.compile(r"\^?(?:\\d|\[0-9\])(?:[+*]|\{\d+(?:,\d*)?\})?\$?")
# How a code is grouped when it is copied from a message.
_GROUPING = re.compile(r"[\s.\u2010-\u2015-]+")


def wants_digits(parameter: Mapping[str, Any]) -> bool:
    """Return whether the bank asks for digits and nothing else."""
    return parameter.get("type") == "number" or bool(_DIGITS_ONLY.fullmatch(parameter.get("validation") or ""))


def as_asked(value: str, parameter: Mapping[str, Any]) -> str:
    """Return what the person gave without what a paste brought along: `123 456` is the code `123456`."""
    joined = _GROUPING.sub("", value)
    is_code = wants_digits(parameter) and joined.isascii() and joined.isdecimal()
    return joined if is_code else value.strip()


def bank_address(action: Action) -> str | None:
    """Return the address of the bank's page at which to authorise, if it is a web address."""
    address = (parameter_of(action) or {}).get("data")
    parts = None if address is None else parts_of(address)
    if parts is None:
        return None
    # Plain http only for a stand-in on the same machine.
    return address if parts.scheme == "https" or (parts.scheme, parts.hostname) == ("http", "127.0.0.1") else None


def parts_of(address: str) -> SplitResult | None:
    """Return the parts of an address; None if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return None
