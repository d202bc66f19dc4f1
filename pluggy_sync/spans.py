"""
Spans by OpenTelemetry (https://opentelemetry.io/docs/languages/python/instrumentation/), for `tracing`.

Only `tracing.start` loads this module: the packages that it needs are an extra.

Tests: `test_tracing.py`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER}
_HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()

# The event whose trace begins now.
_beginning: ContextVar[str | None] = ContextVar("beginning", default=None)

Attributes = Mapping[str, str | int]


class _Ids(RandomIdGenerator):
    """Makes the ids of an event's first span from the event's own: whoever knows the event can link to its trace."""

    def generate_trace_id(self) -> int:
        event_id = _beginning.get()
        return super().generate_trace_id() if event_id is None else _first_of(event_id).trace_id

    def generate_span_id(self) -> int:
        event_id = _beginning.get()
        return super().generate_span_id() if event_id is None else _first_of(event_id).span_id


def _first_of(event_id: str) -> SpanContext:
    digest = hashlib.sha256(b"trace of " + event_id.encode()).digest()
    return SpanContext(
        trace_id=int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def to_collector(endpoint: str) -> SpanProcessor:
    """Return what sends spans to the collector at *endpoint*, from a thread of its own; it drops what is too much."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))


class Spans:
    """Makes the spans of this process and hands those that ended to *processor*."""

    def __init__(self, processor: SpanProcessor) -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
        resource = Resource({"service.name": "pluggy-sync"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, id_generator=_Ids())
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("pluggy_sync")

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()

    @contextmanager
    def span(self, name: str, kind: str, attributes: Attributes, *, of_event: str | None) -> Iterator[trace.Span]:
        """
        Open a span in the present trace, or a new trace. A new one links to the first of the event *of_event*.

        An exception is noted by its type alone: its text may quote data.
        """
        with self._tracer.start_as_current_span(
            name,
            kind=_KINDS[kind],
            attributes=attributes,
            links=self._links(of_event),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as exc:
                span.set_status(Status(StatusCode.ERROR, type(exc).__name__))
                raise

    def _links(self, of_event: str | None) -> Sequence[Link]:
        return [] if of_event is None or self.is_within() else [Link(_first_of(of_event))]

    def received(self, event_id: str, at: datetime, attributes: Attributes, *, is_first: bool) -> str | None:
        """Write down that the event came in and was stored, and return what goes on from there, as `present`."""
        token = _beginning.set(event_id if is_first else None)
        try:
            span = self._tracer.start_span(
                "receive webhook",
                context=Context(),
                kind=SpanKind.SERVER,
                attributes=attributes,
                links=[] if is_first else [Link(_first_of(event_id))],
                start_time=int(at.timestamp() * 1_000_000_000),
            )
        finally:
            _beginning.reset(token)
        span.end()
        return _as_text(trace.set_span_in_context(span, Context()))

    def is_within(self) -> bool:
        """Return whether there is a present trace."""
        return trace.get_current_span().get_span_context().is_valid

    def present(self) -> str | None:
        """Return the present trace and span as W3C's `traceparent`; None: there is none."""
        return _as_text(context.get_current())

    @contextmanager
    def continued(self, parent: str | None) -> Iterator[None]:
        """Go on in the trace of *parent*, a `traceparent`. None is no trace, and so is one that is wrong."""
        carrier = {} if parent is None else {_HEADER: parent}
        token = context.attach(_propagator.extract(carrier, Context()))
        try:
            yield
        finally:
            context.detach(token)


def _as_text(of: Context) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, of)
    return carrier.get(_HEADER)
