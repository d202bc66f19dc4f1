"""
Spans by OpenTelemetry (https://opentelemetry.io/docs/languages/python/instrumentation/), for `tracing`.

Only `tracing.start` loads this module: the packages that it needs are an extra.

Tests: `test_tracing.py`.
"""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

import structlog
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pluggy_sync.product_client import NoAnswerError, ProductClient

log = structlog.get_logger(__name__)

# For one request to the collector, and for all that are left when the process ends.
POST_S = 3.0

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


class _Collector(SpanExporter):
    """
    Posts spans to a collector (OTLP by HTTP, https://opentelemetry.io/docs/specs/otlp/#otlphttp). What it does not take
    at once is dropped. The exporter of OpenTelemetry would read an answer without a limit of time or size.
    """

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint}/v1/traces"
        self._client = ProductClient()
        self._ends_at = math.inf
        self._takes = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Post *spans*; the first failure of several is logged, and the first success after it."""
        fault = self._post(encode_spans(spans).SerializeToString())
        takes = fault is None
        if takes != self._takes:
            self._takes = takes
            if takes:
                log.info("tracing.collector_back")
            else:
                log.warning("tracing.collector_away", fault=fault, next="its spans are dropped until it is back")
        return SpanExportResult.SUCCESS if takes else SpanExportResult.FAILURE

    def _post(self, content: bytes) -> str | None:
        """Return why the collector did not take it, None if it did."""
        left = min(POST_S, self._ends_at - time.monotonic())
        if left <= 0:
            return "the process ends"
        try:
            answer = self._client.post(
                self._url, content=content, headers={"Content-Type": "application/x-protobuf"}, timeout_s=left
            )
        except NoAnswerError as exc:
            return str(exc)
        return None if 200 <= answer.status_code < 300 else str(answer.status_code)

    def end_soon(self) -> None:
        """Post only what can be posted in a moment."""
        self._ends_at = time.monotonic() + POST_S

    def shutdown(self) -> None:
        """Close the connection."""
        self._client.close()


class Spans:
    """Makes the spans of this process. A thread sends those that ended to the collector at *endpoint*."""

    def __init__(self, endpoint: str) -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
        resource = Resource({"service.name": "pluggy-sync"}).merge(OTELResourceDetector().detect())
        self._collector = _Collector(endpoint)
        self._provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
        # It keeps up to OTEL_BSP_MAX_QUEUE_SIZE of them, 2048 unless set, and drops the rest.
        self._provider.add_span_processor(BatchSpanProcessor(self._collector))
        self._tracer = self._provider.get_tracer("pluggy_sync")

    def close(self) -> None:
        """Send what waits, for a moment, and end."""
        self._collector.end_soon()
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
