"""What is known of Pluggy and of our own data. The web app, the workers and the console build on it."""

import sys

# redis-py loads the metrics of OpenTelemetry wherever they are installed: a quarter second of every process, and of
# every command, for what we do not use. `tracing.start` takes this back.
sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]  # None: not to be had
