"""
Reading what the bank shares, if the Item says that it changed. It is one request, and nothing else waits for it.

Tests: `engine/test_sharing.py`.
"""

import structlog

from pluggy_sync.engine.sync.run import Run, writing
from pluggy_sync.pluggy.errors import PluggyError, PluggyRefusedError, PluggyUnauthorizedError
from pluggy_sync.resources import Resources
from pluggy_sync.store import shared_resources

log = structlog.get_logger(__name__)


def sync_sharing(res: Resources, run: Run) -> None:
    """
    Store what the bank shares, if the plan says so. Trouble with it is only logged: the next run tries again.

    A refusal of Pluggy is stored as one, and is not tried again before the Item says that something changed.

    Raises:
        LeaseLostError: the Item is no longer this run's.
    """
    if not run.plan.reads_sharing:
        return
    try:
        found = res.pluggy.resources(run.item.id)
    except PluggyUnauthorizedError:
        raise
    except PluggyRefusedError as exc:
        log.warning("sync.sharing_refused", status=exc.status, next="not asked again before the Item changes")
        found = None
    except PluggyError as exc:
        log.warning("sync.sharing_not_read", error=str(exc), next="the next run tries again")
        return
    with writing(res, run) as tx:
        shared_resources.save(
            tx.conn,
            run.item.id,
            collected_at=run.item.resources_collected_at,
            pending=run.item.has_resources_pending is True,
            resources=found,
            now=res.now(),
        )
