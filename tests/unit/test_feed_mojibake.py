"""Text that was decoded wrongly before it got into the feed."""

from __future__ import annotations

import pytest

from connectors.feeds.parse.mojibake import is_doubtful, undone


@pytest.mark.parametrize(
    ("original", "charset"),
    [
        ("déjà vu, ça et là", "latin-1"),
        ("it’s what ‘they’ said", "cp1252"),
        ("首都の議会は決議案を可決した", "latin-1"),
        ("中国新闻", "gb18030"),
        ("日本日本", "cp932"),
    ],
)
def test_what_was_decoded_wrongly_is_put_right(original: str, charset: str) -> None:
    wrong = original.encode().decode(charset)
    assert wrong != original
    assert undone(wrong) == original


@pytest.mark.parametrize(
    "text",
    [
        *("plain", "déjà vu", "à", "Ãrea", "São Paulo", "L’été", "Über", "naïve café"),
        *("首都の議会は決議案を可決した", "外交部发言人表示强烈不满", "國防部公布軍機動態", "ｶﾀｶﾅ"),
        *("Центробанк повысил ставку", "서울 발표", "浣", "脿", "日経平均株価"),
    ],
)
def test_what_was_decoded_rightly_stays(text: str) -> None:
    assert undone(text) is None
    assert not is_doubtful(text)


@pytest.mark.parametrize(
    "text",
    ["CafÃ© Ã  lâ€™eauあ", "dÃ©jÃ  vu 東", "a â€“ b 東", "锟斤拷", "~{Mb=;2?~}", "各\ue6e6揺"],
)
def test_what_is_beyond_repair_is_seen(text: str) -> None:
    assert undone(text) is None
    assert is_doubtful(text)
