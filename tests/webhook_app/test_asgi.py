"""Tests of this module: `tests/webhook_app/front/test_app.py`, which starts the web server."""
