"""The fetcher over TLS and HTTP/2: certificates, and servers that bend the protocol."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import os
import ssl
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.feeds.http.fetch import Fetcher, FetchLimits, FetchResult, Outcome, Validators
from connectors.feeds.http.guard import Guard
from connectors.feeds.http.trust import Cause, trust_store
from tests.integration.tls_site import Authority, TlsSite, settled

LIMITS = FetchLimits(total=3.0, connect=2.0, headers=2.0, max_bytes=300_000)
SHORT = FetchLimits(total=0.8, connect=0.5, headers=0.5, max_bytes=300_000)
BODY = b"<rss><channel><item><title>Bridge opens</title></item></channel></rss>"
NONE = Validators()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def context(authority) -> ssl.SSLContext:
    return authority.server_context()


def fetched(
    authority,
    context: ssl.SSLContext,
    script,
    limits: FetchLimits = LIMITS,
    validators: Validators = NONE,
) -> tuple[FetchResult, list[dict[str, str]]]:
    async def scene() -> tuple[FetchResult, list[dict[str, str]]]:
        async with TlsSite(context, script) as site:
            trust = trust_store(authority.file)
            fetcher = Fetcher(Guard([site.allowed]), "test", limits, trust=trust)
            return await fetcher.fetch(site.url, validators), site.requests

    return asyncio.run(scene())


def test_a_feed_comes_over_http_2_from_a_server_of_our_own_authority(authority, context) -> None:
    async def script(c) -> None:
        await c.answer(gzip.compress(BODY), headers=(("content-encoding", "gzip"), ("etag", '"1"')))

    result, (asked,) = fetched(authority, context, script)
    assert (result.outcome, result.status, result.body) == (Outcome.OK, 200, BODY)
    assert result.validators.etag == '"1"'
    assert asked[":path"] == "/rss"
    assert asked[":authority"].startswith("127.0.0.1:")
    assert asked["user-agent"] == "test"


def test_what_the_server_gave_is_sent_back_over_http_2(authority, context) -> None:
    async def script(c) -> None:
        known = c.headers.get("if-none-match") == '"7"'
        await c.answer(status="304" if known else "500")

    result, _ = fetched(authority, context, script, validators=Validators('"7"'))
    assert (result.outcome, result.conditional) == (Outcome.NOT_MODIFIED, True)


async def _never(c) -> None:
    raise AssertionError("a request was sent")


@pytest.mark.parametrize(
    ("host", "days", "words"),
    [
        ("127.0.0.1", -1, "expired"),
        ("outlet.example", 1, "another"),
    ],
)
def test_a_certificate_that_does_not_hold_is_told_apart(
    authority, host: str, days: int, words: str
) -> None:
    wrong = authority.server_context(host, expires_in=datetime.timedelta(days=days))
    result, asked = fetched(authority, wrong, _never)
    assert (result.outcome, result.cause) == (Outcome.NETWORK_ERROR, Cause.CERTIFICATE)
    assert words in result.reason
    assert asked == []


def test_an_authority_that_nobody_named_is_not_trusted(authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Stranger").server_context()
    result, asked = fetched(authority, stranger, _never)
    assert (result.outcome, result.cause) == (Outcome.NETWORK_ERROR, Cause.CERTIFICATE)
    assert "do not trust" in result.reason
    assert asked == []


async def _from(serve, limits: FetchLimits) -> FetchResult:
    """What a fetch over https gives from a plain TCP server."""

    async def let_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(let_go, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await Fetcher(Guard([host]), "test", limits).fetch(f"https://{host}/")
        server.close()
        await settled(server)
        return result


@pytest.mark.parametrize(
    "hello", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x03\0\2\2\x28"]
)
def test_a_server_that_speaks_no_tls_is_told_apart(hello: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(hello)
        await writer.drain()
        writer.close()

    result = asyncio.run(_from(serve, LIMITS))
    assert (result.outcome, result.cause) == (Outcome.NETWORK_ERROR, Cause.TLS)


def test_a_handshake_that_is_never_answered_ends_in_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    assert asyncio.run(_from(serve, SHORT)).outcome is Outcome.TIMEOUT
    # The whole time is up first, and the socket is closed all the same: a warning fails the test.
    sudden = replace(SHORT, total=0.3, connect=5.0)
    assert asyncio.run(_from(serve, sudden)).outcome is Outcome.TIMEOUT


# --- HTTP/2: frames as RFC 9113 has them (section 4.1): length, type, flags, stream, payload

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes((kind, flags))
        + struct.pack(">I", stream)
        + payload
    )


OK_HEAD = b"\x88"  # HPACK: ":status: 200" of the static table


async def _head(c) -> None:
    await c.send(frame(HEADERS, OK_HEAD, flags=4, stream=c.stream))


async def _endless_body(c) -> None:
    await _head(c)
    await c.send_for_ever(frame(DATA, b" " * 16_384, stream=c.stream))


async def _empty_frames(c) -> None:
    await _head(c)
    await c.send_for_ever(frame(DATA, stream=c.stream) * 1000)


async def _tiny_frames(c) -> None:
    await _head(c)
    await c.send_for_ever(frame(DATA, b" ", stream=c.stream) * 1000)


async def _pings(c) -> None:
    await c.send_for_ever(frame(PING, b"12345678") * 1000)


async def _settings(c) -> None:
    await c.send_for_ever(frame(SETTINGS, struct.pack(">HI", 3, 100)) * 1000)


async def _priorities(c) -> None:
    await c.send_for_ever(frame(PRIORITY, b"\0\0\0\0\1", stream=3) * 1000)


@pytest.mark.parametrize(
    "script", [_endless_body, _empty_frames, _tiny_frames, _pings, _settings, _priorities]
)
def test_a_flood_of_frames_is_cut_off_long_before_the_time_is_up(
    authority, context, script
) -> None:
    result, _ = fetched(authority, context, script)
    assert result.outcome is Outcome.TOO_LARGE
    assert result.wire_bytes < 1_000_000


async def _endless_head(c) -> None:
    await c.send(frame(HEADERS, OK_HEAD, stream=c.stream))
    await c.send_for_ever(frame(CONTINUATION, b"", stream=c.stream) * 100)


async def _reset(c) -> None:
    await c.send(frame(RST, struct.pack(">I", 2), stream=c.stream))
    await c.until_closed()


async def _reset_in_the_body(c) -> None:
    await _head(c)
    await c.send(
        frame(DATA, BODY, stream=c.stream) + frame(RST, struct.pack(">I", 0), stream=c.stream)
    )
    await c.until_closed()


async def _goodbye(c) -> None:
    await c.send(frame(GOAWAY, struct.pack(">II", 0, 0)))
    await c.until_closed()


async def _goodbye_in_the_body(c) -> None:
    await _head(c)
    await c.send(frame(DATA, BODY, stream=c.stream) + frame(GOAWAY, struct.pack(">II", 1, 2)))
    await c.until_closed()


async def _too_large_a_frame(c) -> None:
    await _head(c)
    await c.send(frame(DATA, b" " * 20_000, stream=c.stream))
    await c.until_closed()


async def _pushed(c) -> None:
    await c.send(frame(PUSH, struct.pack(">I", 2) + OK_HEAD, flags=4, stream=c.stream))
    await c.until_closed()


async def _window_beyond_all(c) -> None:
    await _head(c)
    await c.send(frame(WINDOW, struct.pack(">I", 2**31 - 1)) * 2)
    await c.until_closed()


async def _head_of_a_stream_that_is_not(c) -> None:
    await c.send(frame(HEADERS, OK_HEAD, flags=5, stream=2))
    await c.until_closed()


async def _data_before_a_head(c) -> None:
    await c.send(frame(DATA, BODY, flags=1, stream=c.stream))
    await c.until_closed()


async def _broken_compression(c) -> None:
    await c.send(frame(HEADERS, b"\xff\xff\xff\xff\xff\xff", flags=5, stream=c.stream))
    await c.until_closed()


async def _header_bomb(c) -> None:
    # One field of 4,000 bytes put into the dynamic table, then named 2,000 times by one byte each.
    field = (
        b"\x40\x01x\x7f" + bytes((0x80 | (4_000 - 127) & 0x7F, (4_000 - 127) >> 7)) + b"a" * 4_000
    )
    await c.send(frame(HEADERS, OK_HEAD + field + b"\xbe" * 2_000, flags=5, stream=c.stream))
    await c.until_closed()


async def _half_a_body(c) -> None:
    c.state.send_headers(c.stream, [(":status", "200"), ("content-length", "500")])
    await c.flush()
    await c.send(frame(DATA, BODY, flags=1, stream=c.stream))
    await c.until_closed()


async def _no_number(c) -> None:
    await c.answer(BODY, status="twohundred")
    await c.until_closed()


async def _strange_length(c) -> None:
    await c.send(
        frame(HEADERS, OK_HEAD + b"\x0f\x0d\x03\xc2\xb2\xb2", flags=4, stream=c.stream)
        + frame(DATA, BODY, flags=1, stream=c.stream)
    )
    await c.until_closed()


async def _no_http_2(c) -> None:
    await c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
    await c.until_closed()


@pytest.mark.parametrize(
    "script",
    [
        *(_endless_head, _reset, _reset_in_the_body, _goodbye, _goodbye_in_the_body),
        *(_too_large_a_frame, _pushed, _window_beyond_all),
        *(_data_before_a_head, _broken_compression, _header_bomb, _half_a_body, _no_number),
        _strange_length,
    ],
)
def test_a_server_that_breaks_the_protocol_gives_no_feed(authority, context, script) -> None:
    result, _ = fetched(authority, context, script)
    assert (result.outcome, result.body) == (Outcome.HTTP_ERROR, b"")


@pytest.mark.parametrize("status", ["9" * 30, "-200", "0"])
def test_a_status_that_no_database_takes_is_none(authority, context, status: str) -> None:
    result, _ = fetched(authority, context, lambda c: c.answer(BODY, status=status))
    assert (result.outcome, result.status) == (Outcome.HTTP_ERROR, None)


async def _silent(c) -> None:
    await c.until_closed()


async def _pings_now_and_then(c) -> None:
    while True:
        await c.send(frame(PING, b"12345678"))
        await asyncio.sleep(0.05)


async def _body_drop_by_drop(c) -> None:
    await _head(c)
    while True:
        await c.send(frame(DATA, b" ", stream=c.stream))
        await asyncio.sleep(0.05)


async def _no_streams_at_all(c) -> None:
    await c.send(frame(SETTINGS, struct.pack(">HI", 3, 0)))
    await c.until_closed()


@pytest.mark.parametrize(
    "script",
    [
        *(_silent, _pings_now_and_then, _body_drop_by_drop, _no_streams_at_all),
        *(_head_of_a_stream_that_is_not, _no_http_2),
    ],
)
def test_a_server_that_only_keeps_us_busy_is_left_in_time(authority, context, script) -> None:
    result, _ = fetched(authority, context, script, SHORT)
    assert result.outcome is Outcome.TIMEOUT
    assert result.seconds < 3


def test_a_file_without_a_certificate_is_no_trust_store(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    with pytest.raises(OSError):  # noqa: PT011
        trust_store(tmp_path / "empty.pem")


def test_the_command_believes_the_authority_that_the_setting_names(
    authority, context, tmp_path: Path
) -> None:
    async def script(c) -> None:
        await c.answer(BODY)

    async def outcome(environment: dict[str, str], site) -> str:
        command = ["feeds", "fetch", site.url, "--allow-host", site.allowed, "--out", "lines"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.cli", *command),
            cwd=tmp_path,
            env={**os.environ, "STRAITWATCH_HOME": str(tmp_path / "home"), **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            await process.communicate()
        last = json.loads((tmp_path / "lines").read_text().splitlines()[-1])
        return f"{last['outcome']} {last['cause']} {process.returncode}"

    async def scene() -> None:
        async with TlsSite(context, script) as site:
            setting = {"STRAITWATCH_CA_FILE": str(authority.file)}
            assert await outcome(setting, site) == "ok None 0"
            assert await outcome({}, site) == "network_error certificate 3"

    asyncio.run(scene())
