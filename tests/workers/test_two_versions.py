"""
While a new version is rolled out, its workers and those of the version before share queues and tables.

The version before is what the repository held before the newest migration came; without the history there is none.
"""

import os
import subprocess
import sys
import tarfile
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from pluggy_sync.store.migrate import alembic_config
from pluggy_sync.store.tables import inbox, sync_runs
from standalone import procfile
from standalone.polling import eventually
from tests.kit.factories import an_environ
from tests.kit.worker_processes import Worker, running_worker

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PEOPLE = 6


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False).stdout


def last_without(newest):
    """Return the last commit that has all migrations but the *newest*; None: there is none."""
    folder = str(newest.parent)
    wanted = {each.name for each in (ROOT / folder).glob("*.py")} - {newest.name}
    for commit in git("rev-list", "--max-count=1000", "HEAD").decode().split():
        if {Path(name).name for name in git("ls-tree", "--name-only", commit, f"{folder}/").decode().split()} == wanted:
            return commit
    return None


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The folder of the version before the newest migration."""
    newest = Path(ScriptDirectory.from_config(alembic_config()).get_revision("head").path)
    commit = last_without(newest.relative_to(ROOT))
    if commit is None:
        pytest.skip("the history of the repository is not here")
    archive = git("archive", commit)
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


@contextmanager
def running_before(environ, folder, before, monkeypatch):
    """Run a worker of the version before, with its own Procfile and code."""
    with ExitStack() as stack:
        with monkeypatch.context() as patched:
            patched.setattr(procfile, "PROCFILE", before / "Procfile")
            patched.setattr(procfile.commands, "__defaults__", (before / "Procfile",))
            worker = stack.enter_context(running_worker({**environ, "PYTHONPATH": str(before)}, folder))
        yield worker


def where_workers_are(before):
    """Return the folder of the code that a process runs which is started there."""
    code = "import workers; print(workers.__path__[0])"
    env = {**os.environ, "PYTHONPATH": str(before)}
    return Path(subprocess.check_output([sys.executable, "-c", code], cwd=before, env=env, text=True).strip())


def is_quiet(database):
    with database.begin() as conn:
        waiting = conn.scalar(sa.select(sa.func.count()).where(inbox.c.state != "handled"))
        running = conn.scalar(sa.select(sa.func.count()).where(sync_runs.c.outcome == "running"))
        done = conn.scalar(
            sa.select(sa.func.count(sync_runs.c.item_id.distinct())).where(sync_runs.c.outcome == "done")
        )
    return waiting == running == 0 and done == PEOPLE


def test_workers_of_two_versions_share_the_work_and_every_item_is_mirrored(
    service, upstream, settings, resources, before, tmp_path, monkeypatch
):
    environ = an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
        SWEEP_INTERVAL_S="2",
    )
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()

    with (
        running_before(environ, tmp_path / "old", before, monkeypatch) as old,
        running_worker(environ, tmp_path / "new", beat=True) as new,
    ):
        assert where_workers_are(before) == before / "workers"
        assert [Path(f"/proc/{each.process.pid}/cwd").readlink() for each in (old, new)] == [before, ROOT]
        items = [upstream.connect(products=None) for _ in range(PEOPLE)]
        service.deliver(*upstream.take_events())
        eventually(lambda: is_quiet(resources.database), what="everything is handled", within_s=120)
        worked: list[Worker] = [each for each in (old, new) if each.count("event.handled") or each.count("sync.done")]

    for item_id in items:
        service.assert_mirrors(item_id)
    assert worked == [old, new]
    assert [each.count("task.failed") for each in (old, new)] == [0, 0]
