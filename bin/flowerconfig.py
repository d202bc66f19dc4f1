"""
What Flower has to hold to before it starts. It runs this file after it has read its other options (`--conf`).

Flower shows tasks and workers, and may stop them: nobody may do that without a login, but on this machine.
"""

import ipaddress

from flower.views.monitor import Metrics
from tornado.options import options
from tornado.web import authenticated


def _is_loopback(address):
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


if not (options.basic_auth or options.auth or _is_loopback(options.address)):
    raise SystemExit(
        f"Flower does not start: it would listen on {options.address or 'every address'} without a login. "
        "Set FLOWER_BASIC_AUTH=user:password, or listen on 127.0.0.1."
    )

# Flower lets everybody read its metrics, which name tasks and workers. With a login, they need it like the rest.
Metrics.get = authenticated(Metrics.get)
