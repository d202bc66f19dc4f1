"""The resources of this worker process: made after the fork, when first needed, closed when it ends."""

from functools import cache
from typing import Any

from celery import signals

from pluggy_sync import tracing
from pluggy_sync.engine.sync.transactions import PARALLEL_ACCOUNTS
from pluggy_sync.resources import Resources, create_resources
from workers import aside, draining
from workers.app import settings

# The accounts that a run reads at once, and its heartbeat: each finds a connection that is open.
CONNECTIONS = PARALLEL_ACCOUNTS + 1


@cache
def resources() -> Resources:
    """Return this process's resources, made at the first call: connections would not survive the fork before it."""
    created = create_resources(settings, pool_size=CONNECTIONS)
    created.pluggy.hooks.requested.append(draining.refuse_requests)
    return created


@signals.worker_init.connect
def _prepare_traces(**_: Any) -> None:
    # A process that is slow to start is ended.
    tracing.load(settings.trace_endpoint)


@signals.worker_process_init.connect
def _trace(**_: Any) -> None:
    """After the fork, which the thread that sends spans does not survive, and before the first message."""
    tracing.start(settings.trace_endpoint)


@signals.worker_process_shutdown.connect
def _close(**_: Any) -> None:
    aside.finish()
    if resources.cache_info().currsize:
        resources().close()
    tracing.stop()
