"""Dates as feeds write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.feeds.parse import dates

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Mon, 06 Jul 2026 10:00:00 GMT", "2026-07-06T10:00:00+00:00"),
        ("Mon, 06 Jul 2026 10:00:00 EST", "2026-07-06T10:00:00-05:00"),
        ("Monday, 06-Jul-26 10:00:00 GMT", "2026-07-06T10:00:00+00:00"),
        ("6 July 2026 10:00 +0900", "2026-07-06T10:00:00+09:00"),
        ("Mon, 06 Jul 2026 10:00:00 GMT+0800", "2026-07-06T10:00:00+08:00"),
        ("Mon, 06 Jul 99 10:00:00 GMT", "1999-07-06T10:00:00+00:00"),
        ("Пн, 06 июл 2026 10:00:00 +0300", "2026-07-06T10:00:00+03:00"),
        ("lun., 06 juil. 2026 10:00:00 +0200", "2026-07-06T10:00:00+02:00"),
        ("Mo, 06 Dez 2021 10:00:00 MEZ", "2021-12-06T10:00:00+01:00"),
        ("July 6, 2026 3:04 PM", "2026-07-06T15:04:00+00:00"),
        ("Mon Jul  6 10:00:00 JST 2026", "2026-07-06T10:00:00+09:00"),
        ("2026-07-06T10:00:00.123456789Z", "2026-07-06T10:00:00.123456+00:00"),
        ("2026-07-06T10:00:00+09:00", "2026-07-06T10:00:00+09:00"),
        ("2026-07-06 10:00:00 +0800 CST", "2026-07-06T10:00:00+08:00"),
        ("2026/7/6 9:05", "2026-07-06T09:05:00+00:00"),
        ("2026-07-06", "2026-07-06T00:00:00+00:00"),
        ("2026-07", "2026-07-01T00:00:00+00:00"),
        ("2003", "2003-01-01T00:00:00+00:00"),
        ("2026-07-06T24:00:00Z", "2026-07-07T00:00:00+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("20260706T100000Z", "2026-07-06T10:00:00+00:00"),
        ("06.07.2026 10:00", "2026-07-06T10:00:00+00:00"),
        ("1783332000", "2026-07-06T10:00:00+00:00"),
        ("1783332000000", "2026-07-06T10:00:00+00:00"),
        ("2026年7月6日 下午3:05", "2026-07-06T15:05:00+00:00"),
        ("2026年07月06日 08时30分", "2026-07-06T08:30:00+00:00"),
        ("２０２６年７月６日", "2026-07-06T00:00:00+00:00"),
        ("令和8年7月6日 午前0時5分", "2026-07-06T00:05:00+00:00"),
        ("民國115年7月6日", "2026-07-06T00:00:00+00:00"),
        ("2026년 7월 6일 오후 3:05", "2026-07-06T15:05:00+00:00"),
        ("  Mon, 06 Jul 2026 10:00:00 GMT\n", "2026-07-06T10:00:00+00:00"),
        ("2026-07-06T100000Z", "2026-07-06T10:00:00+00:00"),
        ("2026-07-06T10+09:00", "2026-07-06T10:00:00+09:00"),
        ("2026-07-06+09:00", "2026-07-06T00:00:00+09:00"),
        ("2026-07-06T10:00:00\u221205:00", "2026-07-06T10:00:00-05:00"),
        ("2026-W28-1T10:00Z", "2026-07-06T10:00:00+00:00"),
        ("2026-187", "2026-07-06T00:00:00+00:00"),
        ("202607061000", "2026-07-06T10:00:00+00:00"),
        ("1783332000000000000", "2026-07-06T10:00:00+00:00"),
        ("Mon Jul  6 10:00:00 +0900 2026", "2026-07-06T10:00:00+09:00"),
        ("Mon Jul  6 10:00:00 2026", "2026-07-06T10:00:00+00:00"),
        ("Mon Jul 06 2026 10:00:00 GMT+0900 (Japan Standard Time)", "2026-07-06T10:00:00+09:00"),
        ("Monday 6 July 2026 at 10:00 UTC", "2026-07-06T10:00:00+00:00"),
        ("2026/7/6 下午 03:05:00", "2026-07-06T15:05:00+00:00"),
        ("2026-07-06 오후 3:05:00", "2026-07-06T15:05:00+00:00"),
        ("2026. 7. 6. (월) 15:05", "2026-07-06T15:05:00+00:00"),
        ("2026-07-06 3:05 下午", "2026-07-06T15:05:00+00:00"),
        ("周一, 06 七月 2026 10:00:00 +0800", "2026-07-06T10:00:00+08:00"),
        ("月, 06 7月 2026 10:00:00 JST", "2026-07-06T10:00:00+09:00"),
        ("发布时间：2026年7月6日 星期一 下午3点半", "2026-07-06T15:30:00+00:00"),
        ("2026年7月6日(月) 上午12:05", "2026-07-06T00:05:00+00:00"),
        ("26年7月6日", "2026-07-06T00:00:00+00:00"),
        ("2026年7月6日中午1点", "2026-07-06T13:00:00+00:00"),
    ],
)
def test_a_date_keeps_what_it_states(text: str, iso: str) -> None:
    found = dates.read_date(text, NOW)
    assert found.value is not None
    assert (found.value.isoformat(), found.flag) == (iso, None)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("NaN", dates.UNREADABLE),
        ("yesterday", dates.UNREADABLE),
        ("2026-07-99999999999999", dates.UNREADABLE),
        ("06/07/2026 10:00", dates.UNREADABLE),
        ("9" * 200_000, dates.UNREADABLE),
        ("Mon, 06 Foo 2026 10:00:00 GMT", dates.UNREADABLE),
        ("2026-13-40", dates.OUT_OF_RANGE),
        ("2025-366", dates.OUT_OF_RANGE),
        ("2026-07-06T23:59:61Z", dates.OUT_OF_RANGE),
        ("1年1月1日", dates.OUT_OF_RANGE),
        ("2026-W54-1", dates.OUT_OF_RANGE),
        ("Mon, 30 Feb 2026 10:00:00 GMT", dates.OUT_OF_RANGE),
        ("Mon, 06 Jul 2026 25:61:00 GMT", dates.OUT_OF_RANGE),
        ("0001-01-01T00:00:00+14:00", dates.OUT_OF_RANGE),
        ("Thu, 01 Jan 1970 00:00:00 GMT", dates.OUT_OF_RANGE),
        ("0000000000", dates.OUT_OF_RANGE),
        ("Fri, 31 Dec 9999 23:59:59 GMT", dates.FUTURE),
        ("9999-12-31T24:00:00Z", dates.OUT_OF_RANGE),
        ("2026-11-25T12:11:00Z", dates.FUTURE),
    ],
)
def test_an_absurd_date_is_none_with_a_flag(text: str, flag: str) -> None:
    assert dates.read_date(text, NOW) == dates.ReadDate(None, flag)


def test_a_publishers_clock_may_run_a_little_ahead() -> None:
    found = dates.read_date("2026-11-25T12:09:00Z", NOW)
    assert found.value == datetime(2026, 11, 25, 12, 9, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["+9999", "XYZT", "-2500"])
def test_a_zone_that_cannot_be_is_utc_with_a_flag(zone: str) -> None:
    found = dates.read_date(f"Mon, 06 Jul 2026 10:00:00 {zone}", NOW)
    assert found == dates.ReadDate(datetime(2026, 7, 6, 10, tzinfo=UTC), dates.ZONE_UNKNOWN)


@pytest.mark.parametrize("rest", ["", "T", " around noon", " 1000000", " Foo/Bar"])
def test_a_day_without_a_readable_time_is_its_midnight_with_a_flag(rest: str) -> None:
    flag = dates.TIME_UNKNOWN if rest else None
    found = dates.read_date(f"2026-07-06{rest}", NOW)
    assert found == dates.ReadDate(datetime(2026, 7, 6, tzinfo=UTC), flag)
