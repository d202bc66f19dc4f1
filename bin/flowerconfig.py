"""
What Flower has to hold to before it starts. It runs this file after it has read its other options (`--conf`).

Flower shows tasks and workers, and may stop them: nobody may do that without a login, but on this machine.
"""

import ipaddress
import os
from pathlib import Path

from flower.app import Flower
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from kombu.utils.url import maybe_sanitize_url
from tornado.options import options
from tornado.web import authenticated

from pluggy_sync.queue import QUEUE_OF_TASK


def _is_loopback(address):
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


# Like our own secrets, the login may stand in a file.
if os.environ.get("FLOWER_BASIC_AUTH_FILE"):
    options.basic_auth = Path(os.environ["FLOWER_BASIC_AUTH_FILE"]).read_text().strip().split(",")

if not (options.basic_auth or options.auth or _is_loopback(options.address)):
    raise SystemExit(
        f"Flower does not start: it would listen on {options.address or 'every address'} without a login. "
        "Set FLOWER_BASIC_AUTH=user:password, or listen on 127.0.0.1."
    )

# Flower lets everybody read its metrics, which name tasks and workers. With a login, they need it like the rest.
Metrics.get = authenticated(Metrics.get)

# Its page "Broker" knows Redis by the address. It would take the one of the workers' connection, which begins with the
# name of our transport.
Flower.broker_uri = property(lambda flower: maybe_sanitize_url(flower.capp.conf.broker_url))
Flower.broker_uri_with_password = property(lambda flower: flower.capp.conf.broker_url)
# Every queue, also one that no worker reads at this moment: there messages pile up.
BaseHandler.get_active_queue_names = lambda _self: sorted(set(QUEUE_OF_TASK.values()))
