"""One trace follows an event from its webhook to the notification. Nothing private is in it."""

import base64
import dataclasses
import json
import subprocess
import sys
from functools import partial

import celery
import pytest
from celery.app.trace import build_tracer

import pluggy_sync
from pluggy_sync import queue, tracing
from pluggy_sync.engine import sweep
from tests.kit.factories import PRODUCT_SECRET
from tests.kit.product import running_product, status
from tests.kit.service import Service
from tests.kit.workers import WORK, run_message
from workers import aside, transport
from workers.base_task import BaseTask

EVENT = "0f0f0f0f-1111-4222-8333-444455556666"
PRIVATE = "Maria 529.982.247-25"


@pytest.fixture(autouse=True)
def _off():
    yield
    tracing.stop()


@pytest.fixture
def spans():
    tracing.allow_loading()
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - not to be had before
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    exporter = InMemorySpanExporter()
    tracing.start(None, SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def product():
    with running_product() as running:
        yield running


@pytest.fixture
def traced(service, product, spans):
    """The service with its product."""
    settings = dataclasses.replace(
        service.res.settings, product_webhook_url=product.url, product_webhook_secrets=(PRODUCT_SECRET,)
    )
    res = dataclasses.replace(service.res, settings=settings)
    return Service(service.web, res, service.upstream)


@pytest.fixture
def work(traced):
    """Do what is queued: each message goes through the transport of the workers and Celery's own frame of a task."""
    res = traced.res
    with celery.Celery("traced", task_cls=BaseTask, set_as_current=False) as app:
        tracers = {name: tracer_of(app, name, partial(run_message, res)) for name in queue.QUEUE_OF_TASK}

        def work():
            while messages := take(res):
                for each in messages:
                    headers, args = each["headers"], json.loads(base64.b64decode(each["body"]))[0]
                    tracers[headers["task"]](headers["id"], args, {}, headers)

        yield work


def tracer_of(app, name, run):
    def body(argument):
        if name != queue.DELIVER:
            run((name, argument))
            return
        # As `workers.tasks` does.
        aside.run(lambda: run((name, argument)), name=name, argument=argument)
        aside.finish()

    return build_tracer(name, app.task(name=name)(body), app=app)


def take(res):
    """Return the queued messages as the transport of the workers lets them through."""
    assert res.publisher.wait(within_s=30)
    raw = [each for name in WORK for each in iter(lambda name=name: res.redis.rpop(name), None)]
    return [transport.read(json.loads(each)) for each in raw]


def named(spans, name):
    return [each for each in spans.get_finished_spans() if each.name == name]


def parents(spans, span):
    """Return the names of the spans that *span* is within, the innermost first."""
    by_id = {each.context.span_id: each for each in spans.get_finished_spans()}
    names = []
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.append(span.name)
    return names


def connect(service):
    """Connect a person at the bank and deliver the one event that tells that all is there."""
    item = service.upstream.connect()
    events = [each for each in service.upstream.take_events() if each["event"] in ("item/created", "item/updated")]
    service.deliver(events[-1])
    return item, events[-1]


def test_one_trace_goes_from_the_webhook_to_the_notification(traced, work, spans):
    _, event = connect(traced)
    work()

    (delivered, *_) = named(spans, "deliver notification")
    assert parents(spans, delivered) == ["sync item", "fetch item", "handle event", "receive webhook"]
    (fetched,) = named(spans, "GET /items/{id}")
    assert parents(spans, fetched) == ["fetch item", "handle event", "receive webhook"]
    for name in ("GET /accounts", "GET /v2/transactions"):
        assert {next(iter(parents(spans, each))) for each in named(spans, name)} == {"sync item"}, name
    assert len({each.context.trace_id for each in spans.get_finished_spans()}) == 1
    (received,) = named(spans, "receive webhook")
    assert received.attributes == {"pluggy_sync.event_id": event["eventId"]}
    assert delivered.attributes["http.response.status_code"] == 200


def test_what_redis_lost_is_handled_in_another_trace_that_links_to_the_first(traced, work, spans):
    connect(traced)
    take(traced.res)
    traced.res.now.advance(hours=1)
    sweep.sweep(traced.res)
    work()

    (received,) = named(spans, "receive webhook")
    (handled,) = named(spans, "handle event")
    assert handled.parent is None
    assert handled.context.trace_id != received.context.trace_id
    (link,) = handled.links
    assert (link.context.trace_id, link.context.span_id) == (received.context.trace_id, received.context.span_id)
    assert named(spans, "deliver notification")


def test_a_repeat_of_a_webhook_is_another_trace_that_links_to_the_first(traced, work, spans):
    _, event = connect(traced)
    traced.deliver(event)

    first, repeat = named(spans, "receive webhook")
    assert repeat.context.trace_id != first.context.trace_id
    assert [each.context.trace_id for each in repeat.links] == [first.context.trace_id]


def test_a_delivery_that_ends_begins_that_of_no_other_event_in_its_trace(traced, work, product, spans):
    item, _ = connect(traced)
    product.answer = status(500)
    work()
    traced.upstream.evolve(item, "add")
    traced.upstream.run(item)
    traced.catch_up()
    product.answer = status(200)
    traced.res.now.advance(days=1)
    sweep.sweep(traced.res)
    work()

    of_traces = [each.context.trace_id for each in named(spans, "deliver notification")]
    assert len(of_traces) > 2
    assert len(set(of_traces)) == len(of_traces)


def words_of(value):
    """Return every text that tells of a person in an object of Pluggy's: all but ids and plain words."""
    if isinstance(value, dict):
        return {word for each in value.values() for word in words_of(each)}
    if isinstance(value, list):
        return {word for each in value for word in words_of(each)}
    return {value} if isinstance(value, str) and " " in value else set()


def fail_in_a_span():
    with tracing.span("handle event", event_id=PRIVATE) as span:
        span.note(outcome=PRIVATE)
        raise LookupError(PRIVATE)


def test_no_span_holds_anything_private(traced, work, product, spans):
    item, event = connect(traced)
    product.answer = lambda request: request.respond(200, {"X-Person": PRIVATE}, PRIVATE.encode())
    work()
    odd = {**event, "eventId": PRIVATE, "clientUserId": PRIVATE, "planted": PRIVATE}
    traced.deliver(odd, {**odd, "eventId": EVENT})
    work()
    with pytest.raises(LookupError):
        fail_in_a_span()
    with tracing.span("handle event"), tracing.request("GET", f"/accounts/maria/balance?name={PRIVATE}"):
        pass

    private = words_of(traced.upstream.truth(item)) | {PRIVATE, "maria", "529.982", "Maria"}
    written = "\n".join(each.to_json() for each in spans.get_finished_spans())
    assert len(private) > 20
    assert [each for each in private if each in written] == []
    assert EVENT in written
    assert "LookupError" in written
    keys = {key for each in spans.get_finished_spans() for key in each.attributes}
    assert keys <= {
        "http.response.status_code",
        "pluggy_sync.endpoint_id",
        "pluggy_sync.event_id",
        "pluggy_sync.item_id",
        "pluggy_sync.outcome",
        "pluggy_sync.run_id",
        "url.template",
    }


def test_a_request_to_pluggy_outside_of_any_trace_is_no_span(traced, work, spans):
    traced.res.pluggy.item(traced.upstream.connect())

    assert spans.get_finished_spans() == ()


def test_without_a_collector_no_message_carries_a_trace(service):
    connect(service)

    assert service.res.publisher.wait(within_s=30)
    (message,) = [json.loads(each) for name in WORK for each in service.res.redis.lrange(name, 0, -1)]
    assert "traceparent" not in message["headers"]


def test_without_a_collector_no_package_of_opentelemetry_is_loaded():
    program = (
        "import sys; import pluggy_sync.engine.events, webhook_app.app, workers.transport;"
        "from pluggy_sync import tracing; tracing.start(None);"
        "print([name for name, module in sys.modules.items()"
        " if name.startswith(('opentelemetry', 'pluggy_sync.spans')) and module])"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"


def test_without_the_extra_a_collector_is_only_warned_of(monkeypatch, caplog):
    monkeypatch.delattr(pluggy_sync, "spans", raising=False)
    monkeypatch.delitem(sys.modules, "pluggy_sync.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    tracing.start("http://127.0.0.1:1")

    assert "tracing.not_installed" in caplog.text
    assert tracing.present() is None
