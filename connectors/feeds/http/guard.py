"""Which addresses may be dialled: the public internet, and what the operator allows by name.

`Guard.resolve` answers with the addresses that were checked; the dialler dials exactly these, so a
name that changes between check and connect changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final

from connectors.feeds.errors import AddressError, BlockedError
from connectors.feeds.http.address import normal_host

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to the addresses that the name has, as text."""

# IANA IPv4 Special-Purpose Address Registry, with multicast and the former class E.
_CLOSED_V4: Final = tuple(
    ipaddress.IPv4Network(n)
    for n in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # not IANA's: Azure answers every virtual machine here (wire server)
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_OPEN_V6: Final = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out as global unicast
# IANA IPv6 Special-Purpose Address Registry, inside the global range.
_CLOSED_V6: Final = tuple(
    ipaddress.IPv6Network(n)
    for n in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214: the interface id's first half

# Fetch standard, "port blocking", and data stores that speak to whoever connects.
# fmt: off
_BAD_PORTS: Final = frozenset((
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389,
    427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601,
    636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 3306, 3389, 3659,
    4045, 4190, 5060, 5061, 5432, 5672, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
    6697, 9042, 9092, 9200, 10080, 11211, 27017,
))
# fmt: on

# IANA Special-Use Domain Names, and .internal (ICANN, 2024): none leads to the public internet, and
# a resolver that answers all the same answers for the inside.
_INNER_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa", ".onion", ".invalid")


def is_public_name(host: str) -> bool:
    """Whether ``host`` can be on the public internet; a name without a dot is one of the inside.

    ICANN forbids addresses at top-level domains themselves (SAC 053), while the inside of every
    network of containers has ``kafka`` and ``database``.
    """
    return "." in host and not host.endswith(_INNER_NAMES)


def is_public(address: IPAddress) -> bool:
    """Whether ``address`` is on the public internet; an IPv4 address inside an IPv6 one decides."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    if address.scope_id is not None or address not in _OPEN_V6:
        return False
    if any(address in network for network in _CLOSED_V6):
        return False
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return True


class Guard:
    """Says where a name may lead; asked for every hop."""

    def __init__(self, allow: Iterable[str] = (), resolver: Resolver | None = None) -> None:
        """Allow, beside the public internet, exactly each ``host:port``.

        Raises:
            ValueError: an entry is not ``host:port``.
        """
        self._allow = frozenset(host_and_port(item) for item in allow)
        self._resolver = resolver or SystemResolver()

    def is_allowed(self, host: str, port: int) -> bool:
        """Whether the operator named exactly this host and port."""
        return (host, port) in self._allow

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to dial for ``host``, all of them checked.

        Raises:
            BlockedError: an answer is not public, or the port is one that no feed lives on.
            OSError: the name has no address.
        """
        allowed = self.is_allowed(host, port)
        if not allowed and port in _BAD_PORTS:
            raise BlockedError(f"port {port} belongs to another service")
        is_name = _literal(host) is None
        if not allowed and is_name and not is_public_name(host):
            raise BlockedError("a name that is not of the public internet")
        answers = await self._resolver(host, port) if is_name else [host]
        if not answers:
            raise OSError(f"no address for {host}")
        if not allowed and not all(_is_public_text(a) for a in answers):
            raise BlockedError("an address that is not on the public internet")
        return answers


class SystemResolver:
    """The machine's resolver, in a thread for each name: a dead name server delays no other name.

    The threads are daemons: the system's look-up cannot be called off, and a program that has given
    up on one must be able to end.
    """

    MOST: Final = 1_024
    """Names at a time: twice the fetches that a connector has under way."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of ``host``, each once, in the system's order.

        Raises:
            OSError: it has none, or too many names are being looked up.
        """
        # Who asks while the answer is on its way gets the same one: no second thread for a name.
        answer = self._under_way.get((host, port))
        if answer is None or answer.get_loop() is not asyncio.get_running_loop():
            if len(self._under_way) >= self.MOST:
                raise OSError("too many names are being looked up")
            answer = self._start(host, port)
        return await asyncio.shield(answer)

    def _start(self, host: str, port: int) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        self._under_way[host, port] = answer

        def settle(found: list[str] | OSError) -> None:
            del self._under_way[host, port]
            if isinstance(found, OSError):
                answer.set_exception(found)
                answer.exception()  # nobody may be left to be told
            else:
                answer.set_result(found)

        def look_up() -> None:
            found: list[str] | OSError
            try:
                found = list(dict.fromkeys(_look_up(host, port)))
            except OSError as e:
                found = e
            except UnicodeError as e:
                found = OSError(f"no name of a host: {e}")
            with suppress(RuntimeError):  # the loop is over, and everybody with it
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
        return answer


def _look_up(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(info[4][0]) for info in infos]


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_public_text(answer: str) -> bool:
    address = _literal(answer)
    return address is not None and is_public(address)


def host_and_port(item: str) -> tuple[str, int]:
    """The host, as `Address.host` has it, and the port of an entry of the allow-list.

    Raises:
        ValueError: ``item`` is not ``host:port``.
    """
    host, _, port = item.strip().rpartition(":")
    wrong = ValueError(f"'{item}' is not host:port")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise wrong
    try:
        return normal_host(host), int(port)
    except AddressError:
        raise wrong from None
