"""Ports on this machine: which are free, and who holds one that is not."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

import psutil

from deploy.errors import Fault

HOST: Final = "127.0.0.1"
"""Where our parts listen, and where everything is dialled."""

_LOWEST: Final = 20_000
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of this machine now."""
    with socket.socket() as probe:
        # As servers do: connections that linger after a restart are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def find_free(taken: set[int] | None = None) -> int:
    """A free port that is not in ``taken``; it is added there.

    Below the range that the kernel takes for outgoing connections: a client that knocks again and
    again at a server which is restarting would else be given the server's own port some day,
    connect to itself, and keep the server from coming back.

    Raises:
        Fault: none was found.
    """
    taken = set() if taken is None else taken
    for _ in range(1000):
        port = random.randrange(_LOWEST, _lowest_ephemeral())  # noqa: S311 - no secret
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise Fault(f"no free port from {_LOWEST} to {_lowest_ephemeral()}; stop what takes them")


def check_free(port: int, setting: str) -> None:
    """Pass when the port is free.

    Raises:
        Fault: it is in use; the message names the holder, where the system tells, and the setting.
    """
    if not is_free(port):
        raise Fault(f"port {port} is in use{_holder(port)}: stop it or set {setting} to another")


def answers(port: int, host: str = HOST) -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _lowest_ephemeral() -> int:
    try:
        return max(_LOWEST + 1000, int(_EPHEMERAL.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return 32_768


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port:
                if connection.pid is None:
                    return ""
                return f" by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:
        pass
    return ""
