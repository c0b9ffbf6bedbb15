"""Whether two headlines are one text: invented ones, of the kinds that feeds are full of."""

from __future__ import annotations

import pytest

from pipeline.contracts.records import Lang
from pipeline.rules.stories.normalise import Script, canonical_url, normalise
from pipeline.rules.stories.similarity import Likeness, Relation, compare, overlap

EN_LEAD = (
    "The harbour authority closed three piers on Monday after inspectors found cracks in the "
    "supports, and said repairs would last until the autumn."
)


def judge(
    a: str,
    b: str,
    lang: Lang,
    *,
    leads: tuple[str, str] = ("", ""),
    same_owner: bool = False,
    same_url: bool = False,
    hours: float = 1.0,
    wire: float = 0.05,
) -> Likeness:
    x, y = normalise(a, leads[0], lang), normalise(b, leads[1], lang)
    relation = Relation(same_owner, same_url, hours, wire)
    found = compare(x, y, relation, overlap(x, y))
    assert compare(y, x, relation, overlap(y, x)) is found, "the answer depends on the order"
    return found


@pytest.mark.parametrize(
    ("dressed", "plain", "lang"),
    [
        ("【速報】港の倉庫で火災、3人けが", "港の倉庫で火災、3人けが", Lang.JA),
        ("速報港の倉庫で火災、3人けが", "港の倉庫で火災、3人けが", Lang.JA),
        ("港の倉庫で火災、３人けが5月2日 18:39", "港の倉庫で火災、3人けが", Lang.JA),
        ("港の倉庫で火災、3人けが6:40#社会", "港の倉庫で火災、3人けが", Lang.JA),
        (
            "Harbour piers closed after cracks - Bay News",
            "Harbour piers closed after cracks",
            Lang.EN,
        ),
        ("Harbour’s piers closed", "Harbour's piers closed", Lang.EN),
        ("快訊／港口倉庫起火釀三傷", "港口倉庫起火釀三傷", Lang.ZH_HANT),
        ("港口倉庫起火釀三傷", "港口仓库起火酿三伤", Lang.ZH_HANS),
    ],
)
def test_what_outlets_put_around_a_headline_is_no_part_of_it(
    dressed: str, plain: str, lang: Lang
) -> None:
    assert normalise(dressed, "", lang).title == normalise(plain, "", lang).title


def test_a_subtitle_in_small_letters_is_not_taken_for_an_outlet() -> None:
    assert "whatweknow" in normalise("Harbour piers closed - what we know", "", Lang.EN).title


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("工場が5千人を削減", {"5000"}),
        ("工場が5000人を削減", {"5000"}),
        ("1万1051人が参加", {"11051"}),
        ("0・1%増", {"0.1"}),
        ("Sales of 1,200 cars in 2035", {"1200", "35"}),
        ("Three held after raid", {"3"}),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, numbers: set[str]) -> None:
    lang = Lang.EN if text.isascii() else Lang.JA
    assert normalise(text, "", lang).numbers == numbers


def test_a_text_says_in_which_script_it_is() -> None:
    assert normalise("港で火災", "", Lang.JA).script is Script.KANA
    assert normalise("東京円、小動", "", Lang.JA).script is Script.HAN
    assert normalise("A fire", "", Lang.EN).script is Script.OTHER


def test_a_title_of_signs_alone_is_still_a_text() -> None:
    assert normalise("……", "", Lang.JA).title


@pytest.mark.parametrize(
    ("link", "key"),
    [
        ("https://www.bay.example/a/1/?utm_source=x&id=7#top", "bay.example/a/1?id=7"),
        ("http://m.bay.example/a/1", "bay.example/a/1"),
        ("https://bay.example/press.html#a12", "bay.example/press.html#a12"),
        ("https://bay.example/a/1#Echobox=1790000000", "bay.example/a/1"),
        ("https://bay.example/", None),
        ("https://[bad", None),
        (None, None),
    ],
)
def test_an_address_is_what_names_the_article(link: str | None, key: str | None) -> None:
    assert canonical_url(link) == key


