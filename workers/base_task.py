"""
The edge of every task: only an exception of ours leaves it.

Celery prints the text and the traceback of what a task raises, and sends both to whoever listens to its events, as
Flower does. A text may quote a row ("Failing row contains ..."). Therefore what a task raises is logged here,
by type and place, and Celery gets the name of the type.
"""

from typing import Any

import celery
import structlog

from pluggy_sync import tracing

log = structlog.get_logger(__name__)


class TaskFailedError(Exception):
    """A task failed. The text is the type of what it raised; the rest is in the log."""


class BaseTask(celery.Task):  # type: ignore[type-arg]  # it has none when it runs
    """What all tasks are made of."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """
        Run the task.

        Raises:
            TaskFailedError: it failed. What is due in Postgres is queued again by the sweep.
        """
        failure = self._run(*args, **kwargs)
        # Outside of any `except`: no other exception is attached to it.
        if failure is not None:
            raise TaskFailedError(failure)

    def _run(self, *args: Any, **kwargs: Any) -> str | None:
        """Run the task; return the type of what it raised, or None."""
        try:
            with tracing.continued(self.request.get("traceparent")):
                self.run(*args, **kwargs)
        except Exception as exc:
            argument = args[0] if args else None
            log.exception("task.failed", task=self.name, argument=argument, next="the sweep queues it when it is due")
            return type(exc).__name__
        return None
