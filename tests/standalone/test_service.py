"""The service on this machine starts whatever others do at the same moment."""

import os
import socket

import httpx
import pytest

from standalone import plan, ports
from standalone.plan import INSTEAD_OF
from standalone.service import running_service

pytestmark = pytest.mark.slow


def test_a_port_that_somebody_takes_at_the_last_moment_costs_another_start_and_no_more(data_dir, monkeypatch):
    said = []
    # Others start on the default ports at the same moment; here only one port is to be taken.
    monkeypatch.setattr(plan, "DEFAULT_PORTS", {name: ports.any_free() for name in plan.DEFAULT_PORTS})
    next_free = ports.next_free
    given = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
    with socket.socket() as somebody:
        somebody.bind((ports.LOOPBACK, 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        told = f"somebody took port {taken} before web could; starting once more"

        def free_at_first_sight(wanted, **more):
            return taken if wanted == taken and told not in said else next_free(wanted, **more)

        monkeypatch.setattr(ports, "next_free", free_at_first_sight)

        running = running_service(
            data_dir, given | {"PORT": str(taken)}, sandbox_seed=1, say=said.append, show=lambda *_: None
        )
        with running as service:
            port = service.plan.port["web"]
            assert port != taken
            assert httpx.get(f"{service.plan.addresses['web']}/health").status_code == 200

    assert told in said
