"""Which addresses are fetched: the strict reading of a URL, and the guard behind it."""

from __future__ import annotations

import asyncio
import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.errors import AddressError, BlockedError
from connectors.feeds.http.address import feed_id_of, parse_address
from connectors.feeds.http.guard import Guard, SystemResolver, is_public


async def _never(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host}:{port} was looked up")


def _answers(*addresses: str):
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.1.1",
        "172.31.255.255",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "203.0.113.7",
        "198.18.0.1",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2606:4700::5efe:10.0.0.1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "3fff::1",
        "5f00::1",
    ],
)
def test_inner_reserved_and_wrapped_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_ipv6_is_judged_as_itself(inner: ipaddress.IPv4Address) -> None:
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        wrapped = ipaddress.IPv6Address(prefix | int(inner))
        assert is_public(wrapped) == is_public(inner)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://outlet.example/",
        "gopher://outlet.example:70/",
        "//outlet.example/",
        "http:///path",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://1.2.3.256/",
        "http://outlet.example:99999/",
        "http://outlet.example:0/",
        "http://outlet.example\\@inside/",
        "http://a@b@outlet.example/",
        "http://outlet.example/a b",
        "http://outlet.example/\r\nHost: inside",
        "http://out%6cet.example/",
        "http://[fe80::1%25eth0]/",
        "http://-outlet.example/",
        "http://outlet..example/",
        "http://" + "a" * 2100,
    ],
)
def test_an_address_that_two_programs_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        parse_address(url)


def test_full_width_digits_and_international_names_are_read_as_browsers_do() -> None:
    assert parse_address("http://１２７.0.0.1/").host == "127.0.0.1"
    assert parse_address("http://例え.jp/新聞").url == ("http://xn--r8jz45g.jp/%E6%96%B0%E8%81%9E")


def test_user_info_is_kept_apart_and_never_shown() -> None:
    address = parse_address("https://analyst:s3cret@outlet.example/feed?a=1#top")
    assert address.authorization == "Basic YW5hbHlzdDpzM2NyZXQ="
    assert "s3cret" not in repr(address) + address.url + str(
        feed_id_of("https://a:s3cret@b.example/")
    )
    assert address.url == "https://outlet.example/feed?a=1"


def test_credentials_stay_at_their_origin_when_a_redirect_leads_away() -> None:
    address = parse_address("https://analyst:s3cret@outlet.example/feed")
    assert address.join("/other").authorization is not None
    for there in (
        "https://elsewhere.example/",
        "http://outlet.example/",
        "https://outlet.example:8443/",
    ):
        assert address.join(there).authorization is None
    assert address.join("https://x:y@elsewhere.example/").authorization is None


def test_the_feed_id_is_the_same_with_and_without_user_info_and_default_port() -> None:
    assert feed_id_of("https://a:b@Outlet.example:443/rss") == feed_id_of(
        "https://outlet.example/rss"
    )
    assert feed_id_of("https://outlet.example/rss") != feed_id_of("https://outlet.example/atom")


def test_one_inner_answer_among_public_ones_blocks_the_name() -> None:
    guard = Guard(resolver=_answers("8.8.8.8", "127.0.0.1"))
    with pytest.raises(BlockedError):
        asyncio.run(guard.resolve("outlet.example", 80))


def test_the_answers_that_were_checked_are_the_ones_to_dial() -> None:
    turns = iter((["8.8.8.8"], ["127.0.0.1"]))

    async def rebinding(host: str, port: int) -> list[str]:
        return next(turns)

    guard = Guard(resolver=rebinding)
    assert asyncio.run(guard.resolve("outlet.example", 80)) == ["8.8.8.8"]
    with pytest.raises(BlockedError):
        asyncio.run(guard.resolve("outlet.example", 80))


def test_the_allow_list_is_host_and_port_exactly() -> None:
    guard = Guard(["127.0.0.1:8000", "inside.example:80"], resolver=_answers("10.0.0.1"))
    assert asyncio.run(guard.resolve("127.0.0.1", 8000)) == ["127.0.0.1"]
    assert asyncio.run(guard.resolve("inside.example", 80)) == ["10.0.0.1"]
    for host, port in (("127.0.0.1", 8001), ("127.0.0.2", 8000), ("inside.example", 81)):
        with pytest.raises(BlockedError):
            asyncio.run(guard.resolve(host, port))


def test_ports_of_other_services_are_refused_without_a_look_up() -> None:
    guard = Guard(resolver=_never)
    for port in (22, 25, 6379, 9092):
        with pytest.raises(BlockedError):
            asyncio.run(guard.resolve("outlet.example", port))


