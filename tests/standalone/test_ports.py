"""Ports are ours only if our own process listens there."""

import os
import socket
from contextlib import contextmanager

import httpx
import psutil
import pytest

from standalone import plan, ports
from standalone.plan import INSTEAD_OF
from standalone.service import running_service
from tests.kit.scripted_server import Reply, scripted_server


@contextmanager
def listening():
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_is_held_by_the_process_that_listens_there_and_by_no_other():
    us = psutil.Process()

    with listening() as port:
        assert ports.is_held_by(port, [us])
        assert not ports.is_held_by(port, [us.parent()])
        assert not ports.is_free(port)
    assert not ports.is_held_by(port, [us])


@pytest.mark.slow
def test_a_server_that_took_a_port_and_answers_is_not_taken_for_our_own(data_dir, monkeypatch):
    # Others start on the default ports at the same moment; here only one port is to be taken.
    monkeypatch.setattr(plan, "DEFAULT_PORTS", {name: ports.any_free() for name in plan.DEFAULT_PORTS})
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

    again = [line for line in said if line.endswith("starting once more")]
    assert again == [
        f"somebody took port {taken} before wallet could; starting once more",
        f"somebody took port {taken} before flower could; starting once more",
    ]
