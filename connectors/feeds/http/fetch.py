"""One fetch of one address: bytes and how it ended. Never raises for what a server does.

Every hop has a connection of its own (`client`), with the guard below it (`network`).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import httpcore

from connectors.feeds.errors import AddressError, BlockedError, NoHttpError
from connectors.feeds.http import headers as http_headers
from connectors.feeds.http.address import Address, parse_address
from connectors.feeds.http.body import Room, read_body
from connectors.feeds.http.client import Client, Patience
from connectors.feeds.http.decompress import ACCEPT_ENCODING, BadCodingError, TooLargeError
from connectors.feeds.http.guard import Guard
from connectors.feeds.http.network import GuardedBackend, OverheadError, Wire, WireLimitError
from connectors.feeds.http.trust import Cause, cause_of, trust_store
from pipeline.contracts.clock import Clock, SystemClock

MIB: Final = 1024 * 1024
ACCEPT: Final = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, "
    "application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.5"
)
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_PERMANENT: Final = frozenset((301, 308))
_HOPS_AT_ONCE: Final = 3
"""Redirects that are followed without a pause: hardly a feed has more, and a circle has eleven."""


class Outcome(StrEnum):
    """How a fetch ended. A metric label."""

    OK = "ok"
    NOT_MODIFIED = "not_modified"
    GONE = "gone"
    REFUSED = "refused"
    """By our guard, before a connection."""
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    HTTP_ERROR = "http_error"
    NETWORK_ERROR = "network_error"
    BAD_FEED = "bad_feed"
    """Fetched, but no feed: decided after parsing."""

    @property
    def answered(self) -> bool:
        """Whether the feed gave a usable answer."""
        return self in (Outcome.OK, Outcome.NOT_MODIFIED)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one fetch may cost. Seconds and bytes."""

    total: float = 30.0
    connect: float = 10.0
    headers: float = 20.0
    """From the request to the end of the answer's head, each hop."""
    max_bytes: int = 8 * MIB
    """Of the body, on the wire and after decompression: the largest real feeds have 5 MiB."""
    redirects: int = 10
    hop_pause: float = 0.5
    """Before each redirect after the third."""
    large: int = 256 * 1024
    """Bytes from which a body is large: it goes on when there is room for it in memory."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to be asked with the next time."""

    etag: str | None = None
    last_modified: str | None = None
    given_by: str | None = None
    """The address that gave them, behind redirects; None: the one that is asked."""


