"""
Webhooks a second, beside a tutorial's view that stores nothing and beside one that does nothing, all under granian with
the same number of processes. Ours are committed in Postgres when they are answered.

The load comes from a program of its own (`bench.webhook_load`) over 16 kept-alive connections, so many events in each
of several rounds, in which the three take turns. The median round counts.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from bench.outcome import Outcome
from bench.stage import Stage
from standalone import procfile
from standalone.polling import eventually
from standalone.ports import any_free

CONNECTIONS = 16
OURS, TUTORIAL, NOOP = "ours", "tutorial", "noop"
LEAST_TIMES_TUTORIAL = 1.5
MOST_P99_MS = 50
# Nothing listens there: no worker runs, and no event is handled meanwhile.
_NO_PLUGGY = "http://127.0.0.1:1"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round came to. `cpu_ms`: of the web processes, for each event."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    lone_ms: float


def measure(stage: Stage, *, count: int = 2500, rounds: int = 3) -> list[Outcome]:
    """Return the outcomes of *count* events in each of *rounds*, with one process and with two."""
    return [each for processes in (1, 2) for each in _measure(stage, processes, count, rounds)]


def _measure(stage: Stage, processes: int, count: int, rounds: int) -> list[Outcome]:
    found: dict[str, list[Round]] = {name: [] for name in (NOOP, TUTORIAL, OURS)}
    for _ in range(rounds):
        for name, several in found.items():
            several.append(_round(stage, name, processes, count))
    ours, tutorial, noop = (_median(found[name]) for name in (OURS, TUTORIAL, NOOP))
    what = f"webhooks, {processes} process{'es' if processes > 1 else ''}"
    times = ours.rate / tutorial.rate
    return [
        Outcome(
            what=f"{what}, {CONNECTIONS} connections",
            measured=f"{ours.rate:,.0f}/s, {ours.cpu_ms:.2f} ms of processor each",
            reference=f"tutorial: {tutorial.rate:,.0f}/s, {tutorial.cpu_ms:.2f} ms",
            ratio=f"{times:.2f} x",
            target=f">= {LEAST_TIMES_TUTORIAL} x",
            met=times >= LEAST_TIMES_TUTORIAL,
        ),
        Outcome(
            what=f"{what}: the same",
            measured=f"{ours.rate:,.0f}/s",
            reference=f"a view that does nothing: {noop.rate:,.0f}/s",
            ratio=f"{ours.rate / noop.rate:.0%}",
        ),
        Outcome(
            what=f"{what}: time to the answer",
            measured=f"p50 {ours.p50_ms:.1f}, p99 {ours.p99_ms:.1f} ms",
            reference=f"tutorial: {tutorial.p50_ms:.1f}, {tutorial.p99_ms:.1f} ms",
            ratio=f"{ours.p99_ms / tutorial.p99_ms:.2f} x",
            target=f"p99 < {MOST_P99_MS} ms",
            met=ours.p99_ms < MOST_P99_MS,
        ),
        Outcome(
            what=f"{what}: a lone event",
            measured=f"p50 {ours.lone_ms:.1f} ms",
            reference=f"tutorial: {tutorial.lone_ms:.1f} ms",
            ratio=f"{ours.lone_ms / tutorial.lone_ms:.2f} x",
        ),
    ]


def _median(rounds: list[Round]) -> Round:
    return sorted(rounds, key=lambda each: each.rate)[len(rounds) // 2]


def _round(stage: Stage, name: str, processes: int, count: int) -> Round:
    with (
        stage.environ(_NO_PLUGGY, LOG_LEVEL="INFO") as environ,
        _serving(name, environ, processes) as (server, address),
    ):
        load(address, CONNECTIONS, 300)
        before = _cpu_s(server)
        found = load(address, CONNECTIONS, count)
        cpu_ms = (_cpu_s(server) - before) / count * 1000
        lone = load(address, 1, 200)
    return Round(
        rate=found["rate"], p50_ms=found["p50_ms"], p99_ms=found["p99_ms"], cpu_ms=cpu_ms, lone_ms=lone["p50_ms"]
    )


def load(address: str, connections: int, count: int) -> Mapping[str, Any]:
    """Deliver *count* events; return what the load saw. Every one has to be answered 202."""
    command = [sys.executable, "-m", "bench.webhook_load", address, str(connections), str(count)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    if found["statuses"] != {"202": count}:
        raise RuntimeError(f"not all were taken: {found['statuses']}")
    return found


@contextmanager
def _serving(name: str, environ: Mapping[str, str], processes: int) -> Iterator[tuple[psutil.Process, str]]:
    port = any_free()
    address = f"http://127.0.0.1:{port}"
    env = {**os.environ, **environ, "HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": str(processes)}
    if name == OURS:
        program = procfile.program("web", env)
        argv, env = list(program.argv), dict(program.env)
    else:
        options = ["--interface", "wsgi", "--port", str(port), "--workers", str(processes), "--blocking-threads", "8"]
        argv = [sys.executable, "-m", "granian", *options, f"bench.tutorial:{name}"]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(address), within_s=60, what=f"{name} answers")
        yield psutil.Process(process.pid), address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _cpu_s(server: psutil.Process) -> float:
    times = [each.cpu_times() for each in (server, *server.children(recursive=True))]
    return sum(each.user + each.system for each in times)
