"""
Storing deliveries: as events that are handled soon, or kept for an operator when nothing can be done with them.

What a delivery says is read first, which asks nobody. Then a batch of them is stored at once.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
import structlog

from pluggy_sync import events, queue, spill, tracing
from pluggy_sync.resources import Resources
from pluggy_sync.spill import SpillFile
from pluggy_sync.store import inbox
from pluggy_sync.store.inbox import Arrival, Fate

log = structlog.get_logger(__name__)

Store = Callable[[Sequence[Arrival]], list[Fate]]


class Result(StrEnum):
    """What became of a delivery. It is on a disk in each case but the last two."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    KEPT = "kept"
    # Postgres is away. It waits in the spill of this process.
    SPILLED = "spilled"
    # Somebody holds its Item: it may be tried again.
    BUSY = "busy"
    # Postgres refuses it, though it takes others.
    REFUSED = "refused"


STORED = frozenset({Result.RECORDED, Result.REPEATED, Result.KEPT})
# Deliveries of a spill that are stored at once.
DRAINED_AT_ONCE = 200


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """
    A body of Pluggy's, and what of it is stored. *fault*: why nothing in it can be read; None unless it came packed
    and cannot be unpacked.
    """

    body: bytes
    received_at: datetime
    fault: str | None
    arrival: Arrival

    @property
    def is_event(self) -> bool:
        """Whether it is an event to handle."""
        return self.arrival.state == "stored"

    def about(self) -> dict[str, Any]:
        """Return what a line of the log says of it."""
        connector_id = (self.arrival.payload or {}).get("connectorId")
        return {
            "event_id": self.arrival.event_id,
            "item_id": self.arrival.item_id,
            "event_name": self.arrival.name,
            **({"connector_id": connector_id} if type(connector_id) is int else {}),
        }


def read(body: bytes, *, received_at: datetime, client_id: str, fault: str | None = None) -> Delivery:
    """Return the delivery of *body*, read as far as it can be. *client_id* is ours; *fault* as in `Delivery`."""
    arrival = _arrival(body, received_at, client_id) if fault is None else _unparsable(body, received_at, fault)
    return Delivery(body=body, received_at=received_at, fault=fault, arrival=arrival)


def _arrival(body: bytes, received_at: datetime, client_id: str) -> Arrival:
    try:
        event = events.parse(body)
    except events.UnparsableError as exc:
        return _unparsable(body, received_at, str(exc))
    if event.client_id is not None and event.client_id != client_id:
        return _foreign(event, received_at)
    if not event.can_be_acted_on:
        return _unparsable(body, received_at, f"missing or wrong: {', '.join(event.unread)}", unread=event.unread)
    return inbox.arrival_of(event, received_at=received_at, raw=body if event.unread else None)


def _unparsable(body: bytes, received_at: datetime, why: str, unread: tuple[str, ...] = ()) -> Arrival:
    event_id = events.id_of_body(body)
    log.error("webhook.unparsable", event_id=event_id, reason=why, next="kept for an operator")
    return Arrival(
        event_id=event_id,
        name=events.UNPARSABLE,
        raw=body,
        unread=unread or ("body",),
        received_at=received_at,
        due_at=received_at,
        state="handled",
        outcome="unparsable",
    )


def _foreign(event: events.Event, received_at: datetime) -> Arrival:
    """Return what is stored of what is authentic but of another application; it is never acted on."""
    log.error("webhook.foreign", event_id=event.event_id, reason="clientId is not ours", next="kept, not handled")
    return Arrival(
        event_id=event.event_id,
        name=event.name,
        account_id=event.account_id,
        payload=event.essence(),
        received_at=received_at,
        due_at=received_at,
        state="handled",
        outcome="foreign",
    )


