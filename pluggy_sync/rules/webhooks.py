"""
Whether the webhooks at Pluggy are as we need them: for `pluggy-sync webhooks`, the doctor and the watchdog alike.

Ours are those whose address is that of our intake. An application may have others, of other environments.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from pluggy_sync import events
from pluggy_sync.pluggy.payloads import Webhook

PATH = "/webhooks/pluggy"
ALL = "all"

# Without these something would be found late, or never.
NEEDED = frozenset(
    {
        events.ITEM_CREATED,
        events.ITEM_UPDATED,
        events.ITEM_ERROR,
        events.ITEM_DELETED,
        events.ITEM_WAITING_USER_INPUT,
        events.ITEM_WAITING_USER_ACTION,
        events.TRANSACTIONS_CREATED,
        events.TRANSACTIONS_UPDATED,
        events.TRANSACTIONS_DELETED,
        events.CONNECTOR_STATUS_UPDATED,
    }
)


class FaultKind(StrEnum):
    """What may be wrong with our registration."""

    MISSING = "missing"
    SWITCHED_OFF = "switched off"
    EVENTS = "events"
    SECRET = "secret"  # noqa: S105 - a name of a fault
    DUPLICATED = "duplicated"


class SecretState(StrEnum):
    """Whether the deliveries of a webhook carry a secret that we take, as far as Pluggy shows its headers."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    NOT_SHOWN = "not shown by Pluggy"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """*webhook_id* None: it is about all of them. *detail* shows no secret."""

    kind: FaultKind
    detail: str
    webhook_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How our webhook has to be: our address, and a header with one of the secrets."""

    url: str
    header: str
    secrets: Collection[str] = field(repr=False)


def ours(webhooks: Sequence[Webhook], url: str) -> list[Webhook]:
    """Return the webhooks to the address *url*, oldest first."""
    found = [each for each in webhooks if _same(each.url, url)]
    return sorted(found, key=lambda each: 0.0 if each.created_at is None else each.created_at.timestamp())


def _same(one: str, other: str) -> bool:
    return _address(one) == _address(other)


def _address(url: str) -> tuple[str, str | None, int | None, str]:
    """Return scheme, host, port and path of *url*; without a host, and equal to no other, if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url, None, None, ""
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


def faults(webhooks: Sequence[Webhook], wanted: Wanted) -> list[Fault]:
    """Return what is wrong with our registration; nothing: all is well."""
    found = ours(webhooks, wanted.url)
    if not found:
        return [Fault(kind=FaultKind.MISSING, detail=_missing(webhooks))]
    on = [each for each in found if each.disabled_at is None]
    off = [
        Fault(
            kind=FaultKind.SWITCHED_OFF,
            webhook_id=each.id,
            detail=f"{each.id} ({each.event}) since {each.disabled_at:%Y-%m-%d %H:%M}Z",
        )
        for each in found
        if each.disabled_at is not None
    ]
    secrets = [_secret(each, wanted) for each in on]
    return [*off, *(each for each in secrets if each is not None), *_events(on), *_duplicates(on)]


def _missing(webhooks: Sequence[Webhook]) -> str:
    elsewhere = [each.id for each in webhooks if _address(each.url)[3] == PATH]
    said = f"none of the {len(webhooks)} webhooks is to our address"
    return f"{said}; with our path, but to another host: {', '.join(elsewhere)}" if elsewhere else said


def secret_of(webhook: Webhook, wanted: Wanted) -> SecretState:
    """Return whether the webhook carries one of our secrets."""
    if webhook.headers is None:
        return SecretState.NOT_SHOWN
    given = {name.lower(): value for name, value in webhook.headers.items()}.get(wanted.header.lower())
    if given is None:
        return SecretState.MISSING
    return SecretState.RIGHT if given in wanted.secrets else SecretState.WRONG


_OF_SECRET = {
    SecretState.MISSING: "lacks the header",
    SecretState.WRONG: "has none of WEBHOOK_SECRETS in the header",
}


def _secret(webhook: Webhook, wanted: Wanted) -> Fault | None:
    what = _OF_SECRET.get(secret_of(webhook, wanted))
    if what is None:
        return None
    return Fault(kind=FaultKind.SECRET, webhook_id=webhook.id, detail=f"{webhook.id} {what} {wanted.header}")


def _events(on: Sequence[Webhook]) -> list[Fault]:
    told = {each.event for each in on}
    missing = sorted(NEEDED - told)
    if not on or ALL in told or not missing:
        return []
    return [Fault(kind=FaultKind.EVENTS, detail=f"nothing is told of {', '.join(missing)}")]


def _duplicates(on: Sequence[Webhook]) -> list[Fault]:
    told = [each.event for each in on]
    if len(told) == len(set(told)) and (ALL not in told or len(told) == 1):
        return []
    return [Fault(kind=FaultKind.DUPLICATED, detail=f"{', '.join(each.id for each in on)} deliver the same events")]
