"""
A worker's process that syncs one Item and says what that took. Started by `bench.end_to_end`.

Prints JSON: seconds, requests, and the peak of the process's memory in KiB, before and after the sync.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from pluggy_sync.engine import items
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.logs import configure_logs
from pluggy_sync.resources import create_resources
from pluggy_sync.settings import read_settings
from pluggy_sync.store import inbox


def _peak_kib() -> int:
    """Return the peak of this process's own memory: `ru_maxrss` begins with that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(item_id: str) -> None:
    """Fetch the Item and sync it."""
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    # Loads what a worker has loaded.
    import workers.app  # noqa: F401, PLC0415

    res = create_resources(settings, pool_size=2)
    with res.database.begin() as conn:
        inbox.request_fetch(conn, item_id, why="bench", now=res.now())
    items.fetch(res, item_id)
    before = _peak_kib()
    began = time.perf_counter()
    item_sync.sync_item(res, item_id)
    took = {"seconds": time.perf_counter() - began, "requests": res.pluggy.requests}
    res.close()
    print(json.dumps({**took, "before_kib": before, "peak_kib": _peak_kib()}))


if __name__ == "__main__":
    main(sys.argv[1])
