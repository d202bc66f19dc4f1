"""What the web server starts: `webhook_app.asgi:app`."""

import gc
import os
import resource
import sys

# Nothing of what is loaded is garbage: to look for some again and again takes a quarter of the start.
gc.disable()

from pluggy_sync import tracing
from pluggy_sync.logs import configure_logs, log_what_nobody_caught
from pluggy_sync.settings import SettingsError, read_settings
from webhook_app import api_tokens
from webhook_app.app import create_app
from webhook_app.front.app import Front
from webhook_app.intake import view as intake


def _allow_many_connections() -> None:
    """Use as many files as the system allows. Each connection is one, and a silent client may keep it open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


try:
    _settings = read_settings(os.environ)
except SettingsError as exc:
    sys.exit(str(exc))
configure_logs(_settings.log_level)
log_what_nobody_caught()
_allow_many_connections()
tracing.start(_settings.trace_endpoint)
_app = create_app(_settings)
app = Front(_app, _settings, intake.of_app(_app), api_tokens.of_app(_app))
gc.freeze()
gc.enable()
