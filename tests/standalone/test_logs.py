"""On the console there is one readable line per domain event; everything else is in the files."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from standalone import logs
from standalone.logs import ConsoleLog, LogFiles, readable

ITEM = "9f372aeb-a134-40ed-96e0-16db8d4df9b4"


def a_line(event, *, level="info", **fields):
    return json.dumps({"event": event, "level": level, "timestamp": "2026-11-25T20:07:09.696863Z", **fields})


@pytest.mark.parametrize(
    "line, text",
    [
        (
            a_line("webhook.stored", result="recorded", event_id="e1", item_id=ITEM, event_name="item/created"),
            f"webhook stored · item/created · {ITEM}",
        ),
        (a_line("webhook.stored", result="repeated", event_name="a"), "webhook stored · a · result repeated"),
        (
            a_line("sync.done", trigger="SYNC", added=1629, removed=0, again=False, item_id=ITEM, run_id="r"),
            f"sync done · trigger SYNC · added 1,629 · {ITEM}",
        ),
        (
            a_line("event.rescheduled", level="warning", error="503 for GET /items/{id}", event_id="e1"),
            "event rescheduled · error 503 for GET /items/{id} · event id e1",
        ),
        (a_line("sync.begun", item_id=ITEM, parts={"accounts": "collected"}, ids=["a"]), f"sync begun · {ITEM}"),
        (a_line("Connection to broker lost.\nTraceback", level="warning"), "Connection to broker lost."),
        ("[ERROR] out of memory", "out of memory"),
        ("[ERROR] Unexpected exit from worker-1", "its child worker-1 ended"),
        ("[INFO] Respawning worker-1", "its child worker-1 is started again"),
        (
            "Process 'ForkPoolWorker-1' pid:582 exited with 'signal 9 (SIGKILL)'",
            "its child ForkPoolWorker-1 ended (SIGKILL); another one is started",
        ),
        (
            "2026-11-26 00:40:16.679 UTC [321] LOG:  server process (PID 400) was terminated by signal 9: Killed",
            "its child server process ended (Killed); all of them are started again",
        ),
    ],
)
def test_a_domain_event_and_an_alarm_are_one_line(line, text):
    assert str(readable(line)) == text


@pytest.mark.parametrize(
    "line",
    [
        a_line("Task handle_event[c359eea4-2085-4027-9146-138efece021a] received"),
        a_line("Task sync_item[966d0e53-0192-474f-9d4b-8ed8ead5f7a0] succeeded in 0.35s: None"),
        a_line("celery@vm ready."),
        a_line("Scheduler: Sending due task sweep (sweep)"),
        a_line("/venv/celery/worker/consumer.py:427: CPendingDeprecationWarning: soon", level="warning"),
        a_line("/venv/celery/worker/consumer/consumer.py:427: CPendingDeprecationWarning", level="warning"),
        "[INFO] Spawning worker-1 with PID: 6796",
        "[WARNING] Configuration allows spawning up to 8 Python threads",
        "/venv/celery/platforms.py:893: SecurityWarning: You're running the worker with superuser privileges",
        "[W 261125 20:07:08 inspector:98] Inspect method stats failed",
        '127.0.0.1 - - [25/Nov/2026 20:07:09] "POST / HTTP/1.1" 200 -',
        '"text"',
        "17",
        "",
    ],
)
def test_what_libraries_say_while_all_is_well_is_not_on_the_console(line):
    assert readable(line) is None


# What a worker printed as its Redis was killed, and as it was back.
LOST = [
    a_line("… ('ConnectionError')", level="warning"),
    a_line("/venv/celery/worker/consumer/consumer.py:427: CPendingDeprecationWarning", level="warning"),
    a_line("Error on restarting Gossip: 'AttributeError'", level="error", exception="AttributeError"),
    a_line("consumer: Cannot connect to workers.transport:Transport://:**@127.0.0.1:6390/0: E.\n…", level="error"),
    a_line("consumer: Cannot connect to workers.transport:Transport://:**@127.0.0.1:6390/0: E.\n…", level="error"),
]
BACK = a_line("Connected to workers.transport:Transport://:**@127.0.0.1:6390/0")


def test_a_process_that_loses_redis_says_so_once_and_once_that_it_is_back():
    console = Console(file=io.StringIO(), width=200)
    log = ConsoleLog(console, width=6)

    for line in [BACK, *LOST, BACK, BACK, *LOST]:
        log.show("worker", line)
    log.show("beat", a_line("beat: Connection error: … Trying again in 2.0 seconds...", level="error"))

    assert [line.split(" │ ")[0][9:].strip() for line in console.file.getvalue().splitlines()] == ["worker"] * 3 + [
        "beat"
    ]
    lost = "Redis does not answer; it is asked until it does"
    said = [line.split(" │ ")[1] for line in console.file.getvalue().splitlines()]
    assert said == [lost, "Redis answers again", lost, lost]


def test_an_instant_is_shown_by_the_clock_of_the_console_to_the_second():
    today = datetime.now().astimezone().replace(hour=12, minute=34, second=56, microsecond=789)
    later = today + timedelta(days=2)

    for at, said in ((today, "12:34:56"), (later, f"{later:%Y-%m-%d %H:%M:%S}")):
        line = a_line("event.rescheduled", next_try_at=str(at.astimezone(UTC)))
        assert str(readable(line)) == f"event rescheduled · next try at {said}"
    assert str(readable(a_line("event.rescheduled", at="2026-99-99 25:00"))).endswith("at 2026-99-99 25:00")


def test_a_line_that_goes_on_and_on_is_cut():
    assert len(readable(a_line("event.dead", level="error", error="x" * 5000))) == logs.LONGEST


def test_each_line_begins_with_the_time_and_the_process_and_stays_one_line():
    console = Console(file=io.StringIO(), width=40)

    ConsoleLog(console, width=8).show("worker", a_line("event.handled", outcome="sync", item_id=ITEM))

    [line] = console.file.getvalue().splitlines()
    assert line[8:] == f" worker   │ event handled · sync · {ITEM}"


def test_a_file_of_each_process_has_every_line_and_begins_anew_when_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "FILE_BYTES", 100)

    with LogFiles(tmp_path / "logs") as files:
        for number in range(30):
            files.show("worker", f"line {number}")
        files.show("web", "other")

        assert files.last_lines("worker", 1) == ["line 29"]
        assert files.last_lines("nobody", 1) == []
    assert (tmp_path / "logs/web.log").read_text() == "other\n"
    assert {file.name for file in (tmp_path / "logs").iterdir()} == {"worker.log", "worker.log.1", "web.log"}
    assert all(file.stat().st_size <= 100 for file in (tmp_path / "logs").iterdir())


def test_a_console_that_is_gone_ends_nothing():
    code = """
from rich.console import Console
from standalone.logs import ConsoleLog
for _ in range(2):
    ConsoleLog(Console(), width=8).say("to nobody")
raise SystemExit(7)
"""
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)

    assert done.returncode == 7, done.stderr
