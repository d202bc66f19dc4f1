"""What a process needs for its work: connections to Postgres, Redis, Pluggy and the product, and the settings."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from sqlalchemy import Engine

from pluggy_sync import queue
from pluggy_sync.breaker import Breaker
from pluggy_sync.page_links import PageLinks
from pluggy_sync.pluggy.client import PluggyClient, create_client
from pluggy_sync.pluggy.exchange import Hooks, shape
from pluggy_sync.pluggy_clock import PluggyClock
from pluggy_sync.product_client import ProductClient
from pluggy_sync.radar import Radar
from pluggy_sync.redis_options import redis_options
from pluggy_sync.settings import Settings
from pluggy_sync.store import erased
from pluggy_sync.store.database import WORKER, Bounds, create_engine
from pluggy_sync.tallies import PLUGGY_REQUESTS, Tallies, of_endpoint
from pluggy_sync.texts import catalogue
from pluggy_sync.texts.catalogue import Product, Texts
from pluggy_sync.transaction import Transaction


@dataclass(frozen=True, kw_only=True)
class Resources:
    """One process's connections. Every function of the engine is handed these."""

    settings: Settings
    database: Engine
    pluggy: PluggyClient
    pluggy_clock: PluggyClock
    product: ProductClient
    redis: redis.Redis
    # Guards what web requests ask of Redis: they must not each wait for a Redis that does not answer.
    redis_breaker: Breaker
    sender: queue.Sender
    # For whoever must not wait for Redis at all.
    publisher: queue.Publisher
    # What is counted that leaves no row.
    tallies: Tallies
    # Signs that Pluggy's API changes.
    radar: Radar
    links: PageLinks
    texts: Texts
    now: Callable[[], datetime]
    # Ends the threads that use the connections, before these are closed.
    before_close: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """End the threads that use the connections, and close these."""
        self.before_close.close()
        self.publisher.close()
        self.sender.close()
        self.tallies.close()
        self.pluggy.close()
        self.product.close()
        self.redis.close()
        self.database.dispose()

    def pluggy_now(self) -> datetime:
        """Return what Pluggy's clock shows now. Pluggy's deadlines pass by it."""
        return self.now() - timedelta(seconds=self.pluggy_clock.ahead_s)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """
        Open a transaction, commit it at the end of the block, and then queue what the block asked for.

        An exception rolls it back, and nothing is queued.
        """
        with self.database.begin() as conn:
            tx = Transaction(conn=conn)
            yield tx
        if tx.queued:
            self.send(tx.queued)

    def send(self, messages: Sequence[queue.Message]) -> None:
        """Queue *messages* soon; if Redis does not take them, the sweep sends them later."""
        self.redis_breaker.call(lambda: self.sender.send(messages) or None)


def create_resources(settings: Settings, bounds: Bounds = WORKER, *, pool_size: int = 5) -> Resources:
    """Return the connections for *settings*; nothing connects before it is used. The caller closes them."""
    redis_client = redis_options(settings.redis_url).client(connect_timeout_s=1, timeout_s=2)
    pluggy = create_client(settings, redis_client)
    database = create_engine(settings.database_url, bounds, schema=settings.database_schema, pool_size=pool_size)
    erased.guard(database, erased.box(settings.secret_key, *settings.previous_secret_keys))
    redis_breaker, sender = Breaker(), queue.Sender(settings.redis_url)
    # Deployments for several applications may share one Redis.
    tallies = Tallies(redis_client, f"pluggy-sync:tallies:{settings.pluggy_client_id}")
    _count_requests(pluggy.hooks, tallies)
    radar = Radar(redis_client, redis_breaker, tallies, f"pluggy-sync:radar:{settings.pluggy_client_id}")
    pluggy.hooks.answered.append(radar.look_at_answer)
    return Resources(
        settings=settings,
        database=database,
        pluggy=pluggy,
        pluggy_clock=PluggyClock(redis_client, lambda: pluggy.clock_ahead_s),
        product=ProductClient(),
        redis=redis_client,
        redis_breaker=redis_breaker,
        sender=sender,
        publisher=queue.Publisher(sender, redis_breaker),
        tallies=tallies,
        radar=radar,
        links=PageLinks(settings.secret_key, settings.public_url, previous=settings.previous_secret_keys),
        texts=_texts(settings),
        now=lambda: datetime.now(UTC),
    )


def _count_requests(hooks: Hooks, tallies: Tallies) -> None:
    hooks.answered.append(
        lambda answer: tallies.count(
            PLUGGY_REQUESTS, of_endpoint(shape(answer.method, answer.path)), str(answer.status)
        )
    )
    hooks.unanswered.append(lambda endpoint: tallies.count(PLUGGY_REQUESTS, of_endpoint(endpoint), "none"))


def _texts(settings: Settings) -> Texts:
    """Return the texts with the company's product in them."""
    folder = settings.product_texts_folder
    product = Product.of(settings.product_name, settings.product_article)
    return catalogue.read(None if folder is None else Path(folder), product)