@pytest.mark.parametrize(
    "item", ["", "outlet.example", ":80", "outlet.example:x", "h:70000", "h h:80"]
)
def test_an_allow_list_entry_that_is_no_host_and_port_is_told(item: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Guard([item])


def test_the_wire_server_of_azure_is_not_public() -> None:
    from ipaddress import ip_address

    from connectors.feeds.http.guard import is_public

    assert not is_public(ip_address("168.63.129.16"))
    assert is_public(ip_address("168.63.129.17"))


def test_a_broken_declaration_keeps_the_feeds_found_before_it() -> None:
    from connectors.feeds.discover import candidates

    page = b"<link rel=alternate type='application/rss+xml' href='/a.xml'><![foo[ x ]]>"
    named, _ = candidates(page, "https://outlet.example/")
    assert named == ("https://outlet.example/a.xml",)


def test_a_raw_deflate_body_of_one_step_and_a_byte_is_whole() -> None:
    import zlib

    from connectors.feeds.http.decompress import STEP, decoder_for

    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    plain = b"a" * (STEP + 1)
    decoder = decoder_for("deflate", 2 * STEP)
    got = b"".join(decoder.feed(packer.compress(plain) + packer.flush()))
    assert got + decoder.finish() == plain


@pytest.mark.parametrize("host", ["kafka", "a.localhost", "x.local", "db.internal", "r.home.arpa"])
def test_a_name_of_the_inside_is_refused_before_it_is_looked_up_unless_allowed(host: str) -> None:
    with pytest.raises(BlockedError):
        asyncio.run(Guard(resolver=_never).resolve(host, 80))
    allowing = Guard([f"{host}:80"], resolver=_answers("10.0.0.1"))
    assert asyncio.run(allowing.resolve(host, 80)) == ["10.0.0.1"]


def test_one_name_is_looked_up_once_for_all_who_ask_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, go_on = [], threading.Event()

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        go_on.wait(10)
        return ["8.8.8.8", "8.8.8.8"]

    monkeypatch.setattr("connectors.feeds.http.guard._look_up", look_up)

    async def scene() -> list[list[str]]:
        resolver = SystemResolver()
        answers = asyncio.gather(*(resolver("outlet.example", 80) for _ in range(50)))
        await asyncio.sleep(0)
        go_on.set()
        return await answers

    assert asyncio.run(scene()) == [["8.8.8.8"]] * 50
    assert asked == ["outlet.example"]


def test_a_name_that_hangs_delays_no_other_and_is_looked_up_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()

    def look_up(host: str, port: int) -> list[str]:
        if host == "dead.example" and not go_on.is_set():
            go_on.wait(10)
            raise OSError("no answer")
        return ["8.8.8.8"]

    monkeypatch.setattr("connectors.feeds.http.guard._look_up", look_up)

    async def scene() -> None:
        resolver = SystemResolver()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await resolver("dead.example", 80)
        for n in range(200):
            assert await resolver(f"live{n}.example", 80) == ["8.8.8.8"]
        go_on.set()
        with pytest.raises(OSError, match="no answer"):
            await resolver("dead.example", 80)
        assert await resolver("dead.example", 80) == ["8.8.8.8"]

    asyncio.run(scene())


def test_no_more_names_are_looked_up_at_a_time_than_there_may_be_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SystemResolver, "MOST", 0)
    with pytest.raises(OSError, match="too many"):
        asyncio.run(SystemResolver()("outlet.example", 80))


@pytest.mark.parametrize(
    ("first", "then", "may"),
    [
        ("http://outlet.example/a", "http://outlet.example/b", True),
        ("http://outlet.example/", "https://outlet.example/", True),
        ("https://outlet.example/", "http://outlet.example/", False),
        ("http://outlet.example/", "https://www.outlet.example/", False),
        ("http://outlet.example:8080/", "https://outlet.example/", False),
        ("https://outlet.example/", "https://outlet.example:8443/", False),
    ],
)
def test_validators_go_to_their_origin_and_to_its_https(first: str, then: str, may: bool) -> None:
    assert parse_address(then).may_know(parse_address(first)) is may


def test_an_address_is_no_longer_as_it_is_sent_than_as_it_may_be_given() -> None:
    assert len(parse_address("https://outlet.example/" + "港" * 200).url) < 2048
    with pytest.raises(AddressError, match="longer than 2048"):
        parse_address("https://outlet.example/" + "港" * 300)
