"""
The Celery app and the one policy of all tasks. `celery -A workers.app worker` and `beat` start from here.

Every task carries only an id, may run twice, and finds its state in Postgres. Celery retries nothing: Postgres has the
time of what must wait, and the sweep queues it when it is due.
"""

import gc
import logging
import os
import sys
import traceback
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

import structlog
from celery import Celery, signals

from pluggy_sync import queue
from pluggy_sync.logs import configure_logs, log_what_nobody_caught
from pluggy_sync.settings import Settings, SettingsError, read_settings, required_names
from workers.base_task import TaskFailedError

log = structlog.get_logger(__name__)

REMIND_EVERY_S = 60
FIND_MISSED_EVERY_S = 60
WATCH_EVERY_S = 60
# Two requests of Pluggy.
WATCH_PLUGGY_EVERY_S = 300
PRUNE_EVERY_S = 30
# No faster than Pluggy asks for (Pluggy facts 13.4).
READ_STATUS_PAGE_EVERY_S = 60
COUNT_FRESHNESS_EVERY_S = 300


def _every(seconds: int, task: str) -> dict[str, Any]:
    """Return the entry of the schedule. A message that waited so long is useless: the next one finds the same."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


def _schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    entries = {
        "sweep": _every(settings.sweep_interval_s, queue.SWEEP),
        "remind": _every(REMIND_EVERY_S, queue.REMIND),
        "find missed": _every(FIND_MISSED_EVERY_S, queue.FIND_MISSED),
        "count freshness": _every(COUNT_FRESHNESS_EVERY_S, queue.COUNT_FRESHNESS),
        "watch": _every(WATCH_EVERY_S, queue.WATCH),
        "watch Pluggy": _every(WATCH_PLUGGY_EVERY_S, queue.WATCH_PLUGGY),
        "prune": _every(PRUNE_EVERY_S, queue.PRUNE),
    }
    if settings.status_page_url is not None:
        entries["read the status page"] = _every(READ_STATUS_PAGE_EVERY_S, queue.READ_STATUS_PAGE)
    return entries


def create_celery(settings: Settings) -> Celery:
    """Return the workers' app for *settings*."""
    app = queue.celery_app(settings.redis_url)
    app.task_cls = "workers.base_task:BaseTask"
    app.conf.update(
        broker_transport="workers.transport:Transport",
        # A message is acknowledged when its task has ended, and goes back when the process died under it:
        # tasks may run twice, and nothing is lost.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # Take one message at a time: messages must not wait behind a long sync in its process.
        worker_prefetch_multiplier=1,
        # A read of Pluggy times out well before. This ends what hangs. The hard limit is below the visibility timeout.
        task_soft_time_limit=1500,
        task_time_limit=1800,
        worker_max_tasks_per_child=1000,
        broker_connection_retry_on_startup=True,
        # Redis that is full or became read-only answers with an error: wait for it as for one that is away. Without
        # this the worker ends, or stays and does nothing.
        broker_channel_error_retry=True,
        # On lost connections running tasks go on; they are safe to repeat.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # For Flower.
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        beat_schedule=_schedule(settings),
    )
    return app


# What a worker runs. Beat and Flower know tasks by their names: without it, beat starts in half the time.
OF_WORKERS = ("workers.tasks", "workers.signs")
# Of what others need, this is all that beat and Flower use.
OF_THE_APP = frozenset({"REDIS_URL"})
# What no worker uses, but for the one that compares the webhook at Pluggy with ours.
OF_THE_WEB = frozenset({"API_TOKENS", "WEBHOOK_SECRETS"})


def _settings(without: Collection[str]) -> Settings:
    try:
        return read_settings(os.environ, without=without)
    except SettingsError as exc:
        sys.exit(str(exc))


settings = _settings(required_names() - OF_THE_APP)
app = create_celery(settings)


@signals.celeryd_init.connect
def _prepare_worker(options: Mapping[str, Any], **_: Any) -> None:
    """End a worker that lacks something at once, and not with its first task. Load the tasks of any other."""
    watches = queue.SCHEDULE in str(options.get("queues") or queue.SCHEDULE)
    _settings(OF_THE_WEB - {"WEBHOOK_SECRETS"} if watches else OF_THE_WEB)
    _load_tasks()


def _load_tasks() -> None:
    """Load what workers run, and end the process if that fails: from here Celery would go on without it."""
    # Nothing of it is garbage: the collector need not look for any, and would make each child copy the memory.
    gc.disable()
    try:
        for module in OF_WORKERS:
            import_module(module)
    except Exception:  # noqa: BLE001  # whatever a module does wrong
        traceback.print_exc()
        sys.exit(1)
    gc.freeze()
    gc.enable()


@signals.setup_logging.connect
def _configure_logs(**_: Any) -> None:
    configure_logs(settings.log_level)
    log_what_nobody_caught()
    logging.getLogger("celery.app.trace").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether Celery's line says anything that ours, `task.failed`, did not say before."""
    context = record.args if isinstance(record.args, Mapping) else {}
    return TaskFailedError.__name__ not in str(context.get("exc"))
