"""The service on this machine starts whatever others do at the same moment."""

import os

import httpx
import pytest

from standalone import plan, ports, procfile
from standalone.plan import INSTEAD_OF
from standalone.service import running_service
from tests.kit.scripted_server import Reply, scripted_server

pytestmark = pytest.mark.slow

LISTENING = (procfile.RELEASE, "web", "flower", "console")
# The others are ready before: whoever takes the answer of somebody else for Flower's would take the start for done.
LATE = "/bin/sh -c 'sleep 3; exec \"$@\"' sh "


def test_a_server_that_takes_a_port_at_the_last_moment_and_answers_costs_another_start_and_is_not_taken_for_our_own(
    data_dir, monkeypatch
):
    # Others start on the default ports at the same moment; here only one port is to be taken.
    monkeypatch.setattr(plan, "DEFAULT_PORTS", {name: ports.any_free() for name in plan.DEFAULT_PORTS})
    # Those that listen are enough: who else starts, and is stopped, makes no difference.
    listening = {name: command for name, command in procfile.commands().items() if name in LISTENING}
    listening["flower"] = LATE + listening["flower"]
    monkeypatch.setattr(procfile, "commands", lambda: listening)
    said, next_free = [], ports.next_free
    given = {name: value for name, value in os.environ.items() if name not in INSTEAD_OF.values()}
    with scripted_server(lambda _: Reply({})) as somebody:
        taken = httpx.URL(somebody.url).port
        # In the first attempt that of the wallet, which nobody waits for, and in the second that of Flower.
        wanted_there = iter([plan.DEFAULT_PORTS["wallet"], plan.DEFAULT_PORTS["flower"], None])
        now_taken = None

        def free_at_first_sight(wanted, **more):
            nonlocal now_taken
            if wanted == plan.DEFAULT_PORTS["web"]:
                now_taken = next(wanted_there)
            return taken if wanted == now_taken else next_free(wanted, **more)

        monkeypatch.setattr(ports, "next_free", free_at_first_sight)
        running = running_service(data_dir, given, sandbox_seed=1, say=said.append, show=lambda *_: None)
        with running as service:
            chosen = service.plan.port
            assert taken not in chosen.values()
            assert all(service.supervisor.holds(name, port) for name, port in chosen.items())
            assert httpx.get(f"{service.plan.addresses['web']}/health").status_code == 200

    again = [line for line in said if line.endswith("starting once more")]
    assert again == [
        f"somebody took port {taken} before wallet could; starting once more",
        f"somebody took port {taken} before flower could; starting once more",
    ]
