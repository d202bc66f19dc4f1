"""Taking deliveries, for whoever speaks HTTP: a request thread, or the event loop itself."""

import asyncio
from concurrent.futures import Future
from pathlib import Path

from pluggy_sync.engine import intake
from pluggy_sync.engine.intake import Delivery, Result
from pluggy_sync.resources import Resources
from webhook_app.intake.spilling import Spill
from webhook_app.intake.writer import Writer


class Intake:
    """The intake of one process."""

    def __init__(self, res: Resources) -> None:
        self._res = res
        folder = res.settings.spill_folder
        self._spill = None if folder is None else Spill(res, Path(folder))
        self._writer = Writer(res, self._spill)
        res.before_close.callback(self._writer.close)

    @property
    def has_spill(self) -> bool:
        """Whether deliveries are taken while Postgres is away."""
        return self._spill is not None and self._spill.is_usable

    def take(self, body: bytes, *, fault: str | None = None) -> "Future[Result | None]":
        """
        Have *body* stored; the future has what became of it, None if it is not stored. *fault* as in `Delivery`.

        Raises:
            FullError: it would not be stored in time.
        """
        return self._writer.put(self._read(body, fault))

    def take_from_loop(self, body: bytes) -> "asyncio.Future[Result | None]":
        """Do what `take` does, for the event loop that runs."""
        return self._writer.put_from_loop(self._read(body, None))

    def _read(self, body: bytes, fault: str | None) -> Delivery:
        client_id = self._res.settings.pluggy_client_id
        return intake.read(body, received_at=self._res.now(), client_id=client_id, fault=fault)
