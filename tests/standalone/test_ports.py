"""Ports are ours only if our own process listens there."""

import socket
from contextlib import contextmanager

import psutil

from standalone import ports


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
