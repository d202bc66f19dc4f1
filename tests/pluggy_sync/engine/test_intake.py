"""Tests of this module: `tests/webhook_app/intake/test_writer.py`, `tests/webhook_app/test_intake.py`."""
