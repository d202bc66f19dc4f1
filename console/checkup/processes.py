"""Whether our own processes run, and reach the product."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from console.checkup.at_once import at_once
from console.checkup.results import Result, heads_up, not_seen, passed, problem
from pluggy_sync import queue, spill, tls
from pluggy_sync.engine import watchdog
from pluggy_sync.notifications import addresses
from pluggy_sync.resources import Resources
from pluggy_sync.rules.ages import ago
from pluggy_sync.store import endpoints, schedule

# Workers answer within this time, or are not there.
INSPECT_S = 2.0
_CONNECT_S = 2
# In all, at all endpoints at once: whoever finds out their addresses has no bound of its own.
_REACH_S = 4.0


def workers(res: Resources) -> Iterator[Result]:
    """Whether each queue has a worker."""
    # Celery has errors of its own for a Redis that is away.
    res.redis.ping()
    app = queue.celery_app(res.settings.redis_url)
    with closing(app):
        served = app.control.inspect(timeout=INSPECT_S).active_queues() or {}
    names = {each["name"] for queues in served.values() for each in queues}
    lonely = sorted(set(queue.QUEUE_OF_TASK.values()) - names)
    if lonely:
        yield problem(
            "Workers",
            f"none for {', '.join(lonely)}",
            "Start the processes of the Procfile that take these queues; a frozen worker does not answer either",
        )
    else:
        yield passed("Workers", f"{len(served)} processes serve all queues")


def sweeps(res: Resources) -> Iterator[Result]:
    """Whether beat and the worker of its queue do what is due."""
    with res.database.connect() as conn:
        done = {task: schedule.last_done(conn, task) for task in (queue.SWEEP, queue.WATCH)}
    limits = {queue.SWEEP: max(60, 3 * res.settings.sweep_interval_s), queue.WATCH: 300}
    sweeps_now = False
    for task, about in ((queue.SWEEP, "Last sweep"), (queue.WATCH, "Last round of the watchdog")):
        last = done[task]
        if last is None and sweeps_now:
            yield not_seen(about, "none yet: the first comes a minute after beat has started", "Look again then")
        elif last is None or res.now() - last > timedelta(seconds=limits[task]):
            said = "never" if last is None else ago(last, res.now())
            yield problem(about, said, "Start or restart the processes `beat` and `schedule`")
        else:
            sweeps_now = True
            yield passed(about, ago(last, res.now()))


def product(res: Resources) -> Iterator[Result]:
    """Whether the product's endpoints can be reached."""
    with res.database.begin() as conn:
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
        found = [each for each in endpoints.all_(conn) if each.state not in ("unset", "disabled")]
    if not found:
        yield heads_up("Endpoints", "none: nobody is told of anything", "pluggy-sync endpoints create URL, or read /v1")
    looks = [partial(_reached, res, each) for each in found]
    for each, seen in zip(found, at_once(looks, seconds=_REACH_S), strict=True):
        yield from seen.results
        if not seen.ended:
            fault = f"cannot be reached (no answer within {_REACH_S:.0f} s)"
            yield problem(f"Endpoint {each.id}", fault, "See DNS, certificate and firewall")


def _reached(res: Resources, endpoint: endpoints.Endpoint) -> Iterator[Result]:
    yield _endpoint(res, endpoint)


def _endpoint(res: Resources, endpoint: endpoints.Endpoint) -> Result:
    about = f"Endpoint {endpoint.id}"
    if endpoint.state == "stopped":
        return problem(about, f"stopped ({endpoint.stop_reason})", f"pluggy-sync endpoints resume {endpoint.id}")
    try:
        address = addresses.of_endpoint(res, endpoint, now=res.now())
    except addresses.SecretLostError:
        return problem(
            about, "its secret was sealed with another SECRET_KEY", f"pluggy-sync endpoints rotate-secret {endpoint.id}"
        )
    fault = None if address is None else _unreachable(address.url)
    if fault is not None:
        return problem(about, f"cannot be reached ({fault})", "Start it; see DNS, certificate and firewall")
    if endpoint.state == "failing":
        return problem(
            about, "takes nothing just now", f"pluggy-sync endpoints attempts {endpoint.id} shows what it answers"
        )
    return passed(about, "can be reached")


def _unreachable(url: str) -> str | None:
    """Return why no connection is made, or None. Nothing is sent."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S) as plain:
            if parts.scheme == "https":
                with tls.context().wrap_socket(plain, server_hostname=parts.hostname):
                    pass
    except OSError as exc:
        return type(exc).__name__
    return None


def spilled(res: Resources) -> Iterator[Result]:
    """Whether webhooks are taken while Postgres is away."""
    folder = res.settings.spill_folder
    if folder is None:
        yield heads_up(
            "Spill", "SPILL_FOLDER is not set: while Postgres is away webhooks are answered 503", "Set it to a volume"
        )
        return
    path = Path(folder)
    if not path.is_dir():
        yield not_seen("Spill", f"{folder} is not of this machine", "Look on a machine that runs a web process")
        return
    waiting = spill.waiting(path)
    room = watchdog.disk("spill", path)
    since = "" if waiting.oldest is None else f", the oldest came {ago(waiting.oldest, res.now())}"
    if waiting.deliveries and _answers(res):
        yield problem(
            "Spill",
            f"{waiting.deliveries} events wait though Postgres answers{since}",
            "pluggy-sync spill, then the log",
        )
    elif waiting.deliveries:
        left = f"{room.free / 1024**2:,.0f} MB left on its disk"
        yield heads_up(
            "Spill",
            f"{waiting.deliveries} events wait for Postgres{since}; {left}",
            "Start Postgres: they enter it by themselves",
        )
    elif room.is_low:
        yield problem("Spill", f"{room.free / 1024**2:,.0f} MB left on its disk", "Make room")
    else:
        yield passed("Spill", "empty, with room")


def _answers(res: Resources) -> bool:
    try:
        with res.database.connect():
            return True
    except SQLAlchemyError:
        return False
