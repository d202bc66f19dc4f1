"""
A world as it is written down, part by part, and a world made from what was written.

Each part has a version that is cheap to tell and changes whenever the part does, so that only what changed is written
again. Not written: the log of requests, the counters of limits, and where dice stand.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from msgspec import Raw

from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.bank.customers import Customer
from pluggy_sandbox.catalogue.connectors import BY_ID, Health
from pluggy_sandbox.holdings.accounts import HeldAccount
from pluggy_sandbox.holdings.category_rules import CategoryRule
from pluggy_sandbox.holdings.holdings import Holdings
from pluggy_sandbox.holdings.ledger import Ledger, Stored
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.deliveries import Delivery
from pluggy_sandbox.state.faults import Faults
from pluggy_sandbox.state.incidents import Incident
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.keys import Application
from pluggy_sandbox.state.quotas import Quotas
from pluggy_sandbox.state.secrets import Secrets
from pluggy_sandbox.state.webhooks import Webhook
from pluggy_sandbox.state.world import Origin, World
from pluggy_sandbox.wire import records
from pluggy_sandbox.wire.encoding import encode
from pluggy_sandbox.wire.records import embed, read_value, write

Kept = Mapping[str, Mapping[str, bytes]]  # what was written, by kind and key


@dataclass(frozen=True)
class Part:
    """One thing to write. Two parts of one kind and key with the same version are the same."""

    kind: str
    key: str
    version: object
    write: Callable[[], bytes]


@dataclass(frozen=True)
class _Time:
    """The clock: it said *now* when the machine's time was *at*."""

    now: datetime
    at: datetime
    speed: float

    def after(self, real: datetime) -> datetime:
        """Return what it says at the machine's time *real*. A quick clock was not that quick while nobody ran it."""
        return self.now + max(real - self.at, timedelta(0)) * min(self.speed, 1)


@dataclass
class _Rest:
    """All of a world that is not a part of its own."""

    seed: int
    settings: Settings
    numbers: dict[str, int]  # how many of a kind were named
    applications: dict[str, Application]
    generation: int
    health: dict[int, Health]
    quotas: dict[str, Quotas]
    faults: Faults
    deleted: list[str]
    connector_events: int
    evolutions: int
    incidents: dict[str, Incident] = field(default_factory=dict)
    category_rules: dict[str, CategoryRule] = field(default_factory=dict)


def parts(world: World) -> Iterator[Part]:
    """Yield all that *world* consists of, except for its deliveries. The caller holds the lock."""
    yield _small("world", "", encode(_rest(world)))
    yield _clock(world)
    yield Part("secrets", "", (world.secrets.token_pem, world.secrets.parameters_pem), lambda: write(world.secrets))
    for webhook in world.webhooks.values():
        yield _small("webhook", webhook.id, write(webhook))
    for customer in world.customers.values():
        revisions = tuple(account.revision for account in customer.accounts)
        yield Part("customer", customer.key, revisions, partial(_customer, customer))
    for item in world.items.values():
        yield _small("item", item.id, _item(item))
        yield Part("holdings", item.id, item.holdings.revision, partial(_holdings, item.holdings))


def restored(origin: Origin, kept: Kept) -> World:
    """
    Return the world that was kept, with the address and the machine's time of *origin*.

    Nothing goes on in it yet: see `lifecycle.resumption`.

    Raises:
        msgspec.DecodeError, KeyError: *kept* was written by something else.
    """
    rest: _Rest = read_value(_Rest, kept["world"][""])
    time: _Time = read_value(_Time, kept["clock"][""])
    now = time.after(origin.real())
    origin = replace(origin, seed=rest.seed, settings=rest.settings, start=now, speed=time.speed)
    world = World(origin, records.read(Secrets, kept["secrets"][""]))
    with world.lock:
        _put_rest(world, rest)
        for raw in kept.get("webhook", {}).values():
            webhook = records.read(Webhook, raw)
            world.webhooks[webhook.id] = webhook
        for raw in kept.get("customer", {}).values():
            customer = _read_customer(world, raw)
            world.customers[customer.key] = customer
        accounts = {account.key: account for customer in world.customers.values() for account in customer.accounts}
        for item_id, raw in kept.get("item", {}).items():
            holdings = _read_holdings(world, accounts, kept["holdings"][item_id])
            connector = BY_ID[read_value(int, records.parts(raw)["connector_id"])]
            world.items[item_id] = records.read(Item, raw, connector=connector, holdings=holdings)
        deliveries = (read_value(Delivery, raw) for raw in kept.get("delivery", {}).values())
        world.courier.log.extend(sorted(deliveries, key=lambda delivery: delivery.number))
        world.courier.count = max((delivery.number for delivery in world.courier.log), default=0)
    return world


