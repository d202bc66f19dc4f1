"""Whether our processes run and reach the product: each check is seen to pass and to fail."""

import dataclasses
import ipaddress
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from console.checkup import processes
from pluggy_sync import queue, spill
from pluggy_sync.engine import sweep, watchdog
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.store import endpoints, tables
from pluggy_sync.store.database import create_engine
from tests.kit.factories import an_environ
from tests.kit.product import running_product
from tests.kit.worker_processes import running_process


def test_without_workers_each_queue_is_named(said, resources, monkeypatch):
    monkeypatch.setattr(processes, "INSPECT_S", 0.1)

    verdict, detail = said(processes.workers, resources)["Workers"]

    assert verdict == "problem"
    assert all(name in detail for name in queue.QUEUE_OF_TASK.values())


@pytest.mark.slow
def test_queues_with_a_worker_are_not_named(said, resources, tmp_path):
    settings = resources.settings
    environ = an_environ(
        DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url, PLUGGY_API_URL=settings.pluggy_api_url
    )
    with running_process("schedule", environ, tmp_path):
        some = said(processes.workers, resources)["Workers"]
        with running_process(
            "worker", environ, tmp_path, "--queues", ",".join(sorted(set(queue.QUEUE_OF_TASK.values())))
        ):
            all_ = said(processes.workers, resources)["Workers"]

    assert some == ("problem", "none for events, notifications, reconciliations, syncs, urgent, urgent_notifications")
    assert all_ == ("pass", "2 processes serve all queues")


def test_a_sweep_that_is_long_ago_or_never_was_is_a_problem(said, resources, clock):
    assert said(processes.sweeps, resources)["Last sweep"] == ("problem", "never")

    sweep.sweep(resources)
    assert said(processes.sweeps, resources)["Last round of the watchdog"][0] == "not seen"
    watchdog.watch(resources)
    assert {verdict for verdict, _ in said(processes.sweeps, resources).values()} == {"pass"}

    clock.advance(minutes=6)
    found = said(processes.sweeps, resources)
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "Last sweep": "problem",
        "Last round of the watchdog": "problem",
    }


@pytest.fixture
def product(with_settings):
    """Return the resources of a service that tells a product at a port that answers, or at one where nobody does."""
    return lambda url: with_settings(product_webhook_url=url, product_webhook_secrets=("whsec_" + "x" * 24,))


def test_without_an_endpoint_nobody_is_told(said, resources):
    assert said(processes.product, resources)["Endpoints"][0] == "heads-up"


def test_endpoints_are_reached_without_sending_them_anything(said, product):
    about = f"Endpoint {endpoints.ENVIRONMENT}"
    with running_product() as receiver:
        res = product(receiver.url)
        follow(res)
        assert said(processes.product, res)[about] == ("pass", "can be reached")
        assert receiver.got_ids == []

    res = product("http://127.0.0.1:1/")
    follow(res)
    assert said(processes.product, res)[about][0] == "problem"
    res = product("https://127.0.0.1:1/")
    follow(res)
    assert said(processes.product, res)[about][0] == "problem"


def test_endpoints_that_do_not_answer_are_waited_for_together_and_hide_no_other(said, with_settings, monkeypatch):
    monkeypatch.setattr(processes, "_REACH_S", 0.5)
    released = threading.Event()

    def connects(address, timeout):
        if address[0] == "127.0.0.2":
            released.wait()
        raise ConnectionRefusedError

    monkeypatch.setattr(processes.socket, "create_connection", connects)
    res = with_settings(endpoint_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    made = [
        use.create(res, url=f"https://{host}:1/", secret=None, description=None, types=None, enabled=True)[0].id
        for host in ("127.0.0.2", "127.0.0.1", "127.0.0.2")
    ]

    found = said(processes.product, res)
    released.set()

    late, refused = "cannot be reached (no answer within 0 s)", "cannot be reached (ConnectionRefusedError)"
    assert [found[f"Endpoint {each}"][1] for each in made] == [late, refused, late]


def follow(res):
    with res.database.begin() as conn:
        endpoints.follow_settings(conn, res.settings.product_webhook_url)


@pytest.mark.parametrize(
    "change, detail",
    [
        ({"failing_since": sa.func.now()}, "takes nothing just now"),
        ({"stopped_at": sa.func.now(), "stop_reason": "gone"}, "stopped (gone)"),
    ],
)
def test_an_endpoint_that_fails_or_is_stopped_is_a_problem(said, product, change, detail):
    with running_product() as receiver:
        res = product(receiver.url)
        follow(res)
        with res.database.begin() as conn:
            conn.execute(sa.update(tables.endpoints).values(**change))

        assert said(processes.product, res)[f"Endpoint {endpoints.ENVIRONMENT}"] == ("problem", detail)


def test_an_endpoint_whose_secret_cannot_be_read_is_a_problem(said, with_settings):
    res = with_settings(secret_key="another-secret-key-of-32-characters")
    allowing = with_settings(endpoint_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    made, _ = use.create(allowing, url="https://127.0.0.1:1/", secret=None, description=None, types=None, enabled=True)

    assert said(processes.product, res)[f"Endpoint {made.id}"][0] == "problem"


def test_a_spill_that_is_not_set_not_here_or_not_empty_is_said(said, with_settings, tmp_path):
    assert said(processes.spilled, with_settings(spill_folder=None))["Spill"][0] == "heads-up"
    assert said(processes.spilled, with_settings(spill_folder=str(tmp_path / "none")))["Spill"][0] == "not seen"
    res = with_settings(spill_folder=str(tmp_path))
    assert said(processes.spilled, res)["Spill"][0] == "pass"

    file = spill.create(tmp_path, spill.box_of(res.settings.secret_key), most_bytes=1_000_000)
    file.append([(b"{}", res.now() - timedelta(minutes=5), None)])

    verdict, detail = said(processes.spilled, res)["Spill"]
    assert (verdict, detail) == ("problem", "1 events wait though Postgres answers, the oldest came 5 minutes ago")
    away = dataclasses.replace(res, database=create_engine("postgresql://127.0.0.1:1/none"))
    verdict, detail = said(processes.spilled, away)["Spill"]
    assert verdict == "heads-up"
    assert detail.startswith("1 events wait for Postgres, the oldest came 5 minutes ago; ")
    file.close()


def test_a_spill_whose_disk_is_nearly_full_is_a_problem(said, with_settings, tmp_path, monkeypatch):
    usage = dataclasses.make_dataclass("Usage", ["free", "total"])(1024**2, 1024**4)
    monkeypatch.setattr(watchdog.shutil, "disk_usage", lambda _: usage)

    assert said(processes.spilled, with_settings(spill_folder=str(tmp_path)))["Spill"] == (
        "problem",
        "1 MB left on its disk",
    )
