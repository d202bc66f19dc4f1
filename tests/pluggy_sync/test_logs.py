"""Lines are JSON, and hold nothing that an exception or a library may quote."""

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest
import structlog

from pluggy_sync import logs

SECRET = "Failing row contains (Maria, 529.982.247-25)"


@pytest.fixture
def logged():
    """What production would have printed, at DEBUG."""
    text = io.StringIO()
    root = logging.getLogger()
    (printer,) = [each for each in root.handlers if type(each) is logging.StreamHandler]
    level, before = root.level, printer.setStream(text)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    root.setLevel(level)
    printer.setStream(before)


def test_our_own_line_is_printed_whole(logged):
    structlog.get_logger("pluggy_sync.somewhere").info("item.seen", item_id="an id with spaces", number=3)

    (line,) = logged()
    assert (line["event"], line["item_id"], line["number"], line["level"]) == (
        "item.seen",
        "an id with spaces",
        3,
        "info",
    )


@pytest.mark.parametrize("key", ["account_id", "of"])
def test_an_id_of_pluggys_objects_is_printed_only_if_it_is_one(logged, key):
    log = structlog.get_logger("pluggy_sync.somewhere")
    account_id = "0f4c2bb6-5f0a-4c5e-9d6b-0c6f5a1f6f52"
    for value in (account_id, account_id.upper(), None, "Maria", f"{account_id}\n", 52998224725):
        log.info("part.not_read", **{key: value})

    assert [line[key] for line in logged()] == [account_id, account_id.upper(), None, *[logs.LEFT_OUT] * 3]


def test_a_part_is_named_by_an_id_of_pluggys_objects_only_if_it_is_one(logged):
    parts = ["accounts", "transactions of 0f4c2bb6-5f0a-4c5e-9d6b-0c6f5a1f6f52"]
    structlog.get_logger("pluggy_sync.somewhere").info(
        "sync.begun", parts=dict.fromkeys([*parts, "transactions of Maria"], "first read")
    )

    assert list(logged()[0]["parts"]) == [*parts, f"transactions of {logs.LEFT_OUT}"]


def test_an_exception_is_printed_as_its_type_and_place(logged):
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as exc:
            raise ValueError(SECRET) from exc
    except ValueError:
        structlog.get_logger("pluggy_sync.somewhere").exception("it.failed")
        logging.getLogger("celery").exception("it failed")

    for line in logged():
        assert (line["exception"], line["caused_by"]) == ("ValueError", "KeyError")
        assert "test_logs.py" in line["raised_at"][0]
        assert SECRET not in json.dumps(line)


@pytest.mark.parametrize("name", ["celery", "kombu.transport", "amqp", "flask", "granian", "anything"])
def test_libraries_print_nothing_below_info(logged, name):
    logging.getLogger(name).debug("body: %s", SECRET)
    logging.getLogger(name).info("fine")

    assert [line["event"] for line in logged()] == ["fine"]


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "urllib3.connectionpool", "sqlalchemy.engine.Engine"])
def test_those_that_print_addresses_and_statements_print_warnings_alone(logged, name):
    logging.getLogger(name).info("GET %s", "https://product.example/hooks?token=1")
    logging.getLogger(name).warning("fine")

    assert [line["event"] for line in logged()] == ["fine"]


@pytest.mark.parametrize(
    "argument, printed",
    [
        ("handle_event", "handle_event"),
        ("8536eb8b-c61a-4dfd-a320-7863b6f07c14", "8536eb8b-c61a-4dfd-a320-7863b6f07c14"),
        ("redis://:**@127.0.0.1:6379/0", "redis://:**@127.0.0.1:6379/0"),
        (3.5, "3.5"),
        (None, "None"),
        (SECRET, "…"),
        ({"name": "Maria"}, "…"),
        (["Maria"], "…"),
        (b"Maria", "…"),
        (ValueError(SECRET), "ValueError"),
        (repr(ValueError(SECRET)), "ValueError"),
    ],
)
def test_of_the_arguments_of_a_librarys_line_ids_names_and_numbers_are_printed(logged, argument, printed):
    logging.getLogger("celery").warning("it was %s.", argument)
    logging.getLogger("celery").warning("it was %(what)s.", {"what": argument})

    assert [line["event"] for line in logged()] == [f"it was {printed}."] * 2


def test_of_a_warning_its_place_and_category_are_printed(logged):
    text = warnings.formatwarning(SECRET, RuntimeWarning, "/somewhere/there.py", 12)
    logging.getLogger("py.warnings").warning("%s", text)

    assert [line["event"] for line in logged()] == ["/somewhere/there.py:12: RuntimeWarning"]


ENDS = {
    "the process": "raise ValueError(SECRET)",
    "a thread": "t = threading.Thread(target=lambda: (_ for _ in ()).throw(ValueError(SECRET))); t.start(); t.join()",
    "cleaning up": "A = type('A', (), {'__del__': lambda self: (_ for _ in ()).throw(ValueError(SECRET))}); A()",
    "a warning": "warnings.warn(SECRET, RuntimeWarning)",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_what_nobody_caught_is_logged_without_its_text(code):
    head = "import threading, warnings; from pluggy_sync.logs import configure_logs, log_what_nobody_caught;"
    head += f"SECRET = {SECRET!r}; configure_logs('INFO'); log_what_nobody_caught()\n"

    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=False)

    printed = done.stdout + done.stderr
    assert "ValueError" in printed or "RuntimeWarning" in printed
    assert "Maria" not in printed
    assert all(json.loads(line) for line in printed.splitlines())


def test_the_names_of_our_packages_are_those_that_exist():
    assert {name for name in logs.OURS if __import__(name)} == set(logs.OURS)
