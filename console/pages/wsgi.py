"""What the server of the console starts: `console.pages.wsgi:app`."""

import atexit
import gc
import os
import sys

# Nothing of what is loaded is garbage: to look for some again and again takes a fifth of the start.
gc.disable()

from console.pages import bulk, page_resources
from console.pages.app import NobodyCanSignInError, create_app
from pluggy_sync.logs import configure_logs, log_what_nobody_caught
from pluggy_sync.settings import SettingsError, read_settings

try:
    _settings = read_settings(os.environ)
    configure_logs(_settings.log_level)
    log_what_nobody_caught()
    app = create_app(_settings)
    atexit.register(bulk.work_in_background(page_resources.kept(app)))
except (SettingsError, NobodyCanSignInError) as exc:
    sys.exit(str(exc))
gc.freeze()
gc.enable()