def test_wire_copy_cut_at_a_clause_is_one_text() -> None:
    long, short = "港湾倉庫の検査で亀裂を確認 運営会社、秋まで補修へ", "港湾倉庫の検査で亀裂を確認"
    assert judge(long, short, Lang.JA) is Likeness.REPRINT


def test_a_long_clause_word_for_word_at_another_place_is_one_text() -> None:
    first = "市長今赴港區 工程師：三號碼頭龜裂擴大應停用"
    moved = "三號碼頭龜裂擴大應停用 工程師陪同市長看港區"
    assert judge(first, moved, Lang.ZH_HANT) is Likeness.REPRINT
    in_place = "工程師陪同市長看港區 三號碼頭龜裂擴大應停用"
    assert judge("市長今赴港區 三號碼頭龜裂擴大應停用", in_place, Lang.ZH_HANT) < Likeness.REPRINT


def test_one_outlets_report_on_another_titled_work_is_another_text() -> None:
    form = "港の図書室が今月の一冊に選んだ「{}」を紹介する催し"
    found = judge(form.format("北の灯台"), form.format("南の桟橋と舟"), Lang.JA, same_owner=True)
    assert found is Likeness.POSSIBLE


@pytest.mark.parametrize(
    ("dated", "plain", "lang"),
    [
        (
            "HILLTOWN, Bay (AP) — Engineers closed three of the piers after cracks were found.",
            "Engineers closed three of the piers after cracks were found.",
            Lang.EN,
        ),
        (
            "【本社電】港務局は三つの桟橋を秋まで閉鎖すると発表した。",
            "港務局は三つの桟橋を秋まで閉鎖すると発表した。",
            Lang.JA,
        ),
        (
            "港務社三日電（記者）：港務局宣布三號碼頭停用至秋季。",
            "港務局宣布三號碼頭停用至秋季。",
            Lang.ZH_HANT,
        ),
    ],
)
def test_where_a_lead_was_filed_is_no_part_of_it(dated: str, plain: str, lang: Lang) -> None:
    assert normalise("t", dated, lang).lead == normalise("t", plain, lang).lead


def test_one_opening_is_a_copy_only_between_clients_of_one_agency() -> None:
    first = "港務局公布碼頭檢測結果 市議會盼說明經費"
    other = "港務局公布碼頭檢測結果 漁會憂生計受影響"
    assert judge(first, other, Lang.ZH_HANT, wire=0.5) is Likeness.REPRINT
    assert judge(first, other, Lang.ZH_HANT) < Likeness.REPRINT
    short = ("港務局公布結果 市議會盼說明經費與工期", "港務局公布結果 漁會憂今秋生計受影響")
    assert judge(*short, Lang.ZH_HANT, wire=0.5) < Likeness.REPRINT, "a name every headline has"


def test_a_headline_cut_inside_a_word_is_not_a_clause() -> None:
    assert judge("港湾倉庫の検査を延期 天候悪化で", "港湾倉庫の検", Lang.JA) < Likeness.REPRINT


def test_a_clause_that_returns_days_later_is_tomorrows_column() -> None:
    long, short = "港湾市況、午前は横ばい 買い控え広がる", "港湾市況、午前は横ばい"
    assert judge(long, short, Lang.JA, hours=50) < Likeness.REPRINT


def test_other_numbers_make_other_texts() -> None:
    a, b = "港の倉庫で火災、けが人は12人に増える", "港の倉庫で火災、けが人は19人に増える"
    assert judge(a, b, Lang.JA) is Likeness.POSSIBLE


def test_a_number_more_is_not_another_number() -> None:
    a = "港の倉庫で火災、けが人は12人に増える"
    assert judge(a, f"{a}、5棟焼く", Lang.JA) is Likeness.REPRINT


