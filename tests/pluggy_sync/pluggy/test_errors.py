"""Tests of this module: `tests/pluggy_sync/pluggy/test_client.py`."""
