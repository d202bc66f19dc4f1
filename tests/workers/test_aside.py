"""A delivery that takes its time keeps no worker from its next message; one that ends soon is waited for."""

import threading

import pytest

from standalone.polling import eventually
from workers import aside


@pytest.fixture
def release():
    release = threading.Event()
    yield release
    release.set()
    eventually(lambda: not aside._under_way, what="all have ended")


def test_work_that_ends_soon_has_ended_when_the_worker_goes_on():
    done = []

    aside.run(lambda: done.append(1), name="deliver", argument="1")

    assert done == [1]


def test_a_worker_goes_on_while_work_takes_its_time_and_the_work_ends_later(release):
    done = threading.Event()

    def slow():
        release.wait(60)
        done.set()

    aside.run(slow, name="deliver", argument="1")
    assert not done.is_set()
    release.set()

    assert done.wait(60)


def test_what_fails_at_once_is_the_worker_s_failure():
    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        aside.run(fail, name="deliver", argument="1")


@pytest.mark.slow
def test_when_every_thread_is_taken_the_worker_waits_for_one(release):
    for number in range(aside.THREADS):
        aside.run(lambda: release.wait(60) and None, name="deliver", argument=str(number))
    went_on = threading.Event()

    def one_more():
        aside.run(lambda: None, name="deliver", argument="more")
        went_on.set()

    threading.Thread(target=one_more).start()
    assert not went_on.wait(0.5)
    release.set()

    assert went_on.wait(60)
