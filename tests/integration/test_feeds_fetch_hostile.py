"""The fetcher against servers that lie, flood, trickle or lead astray: every one has an outcome."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from connectors.feeds.http.decompress import decoder_for
from connectors.feeds.http.fetch import Fetcher, FetchLimits, FetchResult, Outcome, Validators
from connectors.feeds.http.guard import Guard
from connectors.feeds.http.trust import Cause
from tests.integration.feeds_site import Site, answer, rss

LIMITS = FetchLimits(total=5.0, connect=2.0, headers=2.0, max_bytes=300_000)
SHORT = FetchLimits(total=0.6, connect=0.4, headers=0.4, max_bytes=300_000)
BODY = rss(("1", "Bridge opens"))
NONE = Validators()
KNOWN = Validators('"7"', "Wed, 25 Nov 2026 08:00:00 GMT")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
Page = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def fetched(page: Page, limits: FetchLimits = LIMITS, validators: Validators = NONE) -> FetchResult:
    async def scene() -> FetchResult:
        async with Site() as site:
            site.put("/ok", BODY)
            site.pages["/rss"] = page
            fetcher = Fetcher(Guard([site.allowed]), "test", limits)
            return await fetcher.fetch(site.url("/rss"), validators)

    return asyncio.run(scene())


def redirect(location: str, more: str = "") -> bytes:
    return answer(b"", "302 Found", f"Location: {location}\r\n{more}")


@pytest.mark.parametrize(
    "location",
    [
        *("http://[::1", "http://[", "//[x]/", "http://[v1.fe]/", "http://a:b:c/"),
        *("http://outlet.example:0/", "http://outlet.example:-1/", "http://xn--/"),
        *("http://localhost./", "http://metadata.google.internal/", "http://kafka:8080/"),
        *("http://printer.local/", "http://x.localhost/", "http://[::ffff:7f00:1]/"),
        *("http://0177.0.0.1/", "http://%31%32%37.0.0.1/", "javascript:alert(1)", "data:,x"),
        *("http://224.0.0.1/", "http://[fd00::1]/", "https://127.0.0.1/", "/" + "a" * 3_000),
    ],
)
def test_a_redirect_that_leads_nowhere_on_the_public_internet_is_refused(location: str) -> None:
    assert fetched(redirect(location)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    "location", ["ok", "../../ok", "/ok#there", "/ok\r\nLocation: http://10.0.0.1/"]
)
def test_a_redirect_that_is_only_oddly_written_is_followed(location: str) -> None:
    result = fetched(redirect(location))
    assert (result.outcome, result.body) == (Outcome.OK, BODY)


def test_a_circle_of_redirects_is_not_run_round() -> None:
    async def scene() -> int:
        async with Site() as site:
            site.pages["/rss"] = redirect("/rss")
            result = await Fetcher(Guard([site.allowed]), "test", SHORT).fetch(site.url("/rss"))
            assert result.outcome is Outcome.TIMEOUT
            return len(site.requests)

    # At full speed a circle ends as eleven requests in a few hundredths of a second.
    assert asyncio.run(scene()) < 8


def flood(piece: bytes, head: bytes = b"") -> Page:
    async def page(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return page


def trickle(piece: bytes, head: bytes = b"") -> Page:
    async def page(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return page


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


EARLY_HINT = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        (flood(EARLY_HINT * 100), Outcome.TOO_LARGE),
        (flood(b"1\r\n \r\n" * 1_000, CHUNKED), Outcome.TOO_LARGE),
        (flood(b"1;a=b\r\n \r\n" * 1_000, CHUNKED), Outcome.TOO_LARGE),
        (flood(b" " * 65_536, HEAD + b"\r\n"), Outcome.TOO_LARGE),
        (flood(b"a: b\r\n" * 1_000, HEAD), Outcome.HTTP_ERROR),
        (flood(b"e" * 65_536, CHUNKED + b"5;"), Outcome.HTTP_ERROR),
        (flood(b"a: b\r\n" * 1_000, CHUNKED + chunk(BODY) + b"0\r\n"), Outcome.HTTP_ERROR),
        (HEAD + b"a: b\r\n" * 600 + b"\r\n" + BODY, Outcome.HTTP_ERROR),
    ],
)
def test_a_flood_is_cut_off_long_before_the_time_is_up(page: Page, outcome: Outcome) -> None:
    result = fetched(page)
    assert (result.outcome, result.body) == (outcome, b"")
    assert result.wire_bytes < 600_000


@pytest.mark.parametrize(
    "page",
    [
        trickle(EARLY_HINT),
        trickle(b"a: b\r\n", HEAD),
        trickle(b"a", HEAD + b"X: "),
        trickle(b"1\r\n \r\n", CHUNKED),
        trickle(b"a: b\r\n", CHUNKED + chunk(BODY) + b"0\r\n"),
    ],
)
def test_a_trickle_is_left_in_time(page: Page) -> None:
    result = fetched(page, SHORT)
    assert (result.outcome, result.body) == (Outcome.TIMEOUT, b"")
    assert result.seconds < 3


def test_a_bomb_that_grows_in_our_hands_gives_all_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = 0
    seen: set[int] = set()

    class Watched:
        """The decoder, noting at each step how often somebody else has run."""

        def __init__(self, coding: str, limit: int) -> None:
            self._decoder = decoder_for(coding, limit)
            self.finish = self._decoder.finish

        def feed(self, piece: bytes) -> Iterator[bytes]:
            for step in self._decoder.feed(piece):
                seen.add(turns)
                yield step

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scene() -> FetchResult:
        async with Site() as site:
            bomb = gzip.compress(b" " * 4_000_000)
            site.pages["/rss"] = answer(bomb, head="Content-Encoding: gzip\r\n")
            fetcher = Fetcher(Guard([site.allowed]), "test")
            task = asyncio.create_task(others())
            try:
                return await fetcher.fetch(site.url("/rss"))
            finally:
                task.cancel()

    monkeypatch.setattr("connectors.feeds.http.body.decoder_for", Watched)
    assert asyncio.run(scene()).outcome is Outcome.OK
    assert len(seen) > 10


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"ICY 200 OK\r\n\r\n" + BODY,
        BODY,
        HEAD + b"X : y\r\n\r\n" + BODY,
        HEAD + b"X: a\0b\r\n\r\n" + BODY,
        HEAD + b"Content-Length: -5\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 5, 5\r\n\r\n" + BODY,
        HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 0\r\n\r\n" + BODY,
        HEAD
        + b"Transfer-Encoding: gzip, chunked\r\n\r\n"
        + chunk(gzip.compress(BODY))
        + b"0\r\n\r\n",
        CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
        CHUNKED + chunk(BODY),
        answer(gzip.compress(BODY)[:-4], head="Content-Encoding: gzip\r\n"),
        answer(gzip.compress(BODY)[:-8] + b"\0" * 8, head="Content-Encoding: gzip\r\n"),
        answer(zstandard.compress(BODY)[:-4], head="Content-Encoding: zstd\r\n"),
        answer(BODY, head="Content-Encoding: compress\r\n"),
        answer(BODY, "305 Use Proxy", "Location: /ok\r\n"),
        answer(BODY, "205 Reset Content"),
    ],
)
def test_an_answer_that_is_none_gives_no_feed(raw: bytes) -> None:
    result = fetched(raw)
    assert (result.outcome, result.body) == (Outcome.HTTP_ERROR, b"")


@pytest.mark.parametrize(
    "raw",
    [
        EARLY_HINT * 20 + answer(BODY),
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
        HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + b"\r\n",
        CHUNKED + b"".join(chunk(BODY[n : n + 1]) for n in range(len(BODY))) + b"0\r\n\r\n",
        CHUNKED + chunk(BODY) + b"0\r\nX-Trailer: y\r\n\r\n",
        answer(
            gzip.compress(BODY[:50]) + gzip.compress(BODY[50:]), head="Content-Encoding: gzip\r\n"
        ),
        answer(BODY, head="Content-Encoding: none\r\n"),
        answer(BODY, head="Set-Cookie: a=b\r\n" * 300),
    ],
)
def test_an_answer_that_is_only_odd_is_read(raw: bytes) -> None:
    result = fetched(raw)
    assert (result.outcome, result.body) == (Outcome.OK, BODY)


def test_what_one_origin_gave_to_be_asked_with_is_not_sent_to_another() -> None:
    async def scene() -> None:
        async with Site() as there, Site() as site:
            there.put("/rss", BODY, etag='"7"')
            site.pages["/same"] = redirect("/away")
            site.pages["/away"] = redirect(there.url("/rss"))
            fetcher = Fetcher(Guard([site.allowed, there.allowed]), "test", LIMITS)
            result = await fetcher.fetch(site.url("/same"), KNOWN)
            assert (result.outcome, result.conditional) == (Outcome.OK, False)
            assert [h.get("if-none-match") for _, h in site.requests] == ['"7"', '"7"']
            (asked,) = there.asked("/rss")
            assert not asked.keys() & {"if-none-match", "if-modified-since"}

    asyncio.run(scene())


def test_a_304_that_nothing_asked_for_is_a_failure_for_who_believes_it() -> None:
    unasked = fetched(answer(b"", "304 Not Modified"))
    assert unasked.outcome is Outcome.NOT_MODIFIED
    assert unasked.believed().outcome is Outcome.HTTP_ERROR
    asked = fetched(answer(b"", "304 Not Modified"), validators=KNOWN)
    assert asked.believed() is asked


def test_the_cause_of_a_failed_connection_is_told() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    async def gone(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 500\r\n\r\n<rss")
        await writer.drain()
        # Data that nobody reads makes the end of a connection a reset.
        writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    fetcher = Fetcher(Guard(resolver=nowhere), "test", LIMITS)
    result = asyncio.run(fetcher.fetch("http://outlet.example/"))
    assert (result.outcome, result.cause) == (Outcome.NETWORK_ERROR, Cause.NAME)
    closed = Fetcher(Guard(["127.0.0.1:9"]), "test", LIMITS)
    assert asyncio.run(closed.fetch("http://127.0.0.1:9/")).cause is Cause.CONNECT
    assert fetched(gone).cause is Cause.BROKEN_OFF


def test_a_name_server_that_never_answers_is_left_in_time() -> None:
    async def never(host: str, port: int) -> list[str]:
        return await asyncio.get_running_loop().create_future()

    result = asyncio.run(
        Fetcher(Guard(resolver=never), "test", SHORT).fetch("http://outlet.example/")
    )
    assert result.outcome is Outcome.TIMEOUT


HANGING = """
import socket, sys, threading
socket.getaddrinfo = lambda *a, **k: threading.Event().wait()
sys.argv = ["straitwatch", "feeds", "fetch", "http://outlet.example/", "--timeout", "0.5",
            "--out", "lines.jsonl"]
from deploy.cli.main import main
main()
"""


def test_the_command_ends_in_time_while_the_machines_resolver_hangs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert (
        done.stderr == "straitwatch: http://outlet.example/: timeout: no complete answer in time\n"
    )
