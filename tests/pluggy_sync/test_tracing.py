"""One trace follows an event from its webhook to the notification. Nothing private is in it, nobody waits for it."""

import base64
import dataclasses
import json
import subprocess
import sys
import threading
import time
from functools import partial

import celery
import httpx
import pytest
from celery.app.trace import build_tracer

import pluggy_sync
from pluggy_sync import queue, tls, tracing
from pluggy_sync.engine import sweep
from standalone.polling import eventually
from tests.kit.collector import running_collector
from tests.kit.factories import PRODUCT_SECRET, WEBHOOK_SECRET, an_environ
from tests.kit.planted_pluggy import AMOUNT, MARK, planted_pluggy
from tests.kit.product import running_product
from tests.kit.scripted_server import Reply, scripted_server
from tests.kit.service import Service
from tests.kit.silent_server import silent_port
from tests.kit.web_server import running_web
from tests.kit.worker_processes import running_worker
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
def collector():
    """A collector, to which this process sends its spans. `stop` it before they are read."""
    with running_collector() as running:
        tracing.start(running.url)
        yield running
        tracing.stop()


@pytest.fixture
def product():
    with running_product() as running:
        yield running


@pytest.fixture
def traced(service, product, collector):
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

        def work(*queues):
            while messages := take(res, *queues):
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


def take(res, *queues):
    """Return the messages of *queues*, of all unless named, as the transport of the workers lets them through."""
    assert res.publisher.wait(within_s=30)
    raw = [each for name in queues or WORK for each in iter(lambda name=name: res.redis.rpop(name), None)]
    return [transport.read(json.loads(each)) for each in raw]


def last_of_item(upstream):
    return [each for each in upstream.take_events() if each["event"].startswith("item/")][-1]


def connect(service, **more):
    """Connect a person at the bank and deliver the one event that tells that all is there."""
    item = service.upstream.connect(**more)
    event = last_of_item(service.upstream)
    service.deliver(event)
    return item, event


def test_one_trace_goes_from_the_webhook_to_the_notification(traced, work, collector):
    item, event = connect(traced)
    traced.upstream.take_requests()
    work()
    asked = traced.upstream.take_requests()
    tracing.stop()

    traced.assert_mirrors(item)
    (delivered,) = collector.named("deliver notification")
    assert collector.above(delivered) == ["sync item", "fetch item", "handle event", "receive webhook"]
    (fetched,) = collector.named("GET /items/{id}")
    assert collector.above(fetched) == ["fetch item", "handle event", "receive webhook"]
    of_pluggy = [each for each in collector.spans if each.name.startswith("GET")]
    assert len(of_pluggy) == len(asked) > 3
    assert {next(iter(collector.above(each))) for each in of_pluggy} == {"fetch item", "sync item"}
    assert len({each.trace for each in collector.spans}) == 1
    (received,) = collector.named("receive webhook")
    assert received.attributes == {"pluggy_sync.event_id": event["eventId"]}
    assert delivered.attributes["http.response.status_code"] == 200
    assert {each.service for each in collector.spans} == {"pluggy-sync"}


def test_a_need_of_a_person_is_told_in_the_trace_of_its_webhook(traced, work, product, collector):
    connect(traced, connector=5)
    work()
    tracing.stop()

    assert [json.loads(each.body)["type"] for each in product.got] == ["item.action_required"]
    (delivered,) = collector.named("deliver notification")
    assert collector.above(delivered) == ["fetch item", "handle event", "receive webhook"]


def test_what_redis_lost_is_handled_in_another_trace_that_links_to_the_first(traced, work, collector):
    connect(traced)
    take(traced.res)
    traced.res.now.advance(hours=1)
    sweep.sweep(traced.res)
    work()
    tracing.stop()

    (received,) = collector.named("receive webhook")
    (handled,) = collector.named("handle event")
    assert handled.parent is None
    assert handled.trace != received.trace
    assert handled.links == [(received.trace, received.id)]
    assert collector.named("deliver notification")


def test_a_repeat_of_a_webhook_is_another_trace_that_links_to_the_first(traced, collector):
    _, event = connect(traced)
    traced.deliver(event)
    assert traced.res.publisher.wait(within_s=30)
    tracing.stop()

    first, repeat = collector.named("receive webhook")
    assert repeat.trace != first.trace
    assert repeat.links == [(first.trace, first.id)]


