"""The spill of this process: what is kept there while Postgres is away, and how it comes into Postgres."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from pluggy_sync import spill
from pluggy_sync.engine import intake
from pluggy_sync.engine.intake import Delivery, Store
from pluggy_sync.resources import Resources
from pluggy_sync.spill import SpillError, SpillFile

log = structlog.get_logger(__name__)

# How often the files of dead processes are looked for.
ADOPT_EVERY_S = 5.0


class Spill:
    """Keeps deliveries in the process's file, which is made when the process starts. For all its threads."""

    def __init__(self, res: Resources, folder: Path) -> None:
        self._res = res
        self._folder = folder
        self._box = spill.box_of(res.settings.secret_key, *res.settings.previous_secret_keys)
        self._lock = threading.Lock()
        self._file: SpillFile | None = None
        self._adopts_at = 0.0
        self._open()

    @property
    def is_usable(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def keep(self, deliveries: Sequence[Delivery]) -> bool:
        """Put *deliveries* on the disk; return False if none is there."""
        file = self._open()
        if file is None:
            return False
        try:
            file.append([(each.body, each.received_at, each.fault) for each in deliveries])
        except SpillError as exc:
            log.exception("spill.full", error=str(exc), count=len(deliveries), next="Pluggy sends them again")
            return False
        log.warning(
            "webhooks.spilled",
            count=len(deliveries),
            events=[each.about() for each in deliveries],
            next="they enter the inbox when Postgres is back",
        )
        return True

    def drain(self, store: Store) -> None:
        """
        Bring into Postgres what waits here, and what dead processes left.

        Raises:
            SQLAlchemyError, psycopg.Error: Postgres is away. What is not there yet is still here.
        """
        if self._file is not None and self._file.count:
            intake.drain(self._res, self._file, store)
        if time.monotonic() >= self._adopts_at:
            self._adopts_at = time.monotonic() + ADOPT_EVERY_S
            intake.adopt(self._res, self._folder, store)

    def close(self) -> None:
        """Leave the file: what is in it, another process adopts."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _open(self) -> SpillFile | None:
        with self._lock:
            if self._file is None:
                try:
                    most_bytes = self._res.settings.spill_max_mb * 1024 * 1024
                    self._file = spill.create(self._folder, self._box, most_bytes=most_bytes)
                except SpillError as exc:
                    log.exception("spill.unusable", error=str(exc), next="without Postgres it is 503")
            return self._file
