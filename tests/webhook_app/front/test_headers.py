"""Tests of this module: `tests/webhook_app/test_intake.py`."""