def test_a_delivery_that_ends_begins_that_of_no_other_event_in_its_trace(traced, work, product, collector):
    item, _ = connect(traced)
    work(queue.EVENTS, queue.SYNCS)
    traced.upstream.evolve(item, "add")
    traced.upstream.run(item)
    traced.deliver(last_of_item(traced.upstream))
    work(queue.EVENTS, queue.SYNCS)
    # Whatever else is queued is lost: the first delivery queues the second.
    traced.res.redis.ltrim(queue.NOTIFICATIONS, -1, -1)
    work()
    tracing.stop()

    first, second = collector.named("deliver notification")
    assert collector.above(first)[-1] == "receive webhook"
    assert second.trace not in {each.trace for each in collector.named("receive webhook")}
    assert len(product.got) == 2


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


def test_no_span_holds_anything_private(traced, work, product, collector):
    item, event = connect(traced, products=None)
    product.answer = lambda request: request.respond(200, {"X-Person": PRIVATE}, PRIVATE.encode())
    work()
    odd = {**event, "eventId": PRIVATE, "clientUserId": PRIVATE, "planted": PRIVATE}
    traced.deliver(odd, {**odd, "eventId": EVENT})
    work()
    with pytest.raises(LookupError):
        fail_in_a_span()
    with tracing.span("handle event"), tracing.request("GET", f"/accounts/maria/balance?name={PRIVATE}"):
        pass
    tracing.stop()

    private = words_of(traced.upstream.truth(item)) | {PRIVATE, "maria", "529.982", "Maria", WEBHOOK_SECRET}
    sent = b"\n".join(collector.bodies)
    assert len(private) > 20
    assert [each for each in private if each.encode() in sent] == []
    assert EVENT.encode() in sent
    assert "LookupError" in {each.error for each in collector.spans}
    assert {key for each in collector.spans for key in each.attributes} <= {
        "http.response.status_code",
        "pluggy_sync.endpoint_id",
        "pluggy_sync.event_id",
        "pluggy_sync.item_id",
        "pluggy_sync.outcome",
        "pluggy_sync.run_id",
        "url.template",
    }


def test_a_request_to_pluggy_outside_of_any_trace_is_no_span(traced, collector):
    traced.res.pluggy.item(traced.upstream.connect())
    tracing.stop()

    assert collector.spans == []


def make_spans(number):
    for _ in range(number):
        with tracing.span("handle event", event_id=EVENT):
            pass


def test_nobody_waits_for_a_collector_that_hangs_and_what_is_too_much_for_it_is_dropped(service, monkeypatch, caplog):
    monkeypatch.setattr("pluggy_sync.spans.POST_S", 120.0)
    asked, released, taken = threading.Event(), threading.Event(), []

    def answer(request):
        asked.set()
        assert released.wait(120)
        taken.append(len(request.body))
        return Reply(b"")

    with scripted_server(answer) as server:
        tracing.start(server.url)
        make_spans(600)
        assert asked.wait(60)
        make_spans(5_000)
        item, _ = connect(service)
        service.work()
        service.assert_mirrors(item)
        assert not taken
        released.set()
        tracing.stop()

    # 512 at once were on their way, and 2048 were kept.
    assert 2 <= len(taken) <= 6
    assert "Queue full" in caplog.text


@pytest.mark.parametrize("collector_is", ["away", "silent", "full"])
def test_a_process_ends_though_its_collector_takes_nothing(collector_is, monkeypatch, caplog):
    monkeypatch.setattr("pluggy_sync.spans.POST_S", 0.2)
    with silent_port() as silent, scripted_server(lambda _: Reply(b"", 503)) as full:
        away = "http://127.0.0.1:1"
        tracing.start({"away": away, "silent": f"http://127.0.0.1:{silent}", "full": full.url}[collector_is])
        make_spans(2_000)

        began = time.monotonic()
        tracing.stop()

        assert time.monotonic() - began < 10
    assert caplog.text.count("tracing.collector_away") == 1


def test_a_process_that_ends_waits_for_one_request_and_not_for_all_that_is_left(monkeypatch):
    monkeypatch.setattr("pluggy_sync.spans.POST_S", 0.5)
    asked, released = threading.Semaphore(0), threading.Event()

    def hang(_):
        asked.release()
        released.wait(60)
        return Reply(b"")

    with scripted_server(hang) as server:
        tracing.start(server.url)
        make_spans(600)
        assert asked.acquire(timeout=30)
        make_spans(2_048)
        before = len(server.asked)
        tracing.stop()

        # Four are left at least.
        assert len(server.asked) - before <= 2
        released.set()


