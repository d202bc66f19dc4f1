"""Tests of this module: `tests/pluggy_sync/store/test_migrate.py`."""