def _small(kind: str, key: str, written: bytes) -> Part:
    return Part(kind, key, written, lambda: written)


def _rest(world: World) -> _Rest:
    return _Rest(
        seed=world.ids.seed,
        settings=world.settings,
        numbers=world.ids.counters,
        applications=world.keyring.applications,
        generation=world.keyring.generation,
        health=world.health,
        quotas=world.quotas,
        faults=world.faults,
        deleted=sorted(world.deleted),
        connector_events=world.connector_events,
        evolutions=world.evolutions,
        incidents=world.incidents,
        category_rules=world.category_rules,
    )


def _put_rest(world: World, rest: _Rest) -> None:
    world.ids.counters = rest.numbers
    for client_id, kept in rest.applications.items():
        given = world.keyring.applications.get(client_id)  # at this start, with the secret that is good now
        world.keyring.applications[client_id] = replace(kept, client_secret=given.client_secret) if given else kept
    world.keyring.generation = rest.generation
    world.health, world.quotas = rest.health, rest.quotas
    world.deleted = set(rest.deleted)
    world.connector_events, world.evolutions = rest.connector_events, rest.evolutions
    world.incidents, world.category_rules = rest.incidents, rest.category_rules
    world.suffer(rest.faults)


def _clock(world: World) -> Part:
    clock = world.clock
    time = _Time(clock.now, clock.seen, clock.speed)
    # A clock that just runs on need not be written again.
    began = clock.now.timestamp() - clock.seen.timestamp() * clock.speed
    version = clock.speed, round(began, 3)
    return Part("clock", "", version, lambda: encode(time))


def _item(item: Item) -> bytes:
    return write(item, without=("connector", "holdings"), connector_id=item.connector.id)


def _customer(customer: Customer) -> bytes:
    accounts = [embed(write(account, without=("day_of", "dice", "_waiting"))) for account in customer.accounts]
    return write(customer, without=("dice", "accounts"), accounts=accounts)


def _read_customer(world: World, raw: bytes) -> Customer:
    customer = records.read(Customer, raw, dice=world.ids.chance, accounts=[])
    for part in read_value(list[Raw], records.parts(raw)["accounts"]):
        kind, number = (read_value(str, records.parts(part)[name]) for name in ("type", "number"))
        day_of = customer.day_of(kind, number)
        customer.accounts.append(records.read(Account, part, day_of=day_of, dice=world.ids.chance))
    return customer


def _holdings(holdings: Holdings) -> bytes:
    accounts = [embed(_held(held)) for held in holdings.accounts.values()]
    return write(holdings, without=("make_id", "accounts"), accounts=accounts)


def _held(held: HeldAccount) -> bytes:
    rows = list(held.ledger.by_id.values())
    ledger = write(held.ledger, without=("by_id", "by_mark", "_order"), rows=rows)
    return write(held, without=("source", "ledger"), source=held.source.key, ledger=embed(ledger))


def _read_holdings(world: World, sources: Mapping[str, Account], raw: bytes) -> Holdings:
    holdings = records.read(Holdings, raw, make_id=world.ids.of, accounts={})
    for part in read_value(list[Raw], records.parts(raw)["accounts"]):
        written = records.parts(part)
        ledger = records.read(Ledger, written["ledger"])
        for row in read_value(list[Stored], records.parts(written["ledger"])["rows"]):
            ledger.put(row)
        source = sources[read_value(str, written["source"])]
        held = records.read(HeldAccount, part, source=source, ledger=ledger)
        holdings.accounts[held.id] = held
    return holdings