def test_a_collector_that_is_back_gets_what_ends_from_then_on(collector, caplog):
    collector.is_full = True
    make_spans(600)
    eventually(lambda: "tracing.collector_away" in caplog.text, what="the log says so")
    collector.is_full = False
    with tracing.span("sync item"):
        pass
    tracing.stop()

    assert "tracing.collector_back" in caplog.text
    assert collector.named("sync item")


def test_what_is_not_sampled_is_not_sent_by_any_process(service, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with running_collector() as collector:
        tracing.start(collector.url)
        connect(service)
        assert service.res.publisher.wait(within_s=30)
        (message,) = raw_messages(service.res)
        # As a process would that samples everything.
        monkeypatch.delenv("OTEL_TRACES_SAMPLER")
        tracing.stop()
        tracing.start(collector.url)
        with tracing.continued(message["headers"]["traceparent"]), tracing.span("handle event"):
            pass
        tracing.stop()

    assert collector.spans == []


def raw_messages(res):
    return [json.loads(each) for name in WORK for each in res.redis.lrange(name, 0, -1)]


def test_without_a_collector_no_message_carries_a_trace(service):
    connect(service)

    assert service.res.publisher.wait(within_s=30)
    (message,) = raw_messages(service.res)
    assert "traceparent" not in message["headers"]


@pytest.mark.slow
def test_without_a_collector_nothing_of_opentelemetry_is_needed():
    program = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "import console.cli, console.pages.app, pluggy_sync.engine.events, webhook_app.app, workers.transport;"
        "from pluggy_sync import tracing; tracing.start(None); tracing.stop();"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.', 'pluggy_sync.spans'))])"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"


def test_without_the_extra_a_collector_is_only_warned_of(monkeypatch, caplog):
    monkeypatch.delattr(pluggy_sync, "spans", raising=False)
    monkeypatch.delitem(sys.modules, "pluggy_sync.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)

    tracing.start("http://127.0.0.1:1")

    assert "tracing.not_installed" in caplog.text
    assert tracing.present() is None


@pytest.mark.slow
def test_on_real_processes_each_first_task_of_a_worker_goes_on_in_the_trace_and_nothing_private_is_sent(
    settings, resources, sandbox, upstream, tmp_path
):
    resources.redis.flushall()
    with (
        running_collector() as collector,
        planted_pluggy(sandbox.url) as pluggy,
        running_product(lambda request: request.respond(200, {"X-Person": MARK}, MARK.encode())) as product,
    ):
        environ = an_environ(
            DATABASE_URL=settings.database_url,
            REDIS_URL=settings.redis_url,
            PLUGGY_API_URL=pluggy.url,
            PLUGGY_CLIENT_ID=sandbox.client_id,
            PLUGGY_CLIENT_SECRET=sandbox.client_secret,
            PRODUCT_WEBHOOK_URL=product.url,
            PRODUCT_WEBHOOK_SECRET=PRODUCT_SECRET,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        with running_web(environ, tmp_path) as web, running_worker(environ, tmp_path):
            upstream.connect(products=None)
            event = {**last_of_item(upstream), "note": MARK}
            answer = httpx.post(
                f"{web}/webhooks/pluggy",
                json=event,
                headers={"X-Webhook-Secret": WEBHOOK_SECRET},
                trust_env=False,
                verify=tls.context(),
            )
            assert answer.status_code == 202
            eventually(lambda: collector.named("deliver notification"), what="it is traced")
            eventually(lambda: collector.named("sync item"), what="its run is traced")
        # No sweep ran: whatever has no parent lost it.
        (delivered,) = collector.named("deliver notification")
        assert collector.above(delivered) == ["sync item", "fetch item", "handle event", "receive webhook"]
        assert [each.name for each in collector.spans if each.parent is None] == ["receive webhook"]
        assert len({each.trace for each in collector.spans}) == 1
        assert pluggy.marks > 20
        sent = b"\n".join(collector.bodies)
        assert event["eventId"].encode() in sent
        secrets = (MARK, str(AMOUNT), WEBHOOK_SECRET, PRODUCT_SECRET, sandbox.client_secret)
        assert [each for each in secrets if each.encode() in sent] == []
