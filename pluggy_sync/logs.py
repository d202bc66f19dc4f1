"""
JSON logs. Every line may carry event_id and item_id; none may carry bank data, credentials or tokens.

Exceptions are logged as type and place only: a message may quote a row, a URL or a header, and locals hold secrets.
"""

import logging
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger


def _place_of(exc: BaseException) -> list[str]:
    return [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(exc.__traceback__)
    ]


def _exception_of(exc_info: Any) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        _, exc, _ = exc_info
        return exc if isinstance(exc, BaseException) else None
    return exc_info if isinstance(exc_info, BaseException) else None


def describe_exception(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace exc_info by the chain of exception types and the places that raised them."""
    exc = _exception_of(event.pop("exc_info", None))
    if exc is None:
        return event
    event["exception"] = type(exc).__name__
    event["raised_at"] = _place_of(exc)
    if exc.__cause__ is not None:
        event["caused_by"] = type(exc.__cause__).__name__
    return event


def configure_logs(level: str) -> None:
    """Send our log lines, and those of the libraries, to standard output as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Their INFO lines hold full addresses, with ids and cursors in the query.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
