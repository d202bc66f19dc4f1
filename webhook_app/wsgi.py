"""What the web server starts: `webhook_app.wsgi:app`."""

import os
import sys

from pluggy_sync.logs import configure_logs
from pluggy_sync.settings import SettingsError, read_settings
from webhook_app.app import create_app

try:
    _settings = read_settings(os.environ)
except SettingsError as exc:
    sys.exit(str(exc))
configure_logs(_settings.log_level)
app = create_app(_settings)