def test_two_days_bulletins_are_two_texts_even_at_one_address() -> None:
    a, b = "港長の動静(7月3日)", "港長の動静(7月4日)"
    assert judge(a, b, Lang.JA, same_owner=True, same_url=True, hours=24) is Likeness.NONE


def test_one_address_is_one_text_whatever_its_headline() -> None:
    a, b = "Piers closed after cracks found", "Inspectors blamed for late warning"
    assert judge(a, b, Lang.EN, same_owner=True, same_url=True, hours=20) is Likeness.REPRINT


def test_anothers_address_under_other_words_proves_nothing() -> None:
    a, b = "Piers closed after cracks found", "Inspectors blamed for late warning"
    assert judge(a, b, Lang.EN, same_url=True, hours=1) is Likeness.NONE
    assert judge(a, "Piers closed: cracks", Lang.EN, same_url=True, hours=1) is Likeness.REPRINT


def test_the_lead_tells_wire_copy_under_another_headline() -> None:
    a, b = "Harbour shuts three piers over cracks", "Cracked supports close piers until autumn"
    assert judge(a, b, Lang.EN, leads=(EN_LEAD, EN_LEAD + " More soon.")) is Likeness.REPRINT


def test_like_headlines_over_other_leads_are_two_reports() -> None:
    a, b = "Harbour shuts three piers over cracks", "Harbour shuts three piers after cracks"
    own = "Shipping firms scrambled for berths yesterday as the port lost a third of its space."
    assert judge(a, b, Lang.EN, leads=(EN_LEAD, own)) < Likeness.REPRINT


def test_chinese_reports_that_share_only_the_names_are_one_event() -> None:
    a, b = (
        "港務局宣布三號碼頭停用 局長：秋季前完成修復",
        "三號碼頭突停用 港務局長致歉：盼秋季前修復",
    )
    assert judge(a, b, Lang.ZH_HANT) is Likeness.EVENT


def test_an_edit_by_one_outlet_is_one_text() -> None:
    a, b = "港務局宣布三號碼頭停用 局長：秋季前完成修復", "三號碼頭停用 港務局長：秋季前完成修復"
    assert judge(a, b, Lang.ZH_HANT, same_owner=True, hours=18) is Likeness.REPRINT


def test_a_form_filled_in_twice_is_two_texts() -> None:
    a, b = "【速報】丙川市で震度1", "【速報】丁山市で震度1"
    assert judge(a, b, Lang.JA, same_owner=True, hours=2) < Likeness.REPRINT


def test_a_bulletin_that_says_the_same_next_day_is_a_new_one() -> None:
    a = "丙川地方で最大震度1の地震 丙川市"
    assert judge(a, a, Lang.JA, same_owner=True, hours=24) < Likeness.REPRINT
    assert judge(a, a, Lang.JA, same_owner=True, hours=1) is Likeness.REPRINT


def test_two_songs_of_one_show_are_two_texts() -> None:
    a, b = 'Morning stage: Ada Roe performs "Low Tide"', 'Morning stage: Ada Roe performs "Salt"'
    leads = ("The singer plays on the pier.", "The singer plays on the pier.")
    assert judge(a, b, Lang.EN, leads=leads, same_owner=True) < Likeness.REPRINT


def test_a_shared_wire_lowers_the_bar() -> None:
    a, b = (
        "丙川の倉庫爆発、2人けが 近くの学校でも窓割れる",
        "丙川で倉庫爆発、2人けが 近くの学校の窓割れる",
    )
    assert judge(a, b, Lang.JA, wire=0.05) < Likeness.REPRINT
    assert judge(a, b, Lang.JA, wire=0.6) is Likeness.REPRINT


def test_short_rubrics_are_no_texts() -> None:
    assert judge("The day on one page.", "The day, on one page", Lang.EN, same_owner=True) < (
        Likeness.REPRINT
    )