@dataclass(frozen=True, slots=True)
class FetchResult:
    """How one fetch ended, and what came of it."""

    outcome: Outcome
    final_url: str
    """Without user info."""
    reason: str = ""
    """In words, for a person; never a text of the server's."""
    status: int | None = None
    body: bytes = b""
    """Decompressed; empty unless `Outcome.OK`."""
    wire_bytes: int = 0
    content_type: str | None = None
    validators: Validators = Validators()
    retry_after_s: int | None = None
    max_age_s: int | None = None
    moved_to: str | None = None
    """Where the address has moved for good, when every hop before it said so (301, 308)."""
    hub: str | None = None
    """WebSub's hub and topic from Link headers."""
    hub_topic: str | None = None
    leads_to: str | None = None
    """Where a redirect leads that was not followed because it was not to be."""
    cause: Cause | None = None
    """Of a network error."""
    conditional: bool = False
    """The request that was answered carried validators."""
    seconds: float = 0.0

    def believed(self) -> FetchResult:
        """This result for who has to live with it: a 304 that nothing asked for is a failure.

        Taken for "unchanged", a server that always says 304 would look well for ever and give
        nothing.
        """
        if self.outcome is not Outcome.NOT_MODIFIED or self.conditional:
            return self
        return replace(
            self, outcome=Outcome.HTTP_ERROR, reason="304 to a request without a condition"
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one request says, beside where it goes."""

    validators: Validators
    accept: str
    before_large: Room | None
    follow: bool = True
    """Redirects, up to the limit."""
    form: bytes | None = None
    """What is posted; None: a GET."""


class Fetcher:
    """Fetches addresses through a guard."""

    def __init__(
        self,
        guard: Guard,
        user_agent: str,
        limits: FetchLimits = FetchLimits(),
        clock: Clock | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """``trust``: whose certificates are believed; None: `trust_store`'s own."""
        self._guard = guard
        self._user_agent = user_agent.encode("ascii", "replace")
        self._limits = limits
        self._clock = clock or SystemClock()
        self._tls = trust

    async def fetch(
        self,
        url: str,
        validators: Validators = Validators(),
        accept: str = ACCEPT,
        before_large: Room | None = None,
        follow: bool = True,
    ) -> FetchResult:
        """Get ``url`` once, redirects included if they are to be followed, within the limits.

        ``before_large`` is awaited once when the body grows large; it counts against the deadline.
        """
        return await self._run(url, _Asked(validators, accept, before_large, follow))

    async def post_form(self, url: str, form: str) -> FetchResult:
        """Send ``form`` to ``url`` through the same guard and limits; a redirect is not followed.

        The result's ``status`` is what counts: the outcome speaks of feeds.
        """
        asked = _Asked(Validators(), "*/*", None, follow=False, form=form.encode("ascii"))
        return await self._run(url, asked)

    async def _run(self, url: str, asked: _Asked) -> FetchResult:
        started = self._clock.monotonic()
        try:
            address = parse_address(url)
        except AddressError as e:
            return FetchResult(Outcome.REFUSED, "", str(e))
        get = _Get(self, address, asked)
        try:
            async with asyncio.timeout(self._limits.total):
                result = await get.run()
        except (BlockedError, AddressError) as e:
            result = get.ended(Outcome.REFUSED, str(e))
        except (TimeoutError, httpcore.TimeoutException):
            result = get.ended(Outcome.TIMEOUT, "no complete answer in time")
        except OverheadError:
            result = get.ended(Outcome.TOO_LARGE, "a flood of bytes that are no content")
        except (WireLimitError, TooLargeError):
            result = get.ended(Outcome.TOO_LARGE, f"more than {self._limits.max_bytes} bytes")
        except (BadCodingError, NoHttpError) as e:
            result = get.ended(Outcome.HTTP_ERROR, str(e))
        except httpcore.NetworkError as e:
            cause, why = cause_of(e)
            result = replace(get.ended(Outcome.NETWORK_ERROR, why), cause=cause)
        return replace(result, seconds=self._clock.monotonic() - started)

    @property
    def tls(self) -> ssl.SSLContext:
        """Whose certificates are believed; made at the first need."""
        if self._tls is None:
            self._tls = trust_store()
        return self._tls


class _Get:
    """The state of one fetch: where it is, and what has come in."""

    def __init__(self, fetcher: Fetcher, address: Address, asked: _Asked) -> None:
        self._fetcher = fetcher
        self._limits = fetcher._limits
        self._first = self._address = address
        self._asked = asked
        given_by = asked.validators.given_by
        known = given_by is None or given_by == address.url
        self._given_by = address if known else parse_address(str(given_by))
        # Heads are on the wire as well: a hundred kilobytes for each hop.
        self._wire = Wire(self._limits.max_bytes + 2 * MIB)
        self._status: int | None = None
        self._retry_after: int | None = None
        self._conditional = False

    def ended(self, outcome: Outcome, reason: str) -> FetchResult:
        return FetchResult(
            outcome,
            self._address.url,
            reason,
            self._status,
            wire_bytes=self._wire.received,
            retry_after_s=self._retry_after,
            conditional=self._conditional,
        )

    async def run(self) -> FetchResult:
        """Follow redirects by hand: the guard is asked on every hop."""
        permanent = True
        moved_to: str | None = None
        for hop in range(self._limits.redirects + 1):
            if hop > _HOPS_AT_ONCE:
                await asyncio.sleep(self._limits.hop_pause)
            async with self._client() as client:
                response = await self._ask(client)
                self._status = response.status
                if response.status not in _REDIRECTS:
                    return await self._answer(response, moved_to)
                location = http_headers.get(response.headers, b"location")
            if not location:
                return self.ended(Outcome.HTTP_ERROR, "a redirect that leads nowhere")
            there = self._address.join(_as_text(location))
            if not self._asked.follow:
                here = self.ended(Outcome.HTTP_ERROR, "a redirect")
                return replace(here, leads_to=there.url)
            self._address = there
            permanent = permanent and response.status in _PERMANENT
            moved_to = self._address.url if permanent else moved_to
        return self.ended(
            Outcome.HTTP_ERROR, f"more than {self._limits.redirects} redirects one after the other"
        )

    def _client(self) -> Client:
        self._wire.start_answer()
        return Client(
            self._address,
            GuardedBackend(self._fetcher._guard, self._wire),
            self._fetcher.tls if self._address.scheme == "https" else None,
        )

    async def _ask(self, client: Client) -> httpcore.Response:
        address, asked = self._address, self._asked
        headers: list[tuple[bytes, bytes]] = [
            (b"Host", address.netloc.encode("ascii")),
            (b"User-Agent", self._fetcher._user_agent),
            (b"Accept", asked.accept.encode("ascii")),
            (b"Accept-Encoding", ACCEPT_ENCODING.encode("ascii")),
        ]
        # What one host gave us to be known by is nobody else's business.
        given = asked.validators if address.may_know(self._given_by) else Validators()
        self._conditional = bool(given.etag or given.last_modified)
        if given.etag:
            headers.append((b"If-None-Match", given.etag.encode("latin-1")))
        if given.last_modified:
            headers.append((b"If-Modified-Since", given.last_modified.encode("latin-1")))
        if address.authorization:
            headers.append((b"Authorization", address.authorization.encode("ascii")))
        if asked.form is not None:
            headers += [
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Content-Length", str(len(asked.form)).encode()),
            ]
        return await client.ask(
            headers, asked.form, Patience(self._limits.connect, self._limits.headers)
        )

    async def _answer(self, response: httpcore.Response, moved_to: str | None) -> FetchResult:
        status, headers = response.status, response.headers
        now = self._fetcher._clock.now()
        self._retry_after = http_headers.retry_after(http_headers.get(headers, b"retry-after"), now)
        if status == 304:
            return self._usable(Outcome.NOT_MODIFIED, response, b"", moved_to)
        if status == 410:
            return self.ended(Outcome.GONE, "the publisher says that it is gone for good (410)")
        if status not in (200, 203):
            return self.ended(Outcome.HTTP_ERROR, f"status {status}")
        limits = self._limits
        body = await read_body(
            response, self._wire, limits.max_bytes, limits.large, self._asked.before_large
        )
        if body is None:
            return self.ended(Outcome.HTTP_ERROR, "the body does not fit its Content-Length")
        return self._usable(Outcome.OK, response, body, moved_to)

    def _usable(
        self, outcome: Outcome, response: httpcore.Response, body: bytes, moved_to: str | None
    ) -> FetchResult:
        headers = response.headers
        links = http_headers.link_targets(http_headers.get_all(headers, b"link"))
        return FetchResult(
            outcome,
            self._address.url,
            "",
            response.status,
            body,
            self._wire.received,
            http_headers.get(headers, b"content-type"),
            Validators(
                http_headers.validator(http_headers.get(headers, b"etag")),
                http_headers.validator(http_headers.get(headers, b"last-modified")),
                self._address.url,
            ),
            self._retry_after,
            http_headers.max_age(http_headers.get(headers, b"cache-control")),
            moved_to,
            links.get("hub"),
            links.get("self"),
            conditional=self._conditional,
        )


def _as_text(location: str) -> str:
    """A Location as sent: many servers send UTF-8 where the standard has ASCII."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return location
