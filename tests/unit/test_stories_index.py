"""The story index: groups that never chain, a window, a log that rebuilds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.records import Lang
from pipeline.rules.stories.index import (
    StoryError,
    StoryIndex,
    StoryItem,
    StorySettings,
    shard_of,
)
from pipeline.rules.stories.log import house_of
from pipeline.rules.stories.wires import WireTable

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def item(
    name: str,
    title: str,
    owner: str = "Bay Post",
    hours: float = 0.0,
    *,
    revision: int = 0,
    lang: Lang = Lang.JA,
    link: str | None = None,
    summary: str = "",
) -> StoryItem:
    return StoryItem(
        article_id=name,
        revision=revision,
        lang=lang,
        title=title,
        summary=summary,
        link=link,
        publisher=owner,
        owner=owner,
        seen_at=START + hours * HOUR,
        published_at=None,
    )


WIRE = "港湾倉庫の検査で亀裂を確認 運営会社、秋まで補修へ"


def test_the_first_of_a_text_opens_its_story_and_event() -> None:
    found, entry = StoryIndex().assign(item("a", WIRE))
    assert (found.story_id, found.event_id, found.reprint) == ("a", "a", False)
    assert entry


def test_a_reprint_joins_the_story() -> None:
    index = StoryIndex()
    index.assign(item("a", WIRE, "Bay Post"))
    found, _ = index.assign(item("b", f"【速報】{WIRE}", "Hill Times", 2))
    assert (found.story_id, found.event_id, found.reprint) == ("a", "a", True)


def test_an_independent_report_joins_only_the_event() -> None:
    index = StoryIndex()
    index.assign(item("a", WIRE, "Bay Post"))
    found, _ = index.assign(
        item("b", "倉庫検査で亀裂、港湾会社が補修へ 「秋までに」", "Hill Times", 2)
    )
    assert (found.story_id, found.event_id, found.reprint) == ("b", "a", False)


def test_what_is_unsure_is_kept_apart_and_marked() -> None:
    index = StoryIndex()
    index.assign(item("a", "港の倉庫で火災、けが人は12人に増える", "Bay Post"))
    found, _ = index.assign(item("b", "港の倉庫で火災、けが人は19人に増える", "Hill Times", 1))
    assert (found.story_id, found.possible_reprint_of) == ("b", "a")


def test_groups_do_not_grow_by_chaining() -> None:
    index = StoryIndex()
    index.assign(item("a", "港湾倉庫の検査で亀裂を確認", "Bay Post"))
    both, _ = index.assign(
        item("b", "港湾倉庫の検査で亀裂を確認 丙川の先物市場は小動き続く", "Hill Times", 1)
    )
    chained, _ = index.assign(item("c", "丙川の先物市場は小動き続く", "Field News", 2))
    assert both.story_id == "a"
    assert (chained.story_id, chained.possible_reprint_of) == ("c", "b")


def test_an_edited_article_keeps_its_story_and_is_found_by_its_new_text() -> None:
    index = StoryIndex()
    index.assign(item("a", WIRE, "Bay Post"))
    edited, entry = index.assign(
        item("a", "丙川港の三つの桟橋、秋まで閉鎖へ", "Bay Post", 1, revision=1)
    )
    assert edited.story_id == "a"
    assert entry
    copy, _ = index.assign(item("b", "丙川港の三つの桟橋、秋まで閉鎖へ", "Hill Times", 2))
    assert (copy.story_id, copy.reprint) == ("a", True)
    assert len(index) == 2


def test_a_known_revision_changes_nothing() -> None:
    index = StoryIndex()
    first, _ = index.assign(item("a", WIRE, revision=2))
    again, entry = index.assign(item("a", "まったく別の見出し", revision=1))
    assert (again, entry) == (first, b"")


def test_the_same_address_with_another_headline_is_the_same_story() -> None:
    index = StoryIndex()
    link = "https://bay.example/news/7?utm_medium=rss"
    index.assign(item("a", WIRE, link=link))
    found, _ = index.assign(item("b", "桟橋閉鎖へ", hours=5, link="https://bay.example/news/7"))
    assert (found.story_id, found.reprint) == ("a", True)


def test_after_the_window_a_text_is_new() -> None:
    index = StoryIndex()
    index.assign(item("a", WIRE))
    found, _ = index.assign(item("b", WIRE, "Hill Times", 73))
    assert found.story_id == "b"
    assert len(index) == 1


def test_memory_is_bounded_however_many_come() -> None:
    index = StoryIndex(StorySettings(max_items=50))
    for n in range(200):
        index.assign(item(f"a{n}", f"第{n}回港湾会議で議題{n * 7}を採択", hours=n / 100))
    assert len(index) <= 50


def test_a_flood_of_one_outlet_shortens_nobody_elses_window() -> None:
    rules, log = StorySettings(max_items=50), []
    index = StoryIndex(rules)
    log.append(index.assign(item("a", WIRE, "Hill Times"))[1])
    for n in range(200):
        title = f"第{n}回港湾会議で議題{n * 7}を採択"
        log.append(index.assign(item(f"f{n}", title, "Flood", hours=n / 100))[1])
    for one in (index, StoryIndex.restore(rules, log)):
        assert len(one) == 50
        assert one.assign(item("b", WIRE, "Bay Post", 3))[0].story_id == "a"
        newest = one.assign(item("c", "第199回港湾会議で議題1393を採択", "Bay Post", 3))
        assert newest[0].story_id == "f199", "the flood's own oldest went"


def test_what_the_log_does_not_tell_moves_no_clock() -> None:
    index, known = StoryIndex(), "桟橋の点検、来週から始まる"
    stream = [item("a", WIRE), item("k", known, hours=10), item("k", known, hours=80)]
    log = [index.assign(each)[1] for each in stream]
    assert log[-1] == b""
    late = item("b", WIRE, "Hill Times", 60)
    for one in (index, StoryIndex.restore(None, log)):
        assert one.assign(late)[0].story_id == "a"


def test_sections_of_one_house_are_one_house() -> None:
    assert house_of("Bay Post - Politics") == house_of("Bay Post - World") == "Bay Post"


def test_chinese_and_japanese_share_a_shard() -> None:
    assert len({shard_of(lang) for lang in (Lang.JA, Lang.ZH_HANS, Lang.ZH_HANT)}) == 1
    assert shard_of(Lang.EN) != shard_of(Lang.JA)


def test_a_simplified_copy_of_a_traditional_text_is_its_reprint() -> None:
    index = StoryIndex()
    index.assign(item("a", "港務局宣布三號碼頭停用至秋季", lang=Lang.ZH_HANT))
    found, _ = index.assign(
        item("b", "港务局宣布三号码头停用至秋季", "Hill Times", 1, lang=Lang.ZH_HANS)
    )
    assert found.story_id == "a"


def wire_copies(index: StoryIndex, n: int, hours: float) -> None:
    title = f"丙川市の第{n}倉庫で{n * 13}箱の部品が行方不明に"
    index.assign(item(f"x{n}", title, "Bay Post", hours))
    index.assign(item(f"y{n}", title, "Hill Times", hours + 0.1))


LOOSE = (
    "丙川の工場爆発、2人けが 近くの学校でも窓割れる",
    "丙川で工場爆発、2人けが 近くの学校の窓割れる",
)


@pytest.mark.parametrize(("copies", "joined"), [(0, False), (12, True)])
def test_a_wire_is_learned_from_verbatim_headlines(copies: int, joined: bool) -> None:
    index = StoryIndex()
    for n in range(copies):
        wire_copies(index, n + 10, n)
    index.assign(item("a", LOOSE[0], "Bay Post", 20))
    found, _ = index.assign(item("b", LOOSE[1], "Hill Times", 21))
    assert found.reprint is joined


def test_the_log_rebuilds_the_index_with_the_wires_it_learned() -> None:
    index, log = StoryIndex(), []
    for n in range(12):
        title = f"丙川市の第{n + 10}倉庫で{n * 13}箱の部品が行方不明に"
        for name, owner in ((f"x{n}", "Bay Post"), (f"y{n}", "Hill Times")):
            log.append(index.assign(item(name, title, owner, n))[1])
    restored = StoryIndex.restore(None, log)
    for one in (index, restored):
        one.assign(item("a", LOOSE[0], "Bay Post", 20))
    assert index.assign(item("b", LOOSE[1], "Hill Times", 21)) == restored.assign(
        item("b", LOOSE[1], "Hill Times", 21)
    )


def test_a_log_is_rewritten_when_most_of_it_is_old() -> None:
    index, log = StoryIndex(), []
    for n in range(1300):
        title = f"第{n}回港湾会議で議題{n * 7}を採択"
        log.append(index.assign(item(f"a{n}", title, hours=n / 5))[1])
        kept = index.prune(START + n / 5 * HOUR)
        if kept is not None:
            break
    assert len(index) < len(kept or ()) < len(log) / 2
    assert len(StoryIndex.restore(None, kept or ())) == len(index)


def test_an_index_that_fell_silent_empties_its_log_but_keeps_the_wires() -> None:
    index = StoryIndex()
    for n in range(12):
        wire_copies(index, n + 10, n)
    kept = index.prune(START + 200 * HOUR)
    assert kept is not None
    assert len(kept) == 1
    assert len(index) == 0
    restored = StoryIndex.restore(None, kept)
    restored.assign(item("a", LOOSE[0], "Bay Post", 300))
    assert restored.assign(item("b", LOOSE[1], "Hill Times", 301))[0].reprint


@pytest.mark.parametrize("entry", [b"{", b"[]", b'{"v":1}', json.dumps({"v": 99}).encode()])
def test_bytes_that_are_no_entry_are_refused(entry: bytes) -> None:
    with pytest.raises(StoryError):
        StoryIndex.restore(None, [entry])


def test_a_wire_that_was_given_up_is_forgotten() -> None:
    wires = WireTable()
    for _ in range(40):
        wires.learn("Bay Post", "Hill Times", verbatim=True)
    high = wires.affinity("Hill Times", "Bay Post")
    for _ in range(80):
        wires.learn("Hill Times", "Bay Post", verbatim=False)
    assert high > 0.7 > 0.25 > wires.affinity("Bay Post", "Hill Times")


def test_a_feed_that_names_anothers_address_takes_no_story_from_it() -> None:
    index = StoryIndex()
    link = "https://bay-post.example/a/1"
    index.assign(item("a", "港の祭り、今年も盛況 家族連れでにぎわう", "Claimant", link=link))
    found, _ = index.assign(item("b", WIRE, "Bay Post", 1, link=link))
    assert (found.story_id, found.event_id, found.reprint) == ("b", "b", False)


def test_an_address_that_was_claimed_and_given_up_still_finds_its_first_article() -> None:
    index = StoryIndex()
    link = "https://hill.example/a/1"
    index.assign(item("x", WIRE, "Hill Times", link=link))
    index.assign(item("a", "港の祭り、今年も盛況", "Bay Post", 1, link=link))
    moved = "https://bay.example/a/1"
    index.assign(item("a", "港の祭り、今年も盛況", "Bay Post", 2, revision=1, link=moved))
    found, _ = index.assign(item("b", "費用は未定、来春にも再入札か", "Hill Times", 3, link=link))
    assert (found.story_id, found.reprint) == ("x", True)


def test_a_feed_that_gives_all_its_entries_one_link_is_not_one_story() -> None:
    titles = (
        "港長の定例会見、秋の計画を説明",
        "桟橋の補修に入札十二社が応募",
        "灯台の一般公開、来月から再開",
        "漁船の係留料を据え置きと決定",
        "倉庫街の夜間照明を二割減らす",
        "救助艇の配備、南岸でも始まる",
    )
    index, page = StoryIndex(), "https://port.example/press"
    found = [
        index.assign(item(f"p{n}", title, "Port", n, link=page))[0]
        for n, title in enumerate(titles)
    ]
    assert [f.reprint for f in found[4:]] == [False, False]
    again, _ = index.assign(item("q", f"【更新】{titles[5]}", "Port", 8, link=page))
    assert again.story_id == "p5"


def test_entries_of_one_page_are_texts_of_their_own() -> None:
    index = StoryIndex()
    page = "https://port.example/press.html#n"
    index.assign(item("a", WIRE, "Port", link=f"{page}1"))
    found, _ = index.assign(item("b", "港長の定例会見、秋の計画を説明", "Port", 1, link=f"{page}2"))
    assert (found.story_id, found.reprint) == ("b", False)
