"""Tests of this module: `tests/webhook_app/person/test_page.py`."""
