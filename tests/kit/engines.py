"""
One engine for all tests of a process, in place of one for each, which compiles every statement anew and connects.

Tests: every test of the service uses it.
"""

from typing import Any

import sqlalchemy as sa

from pluggy_sync.store.database import Bounds, create_engine

# One that waits in the pool has no transaction open: it holds nothing and sees nothing old.
_DISCONNECT_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND NOT (state = 'idle' AND pid = ANY(%s::int[]))
"""


class SharedEngine:
    """The engine, and what makes its connections as if nobody had used them."""

    def __init__(self, database_url: str, bounds: Bounds) -> None:
        self.engine = create_engine(database_url, bounds)
        self._pids: set[int] = set()
        self._tests = 0
        sa.event.listen(self.engine, "connect", self._remember)
        sa.event.listen(self.engine, "checkout", self._forget_the_test_before)

    def _remember(self, connection: Any, _record: Any) -> None:
        self._pids.add(connection.info.backend_pid)

    def _forget_the_test_before(self, connection: Any, record: Any, _proxy: Any) -> None:
        """Take back all that a test has set in the session, at its first use in the next one."""
        if record.info.get("test") != self._tests:
            connection.execute("DISCARD ALL")
            record.info["test"] = self._tests

    def begin_again(self) -> None:
        """End what a test left at work, and the connections that other engines and processes have."""
        self._tests += 1
        pool = self.engine.pool
        assert isinstance(pool, sa.QueuePool)
        if pool.checkedout():
            self.engine.dispose()
            self._pids.clear()
        with self.engine.connect() as conn:
            conn.exec_driver_sql(_DISCONNECT_OTHERS, ([*self._pids],))

    def run(self, statements: str) -> None:
        """Run *statements* in one transaction."""
        with self.engine.begin() as conn:
            conn.exec_driver_sql(statements)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()
