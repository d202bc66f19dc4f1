"""Whatever signal ends a run, and however often it comes, it ends once and in order."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from standalone import signals
from standalone.signals import ignore_interruptions, interrupt_on_signals, interruptions_deferred, interruptions_ignored


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    monkeypatch.setattr(signals, "_raised_at", -10.0)
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    }
    interrupt_on_signals()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_ending_signal_interrupts(number):
    with pytest.raises(KeyboardInterrupt):
        send(number)


def test_one_that_follows_at_once_changes_nothing_and_a_later_one_counts(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        send()
    send()

    monkeypatch.setattr(signals, "_raised_at", signals._raised_at - signals._SAME_S)
    with pytest.raises(KeyboardInterrupt):
        send()


def test_one_that_is_lost_comes_again_by_itself(monkeypatch):
    monkeypatch.setattr(signals, "_SAME_S", 0.05)
    with suppress(KeyboardInterrupt):
        send()

    with pytest.raises(KeyboardInterrupt):
        threading.Event().wait(60)


def test_once_the_run_is_ending_none_comes_again():
    with suppress(KeyboardInterrupt):
        send()
    ignore_interruptions()

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_interruption_waits_for_the_end_of_the_block_that_defers_it():
    done = []

    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it comes at the end of the block
        with interruptions_deferred(), interruptions_deferred():
            send()
            done.append("in the block")
        done.append("after the block")

    assert done == ["in the block"]


def test_what_fails_in_a_block_that_was_interrupted_failed_because_of_that():
    with pytest.raises(KeyboardInterrupt), interruptions_deferred():  # noqa: PT012  # it stands before the error
        send()
        raise OSError


def test_an_interruption_in_the_block_that_is_its_answer_is_ignored():
    with interruptions_ignored():
        send()

    with pytest.raises(KeyboardInterrupt):
        send()


def test_from_the_end_of_a_run_on_every_one_is_ignored():
    ignore_interruptions()

    send()
    send(signal.SIGTERM)
