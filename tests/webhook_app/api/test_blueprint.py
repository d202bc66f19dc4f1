"""Tests of this module: `tests/webhook_app/api/test_access.py`."""
