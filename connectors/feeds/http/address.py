"""A feed's address, taken apart strictly: what is checked is what is dialled and what is sent.

Parsers that disagree about a URL are how requests reach the inside of a network, so anything that
two of them could read differently (backslashes, white space, control characters, numbers that only
some take for an address) is refused here, before a name is looked up.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import idna

from connectors.feeds.errors import AddressError

MAX_URL: Final = 2_048
"""Characters, as given and as it is sent; the limit that links have as well."""
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_BAD: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f\\\u2028\u2029\ufffe\uffff\ud800-\udfff]")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_TOO_LONG: Final = f"longer than {MAX_URL} characters"
_UNREADABLE: Final = "not a URL: the host or the port cannot be read"
_KEEP: Final = "!#$%&'()*+,/:;=?@[]~"  # what `quote` leaves alone: RFC 3986 reserved, and escapes


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) URL that two readers read alike."""

    scheme: str
    host: str
    """Lower case, ASCII (IDNA), without brackets and final dot."""
    port: int
    target: str
    """Path and query, percent-encoded; the fragment is gone."""
    authorization: str | None = None
    """The value of the header that the URL's user info stands for; never shown."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials never leave it."""
        return self.scheme, self.host, self.port

    def may_know(self, validators_of: Address) -> bool:
        """Whether what ``validators_of`` gave to be asked with may be sent here.

        To its own origin, and to the same host after the step from http to https that nearly every
        old address makes.
        """
        there = validators_of
        upgraded = (there.scheme, there.port, self.scheme, self.port) == ("http", 80, "https", 443)
        return self.origin == there.origin or (upgraded and self.host == there.host)

    @property
    def netloc(self) -> str:
        """As a Host header has it: brackets around v6, the port only when it is not the usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address to show and to compare: without user info."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    def __repr__(self) -> str:
        return f"Address({self.url!r})"

    def join(self, location: str) -> Address:
        """Where a redirect from here leads.

        User info in ``location`` is dropped, ours stays at our origin.

        Raises:
            AddressError: it leads to no http(s) address.
        """
        # Before joining: urljoin repairs what we want to see.
        _refuse_tricks(location)
        try:
            joined = urljoin(self.url, location)
        except ValueError:  # "http://[", and hosts that fold into another URL (NFKC)
            raise AddressError(_UNREADABLE) from None
        there = parse_address(joined)
        keep = self.authorization if there.origin == self.origin else None
        return Address(there.scheme, there.host, there.port, there.target, keep)


def parse_address(url: str) -> Address:
    """The parts of ``url``.

    Raises:
        AddressError: not http or https, no host, or something that two parsers could read
        differently.
    """
    _refuse_tricks(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError(_UNREADABLE) from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORT:
        begin = "write the whole address, https:// first"
        raise AddressError(
            f"only http and https are fetched, not '{scheme[:20]}'" if scheme else begin
        )
    if port == 0:
        raise AddressError("port 0 is no port")
    host = _host(parts.hostname or "")
    if "[" in parts.netloc and ":" not in host:
        raise AddressError("brackets around what is no IPv6 address")
    # A netloc that is only "host:" or holds a second "@" is read in two ways.
    userinfo, at, _ = parts.netloc.rpartition("@")
    if "@" in userinfo:
        raise AddressError("more than one '@' before the host")
    target = quote(parts.path or "/", safe=_KEEP)
    if parts.query:
        target += "?" + quote(parts.query, safe=_KEEP)
    address = Address(
        scheme, host, port or _DEFAULT_PORT[scheme], target, _basic(userinfo) if at else None
    )
    # Percent-encoding makes up to twelve characters of one.
    if len(address.url) > MAX_URL:
        raise AddressError(_TOO_LONG)
    return address


def feed_id_of(url: str) -> str:
    """A stable id for the feed at ``url``: a readable slug and a short hash, user info aside.

    Raises:
        AddressError: as `parse_address`.
    """
    address = parse_address(url)
    slug = re.sub(r"[^a-z0-9]+", "-", address.host.removeprefix("www.")).strip("-")[:40]
    digest = hashlib.blake2b(address.url.encode(), digest_size=5).hexdigest()
    return f"{slug}-{digest}"


def normal_host(host: str) -> str:
    """``host`` as `Address.host` has it.

    Raises:
        AddressError: it is no host name and no plainly written address.
    """
    return _host(host.strip("[]"))


def _refuse_tricks(url: str) -> None:
    if len(url) > MAX_URL:
        raise AddressError(_TOO_LONG)
    if _BAD.search(url):
        raise AddressError("white space, a control character or a backslash in the address")


def _host(host: str) -> str:
    if ":" in host:
        return _v6(host)
    if "%" in host:
        raise AddressError("a percent sign in the host")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise AddressError("the host is no international domain name") from None
    host = host.lower().removesuffix(".")
    if not host or len(host) > 253:
        raise AddressError("no host in the address")
    labels = host.split(".")
    # WHATWG URL, "ends in a number": such a host is an IPv4 address or nothing.
    if labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError("a number that only some programs take for an address") from None
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("characters in the host that no host name has")
    return host


def _v6(host: str) -> str:
    if "%" in host:
        raise AddressError("a zone in the IPv6 address")
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise AddressError("an IPv6 address that cannot be read") from None


def _basic(userinfo: str) -> str:
    name, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return "Basic " + base64.b64encode(pair).decode("ascii")
