"""What a process needs for its work: connections to Postgres, Redis, Pluggy and the product, and the settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import celery
import redis
from sqlalchemy import Engine

from pluggy_sync import queue
from pluggy_sync.breaker import Breaker
from pluggy_sync.page_links import PageLinks
from pluggy_sync.pluggy.client import PluggyClient, create_client
from pluggy_sync.pluggy_clock import PluggyClock
from pluggy_sync.product_client import ProductClient
from pluggy_sync.redis_options import redis_options
from pluggy_sync.settings import Settings
from pluggy_sync.store.database import WORKER, Bounds, create_engine
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
    celery: celery.Celery
    links: PageLinks
    now: Callable[[], datetime]

    def close(self) -> None:
        """Close all connections."""
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
        for task, argument in tx.queued:
            self.send(task, argument)

    def send(self, task: str, argument: str) -> None:
        """Queue *task* soon; if Redis does not take it, the sweep sends it later."""
        self.redis_breaker.call(lambda: queue.send(self.celery, task, argument) or None)


def create_resources(settings: Settings, bounds: Bounds = WORKER, *, pool_size: int = 5) -> Resources:
    """Return the connections for *settings*; nothing connects before it is used. The caller closes them."""
    redis_client = redis_options(settings.redis_url).client(connect_timeout_s=1, timeout_s=2)
    pluggy = create_client(settings, redis_client)
    return Resources(
        settings=settings,
        database=create_engine(settings.database_url, bounds, pool_size=pool_size),
        pluggy=pluggy,
        pluggy_clock=PluggyClock(redis_client, lambda: pluggy.clock_ahead_s),
        product=ProductClient(),
        redis=redis_client,
        redis_breaker=Breaker(),
        celery=queue.celery_app(settings.redis_url),
        links=PageLinks(settings.secret_key, settings.public_url, previous=settings.previous_secret_keys),
        now=lambda: datetime.now(UTC),
    )
