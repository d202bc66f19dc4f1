"""
Traces, for whoever wants them: one trace follows an event from its webhook to the notification (docs/tracing.md).

Nothing here does anything before `start`, and loads no package of OpenTelemetry. Spans hold ids, endpoints and
statuses. The parameters below are all that can be said of a span, and each value is looked at: what Pluggy calls an
id may be any text.
"""

import re
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan

    from pluggy_sync.spans import Spans

log = structlog.get_logger(__name__)

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# Ids of events and Items of Pluggy's, of deliveries without an id, and of endpoints that we made.
_ID = re.compile(rf"(?:{_UUID}(?::[0-9a-f]{{16}})?|sha256:[0-9a-f]{{64}}|ep_\w{{1,40}})", re.ASCII)
# What `handle_event` and a run come to: our own words, such as `fetch_again`.
_OUTCOME = re.compile(r"[a-z_]{1,40}")
# A part of an address at Pluggy that may be a name, such as `connect_token`.
_NAME = re.compile(r"[a-z_-]{1,30}")
# `traceparent` (https://www.w3.org/TR/trace-context/).
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_spans: "Spans | None" = None


def start(endpoint: str | None) -> None:
    """
    Begin to trace in this process, after any fork, if there is an *endpoint*: a collector, to which spans go.

    Without the extra `tracing` a line is logged, and nothing else happens.
    """
    global _spans  # noqa: PLW0603 - one for the process, as its log
    if _spans is not None or endpoint is None:
        return
    try:
        from pluggy_sync import spans  # noqa: PLC0415 - an extra, which most do without
    except ModuleNotFoundError:
        log.warning("tracing.not_installed", next="no traces; install pluggy-sync[tracing]")
        return
    _spans = spans.Spans(endpoint)


def load(endpoint: str | None) -> None:
    """Load what `start` needs: before a fork, so that each process after it starts at once and shares the memory."""
    if endpoint is not None:
        with suppress(ModuleNotFoundError):
            import_module("pluggy_sync.spans")


def stop() -> None:
    """Send what waits, for a moment, and trace no more."""
    global _spans
    ending, _spans = _spans, None
    if ending is not None:
        ending.close()


class Span:
    """A span that is open, or nothing."""

    def __init__(self, span: "OtelSpan | None") -> None:
        self._span = span

    def note(self, *, outcome: str | None = None, status_code: int | None = None) -> None:
        """Say what came of it: a word of ours, or the status of an HTTP answer."""
        if self._span is None:
            return
        for name, value in _attributes(outcome=outcome, status_code=status_code).items():
            self._span.set_attribute(name, value)


class _Open:
    """The span of a `with` block."""

    def __init__(self, manager: "AbstractContextManager[OtelSpan]") -> None:
        self._manager = manager

    def __enter__(self) -> Span:
        return Span(self._manager.__enter__())

    def __exit__(self, *exc: object) -> bool | None:
        return self._manager.__exit__(*exc)  # type: ignore[arg-type]  # the three that it was given


_NOTHING = nullcontext(Span(None))


def span(
    name: str,
    *,
    kind: Literal["internal", "client", "consumer"] = "internal",
    event_id: str | None = None,
    item_id: str | None = None,
    run_id: str | None = None,
    endpoint_id: str | None = None,
) -> AbstractContextManager[Span]:
    """
    Open a span for a block: in the present trace, or as the first of a new one.

    A new one links to the trace that began with the webhook of *event_id*. *name* is a text of ours.
    """
    if _spans is None:
        return _NOTHING
    about = _attributes(event_id=event_id, item_id=item_id, run_id=run_id, endpoint_id=endpoint_id)
    return _Open(_spans.span(name, kind, about, of_event=event_id))


def request(method: str, path: str) -> AbstractContextManager[Span]:
    """Open the span of a request to Pluggy, if there is a trace that it belongs to. Nothing of its ids is in it."""
    if _spans is None or not _spans.is_within():
        return _NOTHING
    shape = _shape(path)
    return _Open(_spans.span(f"{method} {shape}", "client", {"url.template": shape}, of_event=None))


def _shape(path: str) -> str:
    """Return *path* without ids. An id may be any text, so its place tells: a name, an id, a name."""
    version, parts = re.fullmatch(r"(/v\d+)?/?(.*)", path.partition("?")[0], re.DOTALL).groups("")  # type: ignore[union-attr]  # it always matches
    return version + "".join(
        f"/{part}" if number % 2 == 0 and _NAME.fullmatch(part) else "/{id}"
        for number, part in enumerate(parts.split("/"))
    )


def received(event_id: str, at: datetime, *, is_first: bool) -> str | None:
    """
    Begin the trace of an event that came in *at* and is stored now; return its `traceparent`, None while off.

    *is_first* False: the event was stored before. Then this is another trace, which links to the first.
    """
    if _spans is None:
        return None
    return _spans.received(event_id, at, _attributes(event_id=event_id), is_first=is_first)


def present() -> str | None:
    """Return the `traceparent` with which a message carries on the present trace; None: there is none."""
    return None if _spans is None else _spans.present()


def apart() -> AbstractContextManager[None]:
    """Leave, for a block, the present trace: what is queued there has another origin."""
    return nullcontext() if _spans is None else _spans.continued(None)


def continued(traceparent: str | None) -> AbstractContextManager[None]:
    """Go on, for a block, in the trace that a message carries."""
    if _spans is None or traceparent is None:
        return nullcontext()
    return _spans.continued(traceparent)


def _attributes(
    *, status_code: int | None = None, outcome: str | None = None, **ids: str | None
) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        f"pluggy_sync.{name}": value for name, value in ids.items() if value is not None and _ID.fullmatch(value)
    }
    if outcome is not None and _OUTCOME.fullmatch(outcome):
        found["pluggy_sync.outcome"] = outcome
    if status_code is not None:
        found["http.response.status_code"] = status_code
    return found
