"""Tests of this module: `tests/pluggy_sync/test_resources.py`."""