class Batch:
    """Deliveries that are stored together, in their order. `results` has what became of each, None while unknown."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries = deliveries
        self.results: list[Result | None] = [None] * len(deliveries)

    def store(self, store: Store) -> None:
        """
        Store them by *store*, which is `inbox.store_alone`. One that Postgres refuses fails no other.

        Raises:
            SQLAlchemyError, psycopg.Error: Postgres does not answer, or cannot write. What is stored by then has its
                result.
        """
        waiting = list(range(len(self.deliveries)))
        while waiting:
            turn = self._turn(waiting)
            self._store(store, turn)
            # Left over: a second one with the same id, and one whose id turned out to be that of another happening.
            waiting = [number for number in waiting if self.results[number] is None]

    def _turn(self, waiting: Sequence[int]) -> list[int]:
        """Return the first of each event id."""
        first: dict[str, int] = {}
        for number in waiting:
            first.setdefault(self.deliveries[number].arrival.event_id, number)
        return list(first.values())

    def _store(self, store: Store, numbers: list[int]) -> None:
        try:
            fates = store([self.deliveries[number].arrival for number in numbers])
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, ValueError, TypeError) as exc:
            self._store_apart(store, numbers, exc)
            return
        for number, fate in zip(numbers, fates, strict=True):
            self._note(number, fate)

    def _note(self, number: int, fate: Fate) -> None:
        delivery = self.deliveries[number]
        if fate is Fate.ANOTHER:
            delivery.arrival = delivery.arrival.as_another()
        elif fate is Fate.BUSY:
            self.results[number] = Result.BUSY
        elif not delivery.is_event:
            self.results[number] = Result.KEPT
        else:
            self.results[number] = Result.RECORDED if fate is Fate.STORED else Result.REPEATED

    def _store_apart(self, store: Store, numbers: list[int], exc: Exception) -> None:
        """Find the one that Postgres refuses, by halves, and store it without its payload."""
        if len(numbers) > 1:
            half = len(numbers) // 2
            self._store(store, numbers[:half])
            self._store(store, numbers[half:])
            return
        (number,) = numbers
        delivery = self.deliveries[number]
        if delivery.arrival.unread[-1:] != ("payload",) and delivery.is_event:
            delivery.arrival = _without_payload(delivery)
            self._store(store, numbers)
            return
        log.error("webhook.refused_by_postgres", **delivery.about(), exc_info=exc, next="Pluggy sends it again")
        self.results[number] = Result.REFUSED


def _without_payload(delivery: Delivery) -> Arrival:
    """Return an event whose payload Postgres cannot hold. What we understand of it, it can."""
    essence = events.parse(delivery.body).essence()
    arrival = delivery.arrival
    return replace(arrival, payload=essence, raw=delivery.body, unread=(*arrival.unread, "payload"))


def messages(stored: Iterable[tuple[Delivery, Result]]) -> list[queue.Message]:
    """Return what has to be queued of *stored* deliveries, repeats included: a repeat repairs what Redis lost."""
    return [_message(delivery, result) for delivery, result in stored if delivery.is_event]


def _message(delivery: Delivery, result: Result) -> queue.Message:
    arrival = delivery.arrival
    trace = tracing.received(arrival.event_id, delivery.received_at, is_first=result is Result.RECORDED)
    return queue.Message(queue.task_of_event(arrival.name), arrival.event_id, trace)


def drain(res: Resources, file: SpillFile, store: Store) -> None:
    """
    Bring what waits in *file* into Postgres, in its order. One that cannot be stored now stays, and stops no other.

    Raises:
        SQLAlchemyError, psycopg.Error: Postgres is away. What is not there yet is still in the file.
        SpillError: the file cannot be read or written.
    """
    after = 0
    while page := file.page(after=after, limit=DRAINED_AT_ONCE):
        after = page[-1].id
        ids = [each.id for each in page if each.body is not None]
        batch = Batch(
            [
                read(
                    each.body,
                    received_at=each.received_at,
                    client_id=res.settings.pluggy_client_id,
                    fault=each.fault,
                )
                for each in page
                if each.body is not None
            ]
        )
        try:
            batch.store(store)
        finally:
            stored = {number: result for number, result in enumerate(batch.results) if result in STORED}
            file.remove([ids[number] for number in stored])
            res.publisher.publish(messages((batch.deliveries[number], result) for number, result in stored.items()))
            if stored:
                log.info("spill.drained", count=len(stored), left=file.count)
        if len(ids) < len(page):
            log.error(
                "spill.sealed_by_another_key", count=len(page) - len(ids), next="start with the former SECRET_KEY"
            )


def adopt(res: Resources, folder: Path, store: Store) -> int:
    """
    Bring into Postgres what dead processes left in *folder*; return how many files were emptied and removed.

    Raises:
        SQLAlchemyError, psycopg.Error: Postgres is away. What is not there yet is still in the files.
    """
    emptied = 0
    for file in spill.adopt(folder, spill.box_of(res.settings.secret_key, *res.settings.previous_secret_keys)):
        with closing(file):
            log.warning("spill.adopted", file=file.path.name, count=file.count)
            drain(res, file, store)
            emptied += not file.count
    return emptied
