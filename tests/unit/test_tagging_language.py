"""Language identification on headlines, fragments and kanji alone."""

from __future__ import annotations

import pytest

from pipeline.contracts.records import Lang
from pipeline.rules.tagging.language import LangdetectDetector, LanguageDetector, ScriptDetector


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ministers meet in the capital", Lang.EN),
        ("Ortega: no more", Lang.EN),
        ("図書館が開館する", Lang.JA),
        ("図書館を開く", Lang.JA),
        ("首相会見、経済対策発表", Lang.JA),
        ("県議会、予算案可決", Lang.JA),
        ("市议会通过预算案", Lang.ZH_HANS),
        ("领导人举行会谈", Lang.ZH_HANS),
        ("市議會通過預算案", Lang.ZH_HANT),
        ("總統接見訪賓", Lang.ZH_HANT),
        ("小鎮の味 老店新開張 遊客絡繹不絕", Lang.ZH_HANT),
        ("TSMC 宣布擴大投資", Lang.ZH_HANT),
        ("El gobierno anuncia nuevas medidas para las empresas del país", Lang.OTHER),
        ("Правительство объявило новые меры", Lang.OTHER),
        ("정부가 새로운 조치를 발표했다", Lang.OTHER),
        ("", Lang.OTHER),
        ("12:30 — 45 %", Lang.OTHER),
    ],
)
def test_the_language_of_a_short_text(text: str, language: Lang) -> None:
    assert ScriptDetector().detect(text) is language


def test_a_name_in_another_script_changes_nothing() -> None:
    assert ScriptDetector().detect("President Lai (賴清德) spoke on Thursday in Taipei") is Lang.EN


def test_a_hint_is_no_fact() -> None:
    assert ScriptDetector().detect("図書館が開館する", "zh-TW") is Lang.JA


def test_a_hint_decides_what_the_text_leaves_open() -> None:
    assert ScriptDetector().detect("大山", "zh-TW") in {Lang.ZH_HANT, Lang.JA}
    assert ScriptDetector().detect("12", "ja") is Lang.JA


@pytest.mark.parametrize("detector", [ScriptDetector(), LangdetectDetector()])
def test_detectors_share_a_protocol(detector: LanguageDetector) -> None:
    text = "The council opened a new library near the river on Monday."
    assert detector.detect(text) is Lang.EN
    assert detector.detect("") is Lang.OTHER
