"""A collector of OpenTelemetry in a test: it takes spans by HTTP as the real one does, and remembers them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.kit.scripted_server import Asked, Reply, scripted_server


@dataclass(frozen=True)
class Span:
    """A span as it came. *parent* None: it is the first of its trace. *links* are traces and spans."""

    name: str
    trace: str
    id: str
    parent: str | None
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    # The type of what was raised in it; None: nothing was.
    error: str | None
    service: str


@dataclass
class Collector:
    """A running collector, and what it got. While it *is_full* it takes nothing."""

    url: str
    is_full: bool = False
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def named(self, name: str) -> list[Span]:
        """Return the spans of this name, in the order in which they ended."""
        return [each for each in self.spans if each.name == name]

    def above(self, span: Span) -> list[str]:
        """Return the names of the spans that *span* is within, the innermost first."""
        by_id = {each.id: each for each in self.spans}
        names = []
        while span.parent is not None:
            span = by_id[span.parent]
            names.append(span.name)
        return names

    def take(self, asked: Asked) -> Reply:
        """Keep what was sent."""
        if self.is_full:
            return Reply(b"", 503)
        assert (asked.method, asked.path) == ("POST", "/v1/traces")
        assert asked.headers["Content-Type"] == "application/x-protobuf"
        self.bodies.append(asked.body)
        self.spans += _spans(asked.body)
        return Reply(b"")


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector until the block ends."""
    collector = Collector("")
    with scripted_server(collector.take) as server:
        collector.url = server.url
        yield collector


def _spans(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    for of_process in request.resource_spans:
        service = _values(of_process.resource.attributes)["service.name"]
        for each in (span for scope in of_process.scope_spans for span in scope.spans):
            yield Span(
                name=each.name,
                trace=each.trace_id.hex(),
                id=each.span_id.hex(),
                parent=each.parent_span_id.hex() or None,
                attributes=_values(each.attributes),
                links=[(link.trace_id.hex(), link.span_id.hex()) for link in each.links],
                error=each.status.message if each.status.code == Status.STATUS_CODE_ERROR else None,
                service=service,
            )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
