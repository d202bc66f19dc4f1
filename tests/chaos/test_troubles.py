"""The troubles follow from the seed, and in three minutes every process has met each kind."""

import sys
from collections import defaultdict
from types import SimpleNamespace
from typing import cast

import psutil
import pytest

from chaos.service import Service
from chaos.troubles import KINDS, Trouble, Troubles, plan
from standalone.polling import eventually

NAMES = ["web", "worker", "notifications", "beat", "postgres"]


def test_the_same_seed_makes_the_same_trouble_and_another_one_other_trouble():
    assert list(plan(1, 600, NAMES)) == list(plan(1, 600, NAMES))
    assert list(plan(1, 600, NAMES)) != list(plan(2, 600, NAMES))


@pytest.mark.parametrize("seconds", [60, 600])
def test_in_each_minute_every_process_meets_one_trouble(seconds):
    by_minute = defaultdict(list)
    for trouble in plan(1, seconds, NAMES):
        by_minute[int(trouble.at_s // 60)].append(trouble.name)

    assert len(by_minute) == seconds // 60
    assert all(sorted(names) == sorted(NAMES) for names in by_minute.values())


def test_in_three_minutes_every_process_is_killed_stopped_and_frozen():
    met = {(trouble.name, trouble.kind) for trouble in plan(1, 180, NAMES)}

    assert met == {(name, kind) for name in NAMES for kind in KINDS}


def test_a_frozen_process_goes_on_before_the_next_trouble_and_before_the_end():
    troubles = list(plan(3, 600, NAMES))
    ends = [trouble.at_s for trouble in troubles[1:]] + [600]

    assert all(trouble.at_s + trouble.for_s <= end + 1e-6 for trouble, end in zip(troubles, ends, strict=True))


def test_a_short_run_has_trouble_for_every_process_too():
    assert {trouble.name for trouble in plan(1, 20, NAMES)} == set(NAMES)


def test_a_frozen_process_goes_on_though_what_happens_meanwhile_waits_for_it():
    frozen = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    service = cast("Service", SimpleNamespace(family=lambda name: [frozen]))

    class Waiting:
        def go_on_until(self, moment: float) -> None:
            eventually(lambda: frozen.status() == psutil.STATUS_STOPPED, what="the process to stop")
            eventually(lambda: frozen.status() != psutil.STATUS_STOPPED, what="the process to go on")

    try:
        Troubles(service, say=lambda line: None).make(
            Trouble(at_s=0, name="sandbox", kind="freeze", for_s=0.5), meanwhile=Waiting()
        )
        assert frozen.status() != psutil.STATUS_STOPPED
    finally:
        frozen.kill()
        frozen.wait()
