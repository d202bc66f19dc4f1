"""
JSON logs. Every line may carry event_id and item_id; none may carry bank data, credentials or tokens.

Exceptions are logged as type and place only: a message may quote a row, a URL or a header, and locals hold secrets.
Lines of libraries are cut: below INFO, where they print bodies, headers and parameters, none is printed. In the others,
texts with spaces or quotes are left out.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

OURS = ("pluggy_sync", "webhook_app", "workers", "console", "standalone")
LEFT_OUT = "…"
# Their INFO lines hold full addresses, with ids and cursors in the query, or statements with their parameters.
_QUIET = ("httpx", "httpcore", "urllib3", "sqlalchemy", "asyncio")
# An id, a name of a task, a number, an address without its password.
_PLAIN = re.compile(r"[\w@.:/+*~-]{0,120}", re.ASCII)
# The keys of our lines that hold the id of an account, bill, loan ... as Pluggy sent it.
_IDS_OF_PLUGGY = frozenset({"account_id", "of"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WARNING = re.compile(r"\S+:\d+: \w+")


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


def leave_out_odd_ids(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Leave out an id of Pluggy's objects that is no UUID: Pluggy could have put any text there."""
    for key in _IDS_OF_PLUGGY.intersection(event):
        if event[key] is not None and not _UUID.fullmatch(str(event[key])):
            event[key] = LEFT_OUT
    for key, value in event.items():
        if isinstance(value, Mapping):
            event[key] = {_without_odd_id(str(name)): of_it for name, of_it in value.items()}
    return event


def _without_odd_id(name: str) -> str:
    """Return *name*, the key of a mapping: "transactions of <id>" names a part of an Item."""
    part, of, id_ = name.rpartition(" of ")
    return name if not of or _UUID.fullmatch(id_) else f"{part} of {LEFT_OUT}"


class LibraryLines(logging.Filter):
    """Drops the detailed lines of libraries, and takes out of their other lines what may quote data."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is printed."""
        name = record.name.partition(".")[0]
        if name in OURS:
            return True
        if record.levelno < (logging.WARNING if name in _QUIET else logging.INFO):
            return False
        if name == "py":
            # `py.warnings`: "file:line: Category: text". The text may quote an exception.
            head = _WARNING.match(record.getMessage())
            record.msg, record.args = head[0] if head else LEFT_OUT, ()
        elif isinstance(record.args, Mapping):
            record.args = _Fields({key: _said(value) for key, value in record.args.items()})
        elif isinstance(record.args, tuple):
            record.args = tuple(_said(value) for value in record.args)
        return True


class _Fields(dict[str, object]):
    """Values for `%(name)s`. Logging takes a lone mapping for such, also where it stands for one `%s`."""

    def __repr__(self) -> str:
        return LEFT_OUT

    __str__ = __repr__


def _said(value: object) -> object:
    """Return what a line of a library may say of *value*."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return type(value).__name__
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    # `KeyError('…')`: a text that a library has made of an exception.
    described = re.match(r"([A-Z]\w+)\(", text, re.ASCII)
    return described[1] if described else LEFT_OUT


def configure_logs(level: str) -> None:
    """Send our log lines, and those of the libraries, to standard output as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
        leave_out_odd_ids,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(LibraryLines())
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
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_what_nobody_caught() -> None:
    """
    For the start of a process: log warnings, and exceptions that end the process or one of its threads.

    Python would print them, with their texts.
    """
    logging.captureWarnings(capture=True)
    log = structlog.get_logger(__name__)

    def of_process(type_: type[BaseException], exc: BaseException, place: TracebackType | None) -> None:
        if issubclass(type_, KeyboardInterrupt):
            return
        log.critical("process.failed", exc_info=(type_, exc, place))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            name = None if args.thread is None else args.thread.name
            log.error("thread.failed", thread=name, exc_info=args.exc_value)

    def of_cleaning_up(args: "sys.UnraisableHookArgs") -> None:
        log.error("process.failed_to_clean_up", exc_info=args.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread
    sys.unraisablehook = of_cleaning_up
