"""The fetcher against a scripted server: outcomes, guards, codings, credentials."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import brotli
import psutil
import pytest
import zstandard

from connectors.feeds.http.decompress import STEP, BadCodingError, TooLargeError, decoder_for
from connectors.feeds.http.fetch import Fetcher, FetchLimits, FetchResult, Outcome, Validators
from connectors.feeds.http.guard import Guard
from tests.integration.feeds_site import Site, answer, rss

LIMITS = FetchLimits(total=0.8, connect=0.5, headers=0.5, max_bytes=100_000)
NONE = Validators()
BODY = rss(("1", "Bridge opens"))


def _fetch(
    script: Callable[[Site], object],
    path: str = "/rss",
    validators: Validators = NONE,
    limits: FetchLimits = LIMITS,
) -> tuple[FetchResult, Site]:
    async def scene() -> tuple[FetchResult, Site]:
        async with Site() as site:
            script(site)
            fetcher = Fetcher(Guard([site.allowed]), "test", limits)
            return await fetcher.fetch(site.url(path), validators), site

    return asyncio.run(scene())


def test_a_feed_is_fetched_with_what_its_server_says_of_it() -> None:
    head = (
        'ETag: "1"\r\nLast-Modified: Wed, 25 Nov 2026 08:00:00 GMT\r\nCache-Control: max-age=60\r\n'
    )
    result, site = _fetch(lambda s: s.put("/rss", BODY, head=head))
    assert (result.outcome, result.status, result.body) == (Outcome.OK, 200, BODY)
    gave = ('"1"', "Wed, 25 Nov 2026 08:00:00 GMT", site.url("/rss"))
    assert result.validators == Validators(*gave)
    assert (result.max_age_s, result.content_type) == (60, "application/rss+xml")
    (asked,) = site.asked("/rss")
    assert asked["host"] == site.allowed
    assert asked["user-agent"] == "test"
    assert "cookie" not in asked


def test_what_the_server_gave_is_sent_back_and_304_means_unchanged() -> None:
    result, site = _fetch(
        lambda s: s.put("/rss", BODY, etag='"7"'), validators=Validators('"7"', "x")
    )
    assert (result.outcome, result.body) == (Outcome.NOT_MODIFIED, b"")
    assert site.asked("/rss")[0]["if-modified-since"] == "x"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("204 No Content", Outcome.HTTP_ERROR),
        ("206 Partial Content", Outcome.HTTP_ERROR),
        ("404 Not Found", Outcome.HTTP_ERROR),
        ("410 Gone", Outcome.GONE),
        ("500 Oops", Outcome.HTTP_ERROR),
        ("999 What", Outcome.HTTP_ERROR),
    ],
)
def test_only_a_whole_answer_gives_a_body(status: str, outcome: Outcome) -> None:
    result, _ = _fetch(lambda s: s.pages.update({"/rss": answer(BODY, status)}))
    assert (result.outcome, result.body) == (outcome, b"")


def test_redirects_are_followed_and_only_permanent_ones_move_a_feed() -> None:
    def script(site: Site) -> None:
        site.put("/new", BODY)
        site.pages["/rss"] = answer(b"", "301 Moved", "Location: /newer\r\n")
        site.pages["/newer"] = answer(b"", "308 Moved", "Location: /new\r\n")
        site.pages["/mixed"] = answer(b"", "302 Found", "Location: /rss\r\n")

    result, site = _fetch(script)
    assert (result.outcome, result.moved_to) == (Outcome.OK, site.url("/new"))
    result, site = _fetch(script, "/mixed")
    assert (result.outcome, result.moved_to) == (Outcome.OK, None)
    assert result.final_url == site.url("/new")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://127.0.0.1:{port}\\@outlet.example/",
        "//127.0.0.1:{other}/",
        "file:///etc/hostname",
        "gopher://127.0.0.1:6379/_INFO",
        "http://203.0.113.7/",
    ],
)
def test_a_redirect_to_the_inside_is_refused_before_a_connection(location: str) -> None:
    async def scene() -> None:
        async with Site() as inside, Site() as site:
            there = location.format(other=inside.port, port=site.port)
            site.pages["/rss"] = answer(b"", "302 Found", f"Location: {there}\r\n")
            result = await Fetcher(Guard([site.allowed]), "test", LIMITS).fetch(site.url("/rss"))
            assert result.outcome is Outcome.REFUSED
            assert inside.requests == []
            assert len(site.requests) == 1

    asyncio.run(scene())


def test_credentials_go_to_their_origin_only() -> None:
    async def scene() -> None:
        async with Site() as there, Site() as site:
            there.put("/rss", BODY)
            site.pages["/same"] = answer(b"", "302 Found", "Location: /away\r\n")
            site.pages["/away"] = answer(b"", "302 Found", f"Location: {there.url('/rss')}\r\n")
            fetcher = Fetcher(Guard([site.allowed, there.allowed]), "test", LIMITS)
            url = site.url("/same").replace("//", "//analyst:s3cret@")
            result = await fetcher.fetch(url)
            assert result.outcome is Outcome.OK
            assert all("authorization" in h for _, h in site.requests)
            assert all("authorization" not in h for _, h in there.requests)
            assert "s3cret" not in repr(result)

    asyncio.run(scene())


def test_a_circle_of_redirects_ends() -> None:
    circle = answer(b"", "302 Found", "Location: /rss\r\n")
    at_once = replace(LIMITS, hop_pause=0.0)
    result, site = _fetch(lambda s: s.pages.update({"/rss": circle}), limits=at_once)
    assert result.outcome is Outcome.HTTP_ERROR
    assert len(site.requests) == LIMITS.redirects + 1


def _silent(writer: asyncio.StreamWriter) -> Awaitable[None]:
    return asyncio.sleep(30)


async def _dripping_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(1000):
        writer.write(b"X-%d: y\r\n" % n)
        await writer.drain()
        await asyncio.sleep(0.05)


async def _dripping_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("behaviour", [_silent, _dripping_head, _dripping_body])
def test_a_server_that_takes_its_time_is_left_in_time(
    behaviour: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    result, _ = _fetch(lambda s: s.pages.update({"/rss": behaviour}))
    assert result.outcome is Outcome.TIMEOUT
    assert result.seconds < 3


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()


def test_a_body_without_end_is_cut_off() -> None:
    result, _ = _fetch(lambda s: s.pages.update({"/rss": _endless}))
    assert result.outcome is Outcome.TOO_LARGE
    assert result.wire_bytes < 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n<rss>", Outcome.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n<rss/>",
            Outcome.HTTP_ERROR,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\na",
            Outcome.HTTP_ERROR,
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", Outcome.HTTP_ERROR),
        (b"HELLO WORLD\r\n\r\n", Outcome.HTTP_ERROR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<rss>", Outcome.HTTP_ERROR),
        (b"", Outcome.HTTP_ERROR),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + BODY,
            Outcome.HTTP_ERROR,
        ),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", Outcome.HTTP_ERROR),
    ],
)
def test_an_answer_that_lies_about_itself_is_no_feed(raw: bytes, outcome: Outcome) -> None:
    result, _ = _fetch(lambda s: s.pages.update({"/rss": raw}))
    assert (result.outcome, result.body) == (outcome, b"")


def test_a_second_answer_behind_the_first_is_dropped() -> None:
    raw = answer(BODY).replace(b"Connection: close\r\n", b"") + answer(rss(("2", "smuggled")))
    result, _ = _fetch(lambda s: s.pages.update({"/rss": raw}))
    assert (result.outcome, result.body) == (Outcome.OK, BODY)


def test_behind_a_redirect_to_another_host_validators_go_to_who_gave_them() -> None:
    async def scene() -> None:
        async with Site() as old, Site("127.0.0.2") as new:
            new.put("/rss", BODY, etag='"1"')
            old.pages["/rss"] = answer(b"", "302 F", f"Location: {new.url('/rss')}\r\n")
            fetcher = Fetcher(Guard([old.allowed, new.allowed]), "test", LIMITS)
            first = await fetcher.fetch(old.url("/rss"))
            again = await fetcher.fetch(old.url("/rss"), first.validators)
            assert (first.outcome, again.outcome) == (Outcome.OK, Outcome.NOT_MODIFIED)
            assert all("if-none-match" not in asked for asked in old.asked("/rss"))
            assert new.asked("/rss")[1]["if-none-match"] == '"1"'

    asyncio.run(scene())


def test_the_body_of_a_redirect_is_not_read() -> None:
    def script(site: Site) -> None:
        site.put("/new", BODY)
        site.pages["/rss"] = answer(b" " * 5_000_000, "302 F", "Location: /new\r\n")

    result, _ = _fetch(script)
    assert result.outcome is Outcome.OK
    assert result.wire_bytes < 200_000


def test_a_site_with_many_dead_ipv6_addresses_is_reached_by_ipv4() -> None:
    async def found(host: str, port: int) -> list[str]:
        del host, port
        return ["::1", "::2", "127.0.0.1"]

    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", BODY)
            guard = Guard([f"outlet.example:{site.port}"], found)
            fetcher = Fetcher(guard, "test", LIMITS)
            result = await fetcher.fetch(f"http://outlet.example:{site.port}/rss")
            assert result.outcome is Outcome.OK, result.reason

    asyncio.run(scene())


def test_no_descriptor_stays_open_however_a_fetch_ends() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", BODY)
            end = asyncio.Event()
            site.pages["/silent"] = lambda _: end.wait()
            limits = replace(LIMITS, total=0.05)
            fetcher = Fetcher(Guard([site.allowed, "127.0.0.1:1"]), "test", limits)
            urls = [site.url("/rss"), site.url("/silent"), "http://127.0.0.1:1/"]
            urls.append(site.url("/rss").replace("http:", "https:"))
            process = psutil.Process()
            before = process.num_fds()
            for _ in range(3):
                given_up = [asyncio.create_task(fetcher.fetch(u)) for u in urls]
                await asyncio.sleep(0)
                for task in given_up:
                    task.cancel()
                await asyncio.gather(*given_up, return_exceptions=True)
                await asyncio.gather(*(fetcher.fetch(u) for u in urls))
            end.set()
            async with asyncio.timeout(10):
                # The site's own ends close behind ours.
                while process.num_fds() > before:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(scene())


def test_nobody_there_is_a_network_error() -> None:
    fetcher = Fetcher(Guard(["127.0.0.1:9"]), "test", LIMITS)
    result = asyncio.run(fetcher.fetch("http://127.0.0.1:9/"))
    assert result.outcome is Outcome.NETWORK_ERROR


def test_retry_after_of_an_error_is_kept() -> None:
    page = answer(b"", "429 Slow down", "Retry-After: 120\r\n")
    result, _ = _fetch(lambda s: s.pages.update({"/rss": page}))
    assert (result.outcome, result.retry_after_s) == (Outcome.HTTP_ERROR, 120)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_that_we_ask_for_is_undone(coding: str) -> None:
    head = f"Content-Encoding: {coding}\r\n"
    result, _ = _fetch(lambda s: s.put("/rss", CODINGS[coding](BODY), head=head))
    assert (result.outcome, result.body) == (Outcome.OK, BODY)


def test_plain_text_that_is_labelled_gzip_is_taken_as_it_is() -> None:
    result, _ = _fetch(lambda s: s.put("/rss", BODY, head="Content-Encoding: gzip\r\n"))
    assert (result.outcome, result.body) == (Outcome.OK, BODY)


@pytest.mark.parametrize("coding", ["gzip, gzip", "rot13", "gzip,br"])
def test_codings_that_only_bombs_use_are_refused(coding: str) -> None:
    with pytest.raises(BadCodingError):
        decoder_for(coding, 1000)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_stopped_at_the_limit_however_it_is_cut(coding: str) -> None:
    bomb = CODINGS[coding](b" " * 3_000_000)
    for size in (1, 7, len(bomb)):
        assert _stopped_after(coding, bomb, size) <= 100_000


def _stopped_after(coding: str, bomb: bytes, size: int) -> int:
    """Bytes that came out before the limit stopped it."""
    decoder = decoder_for(coding, 100_000)
    out = 0
    for start in range(0, len(bomb), size):
        try:
            out += sum(len(step) for step in decoder.feed(bomb[start : start + size]))
        except TooLargeError:
            return out
    pytest.fail("nothing stopped it")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_bomb_comes_out_in_small_steps_with_a_turn_for_others_between(coding: str) -> None:
    bomb = CODINGS[coding](b" " * 3_000_000)
    steps = [len(step) for step in decoder_for(coding, 8_000_000).feed(bomb)]
    assert (sum(steps), max(steps) <= 2 * STEP) == (3_000_000, True)

    async def scene() -> None:
        async with Site() as site:
            site.put("/bomb", bomb, head=f"Content-Encoding: {coding}\r\n")
            turns: list[int] = []

            async def others() -> None:
                while True:
                    turns.append(1)
                    await asyncio.sleep(0)

            other = asyncio.create_task(others())
            fetcher = Fetcher(Guard([site.allowed]), "test", FetchLimits(large=1_000))

            async def at_large() -> None:
                # The whole bomb is here by now: from now on it only grows.
                turns.clear()

            result = await fetcher.fetch(site.url("/bomb"), before_large=at_large)
            other.cancel()
            assert len(result.body) == 3_000_000
            assert len(turns) >= 8

    asyncio.run(scene())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_compressed_body_that_is_cut_short_is_told(coding: str) -> None:
    packed = CODINGS[coding](BODY * 50)
    decoder = decoder_for(coding, 10_000_000)
    list(decoder.feed(packed[: len(packed) // 2]))
    with pytest.raises(BadCodingError):
        decoder.finish()
