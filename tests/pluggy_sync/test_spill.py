"""The spill: on the disk when it says so, bounded, sealed, and of one process at a time."""

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from pluggy_sync import spill
from pluggy_sync.spill import SpillError

BOX = spill.box_of("a-secret-key-of-the-tests-that-is-long-enough")
NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
MIB = 1024 * 1024


def created(folder, *, most_bytes=MIB):
    return closing(spill.create(folder, BOX, most_bytes=most_bytes))


def left_by_a_dead_process(folder, *bodies):
    program = (
        "import sys, os, datetime, pathlib; from pluggy_sync import spill\n"
        "folder, key, *bodies = sys.argv[1:]\n"
        "file = spill.create(pathlib.Path(folder), spill.box_of(key), most_bytes=2**20)\n"
        "now = datetime.datetime(2026, 3, 10, 15, tzinfo=datetime.UTC)\n"
        "file.append([(body.encode(), now, None) for body in bodies])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    key = "a-secret-key-of-the-tests-that-is-long-enough"
    done = subprocess.run([sys.executable, "-c", program, folder, key, *bodies], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr


def test_what_is_appended_comes_back_as_it_was_and_in_order(tmp_path):
    bodies = [b"one", b"\xff\x00", b"", "três".encode()]
    with created(tmp_path) as file:
        file.append([(each, NOON + timedelta(seconds=number), None) for number, each in enumerate(bodies)])
        file.append([(b"packed", NOON, "not packed by gzip, as it says")])

        first, *_, last = found = file.page(after=0, limit=100)

        assert [each.body for each in found] == [*bodies, b"packed"]
        assert (first.received_at, first.fault, last.fault) == (NOON, None, "not packed by gzip, as it says")
        assert [each.body for each in file.page(after=first.id, limit=2)] == bodies[1:3]


def test_a_page_of_large_deliveries_is_short_and_none_is_passed_over(tmp_path):
    with created(tmp_path, most_bytes=64 * MIB) as file:
        for number in range(12):
            file.append([(bytes([number]) * (2 * MIB), NOON, None)])
        found, after = [], 0
        while page := file.page(after=after, limit=100):
            found.append(len(page))
            after = page[-1].id

    assert found == [4, 4, 4]


def test_an_empty_file_is_deleted_when_it_is_closed_and_a_full_one_stays(tmp_path):
    with created(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []

    with created(tmp_path) as file:
        file.append([(b"one", NOON, None)])
    assert spill.waiting(tmp_path).deliveries == 1


def test_a_file_gives_its_space_back_when_it_is_empty(tmp_path):
    with created(tmp_path, most_bytes=8 * MIB) as file:
        for _ in range(50):
            file.append([(b"x" * 50_000, NOON, None)])
        (full,) = spill.listed(tmp_path)
        file.remove([each.id for each in file.page(after=0, limit=100)])
        (empty,) = spill.listed(tmp_path)

    assert full.bytes > 2_500_000
    assert empty.bytes < 100_000


def test_a_full_file_takes_none_of_what_is_too_much_and_goes_on_once_there_is_room(tmp_path):
    with created(tmp_path, most_bytes=MIB) as file:
        two = [(b"x" * 30_000, NOON, None), (b"y", NOON, None)]
        while file.count < 10:
            file.append(two)
        with pytest.raises(SpillError, match="full"):
            fill(file, two)
        assert file.count == len(file.page(after=0, limit=1000)) > 10
        assert file.count % 2 == 0
        file.remove([file.page(after=0, limit=1)[0].id])

        file.append([(b"z", NOON, None)])
        assert file.page(after=0, limit=1000)[-1].body == b"z"


def fill(file, deliveries):
    for _ in range(100):
        file.append(deliveries)


def test_a_disk_that_is_full_loses_nothing_that_was_taken(tmp_path):
    program = (
        "import sys, resource, signal, datetime, pathlib; from pluggy_sync import spill\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "file = spill.create(pathlib.Path(sys.argv[1]), spill.box_of('x' * 40), most_bytes=2**30)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "taken = 0\n"
        "try:\n"
        "    while taken < 1000:\n"
        "        file.append([(b'x' * 1000, datetime.datetime.now(datetime.UTC), None)])\n"
        "        taken += 1\n"
        "except spill.SpillError:\n"
        "    print(taken, len(file.page(after=0, limit=1000)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    taken, kept = map(int, done.stdout.split())

    assert taken == kept > 10
    assert spill.waiting(tmp_path).deliveries == taken


def test_the_file_of_a_living_process_is_adopted_by_nobody_and_that_of_a_dead_one_by_one(tmp_path):
    left_by_a_dead_process(tmp_path, "one", "two")
    with created(tmp_path) as mine:
        mine.append([(b"mine", NOON, None)])

        (adopted,) = spill.adopt(tmp_path, BOX)
        assert list(spill.adopt(tmp_path, BOX)) == []
        found = adopted.page(after=0, limit=10)
        assert [each.body for each in found] == [b"one", b"two"]
        adopted.remove([each.id for each in found])
        adopted.close()

        assert [each.lives for each in spill.listed(tmp_path)] == [True]
        assert {each.suffix for each in tmp_path.iterdir() if each.stem.startswith(adopted.path.stem)} == set()


def test_what_was_adopted_and_not_emptied_can_be_adopted_again(tmp_path):
    left_by_a_dead_process(tmp_path, "one", "two")
    (first,) = spill.adopt(tmp_path, BOX)
    first.remove([first.page(after=0, limit=1)[0].id])
    first.close()

    (second,) = spill.adopt(tmp_path, BOX)

    assert [each.body for each in second.page(after=0, limit=10)] == [b"two"]
    second.close()


def test_what_another_key_sealed_is_kept_and_named(tmp_path):
    with closing(spill.create(tmp_path, spill.box_of("y" * 40), most_bytes=MIB)) as file:
        file.append([(b"one", NOON, None)])

    (found,) = spill.deliveries(tmp_path, BOX, limit=10)

    assert (found.body, found.size) == (None, 3)


def test_it_says_how_many_wait_and_since_when_also_while_others_write(tmp_path):
    assert spill.waiting(tmp_path / "nothing") == spill.Waiting(deliveries=0, oldest=None)
    left_by_a_dead_process(tmp_path, "one", "two")
    with created(tmp_path) as file:
        file.append([(b"new", NOON + timedelta(hours=1), None)])

        assert spill.waiting(tmp_path) == spill.Waiting(deliveries=3, oldest=NOON)
        assert [each.body for each in spill.deliveries(tmp_path, BOX, limit=10)] == [b"one", b"two", b"new"]


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(SpillError, match="file"):
        spill.create(tmp_path / "file", BOX, most_bytes=MIB)


def test_only_its_user_may_read_it(tmp_path):
    folder = tmp_path / "spill"
    with created(folder) as file:
        file.append([(b"one", NOON, None)])

        modes = {each.name: each.stat().st_mode & 0o077 for each in (folder, *folder.iterdir())}

    assert set(modes.values()) == {0}
    assert len(modes) == 5
