"""Archives of articles: what is read, what is left out, and who is whose voice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from deploy.archive import Archive, Sources, read_sources
from deploy.errors import Refused, WrongUse

LINE: dict[str, Any] = {
    "id": "a1",
    "title": "Piers closed after cracks",
    "summary": "",
    "published_at": "2026-03-02T05:00:00Z",
    "fetched_at": "2026-03-02 14:10:00+09:00",
    "source": "https://news.bay.example.co.uk/rss",
    "url": "https://news.bay.example.co.uk/1",
}


def archive(tmp_path: Path, *lines: Any, name: str = "a.jsonl") -> Archive:
    path = tmp_path / name
    text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n"
    data = text.encode()
    if name.endswith(".zst"):
        data = zstandard.ZstdCompressor().compress(data)
    path.write_bytes(data)
    return Archive(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "named-otherwise.zst"])
def test_plain_and_compressed_archives_read_alike(tmp_path: Path, name: str) -> None:
    (article,) = archive(tmp_path, LINE, name=name)
    assert article.article_id == "a1"
    assert article.seen_at == datetime(2026, 3, 2, 5, 10, tzinfo=UTC)
    assert article.published_at == datetime(2026, 3, 2, 5, tzinfo=UTC)


def test_an_archive_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    frames = [
        zstandard.ZstdCompressor().compress(json.dumps({**LINE, "id": f"a{n}"}).encode() + b"\n")
        for n in range(3)
    ]
    path.write_bytes(b"".join(frames))
    assert [a.article_id for a in Archive(path)] == ["a0", "a1", "a2"]


def test_a_source_is_its_own_voice_and_an_address_its_domains(tmp_path: Path) -> None:
    first, second = archive(tmp_path, LINE, {**LINE, "id": "a2", "source": "Hill Times"})
    assert (first.publisher, first.owner, first.group) == ("example.co.uk",) * 3
    assert (second.publisher, second.owner, second.group) == ("Hill Times",) * 3


def test_sections_of_one_newspaper_are_one_voice() -> None:
    sources = Sources()
    politics, world = sources.of("Harbour Post - Politics"), sources.of("Harbour Post - World")
    assert politics.owner == world.owner == "Harbour Post"
    assert politics.group != world.group
    assert sources.of("Harbour Post-Gazette").owner == "Harbour Post-Gazette"
    assert sources.of(" - ").owner == " - "


def test_a_feed_list_says_whose_voice_a_source_is(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(
        '[[feed]]\nurl = "https://news.bay.example.co.uk/rss"\npublisher = "The Bay"\n'
        'owner = "Bay Group"\ngroup = "en-coast"\nlanguage = "en"\n'
    )
    sources = read_sources(feeds)
    for name in ("https://news.bay.example.co.uk/rss", "The Bay"):
        source = sources.of(name)
        assert (source.publisher, source.owner, source.group) == (
            "The Bay",
            "Bay Group",
            "en-coast",
        )


def test_an_export_of_the_service_says_itself_whose_voice_a_source_is(tmp_path: Path) -> None:
    exported = {
        **LINE,
        "publisher": "The Bay",
        "owner": "Bay Group",
        "group": "en-coast",
        "revision": 2,
        "seen_at": "2026-03-02T05:09:58Z",
    }
    read = archive(tmp_path, exported)
    (article,) = read
    assert (article.publisher, article.owner, article.group) == ("The Bay", "Bay Group", "en-coast")
    assert article.revision == 2
    assert article.seen_at == datetime(2026, 3, 2, 5, 9, 58, tzinfo=UTC)
    assert read.fetched_at == datetime(2026, 3, 2, 5, 10, tzinfo=UTC)


def test_authors_of_an_export_are_kept_and_another_archives_field_is_no_fault(
    tmp_path: Path,
) -> None:
    exported = {**LINE, "authors": ["A. Writer", "B. Writer", 7, "\ud800"]}
    first, second = archive(tmp_path, exported, {**LINE, "id": "a2", "authors": "A. Writer"})
    assert first.authors == ("A. Writer", "B. Writer", "?")
    assert second.authors == ()


def test_a_wrong_feed_list_is_told_with_its_line(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds.toml"
    feeds.write_text('[[feed]]\nurl = "https://bay.example/rss"\ngroup = 7\n')
    with pytest.raises(WrongUse, match=r"feeds\.toml:3"):
        read_sources(feeds)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ({**LINE, "id": None}, "no 'id'"),
        ({**LINE, "title": "", "summary": ""}, "neither 'title' nor 'summary'"),
        ({**LINE, "title": 7}, "'title' is no text"),
        ({**LINE, "fetched_at": None}, "no 'fetched_at'"),
        ({**LINE, "fetched_at": "yesterday"}, "'fetched_at' is no time"),
        ({**LINE, "fetched_at": 5}, "'fetched_at' is no time"),
        ({**LINE, "publisher": "P", "group": "g", "weight": float("nan")}, "'weight' is not"),
        ({**LINE, "publisher": "P", "group": "g", "weight": -1}, "'weight' is not above 0"),
        ({**LINE, "fetched_at": "9999-12-31T23:59:59Z"}, "'fetched_at' is in the year 9999"),
    ],
)
def test_a_bad_line_is_counted_and_the_first_is_told(
    tmp_path: Path, line: Any, message: str
) -> None:
    read = archive(tmp_path, LINE, line, line, {**LINE, "id": "a3"})
    assert [a.article_id for a in read] == ["a1", "a3"]
    assert read.bad.count == 2
    assert message in (read.bad.sentence(read.path) or "")
    assert "line 2" in (read.bad.sentence(read.path) or "")


def test_an_unreadable_date_of_publication_is_none(tmp_path: Path) -> None:
    (article,) = archive(tmp_path, {**LINE, "published_at": "soon"})
    assert article.published_at is None


def test_the_same_id_with_another_text_is_the_next_revision(tmp_path: Path) -> None:
    edited = {**LINE, "title": "Piers closed until autumn"}
    assert [a.revision for a in archive(tmp_path, LINE, LINE, edited)] == [0, 0, 1]


def test_articles_out_of_order_are_counted(tmp_path: Path) -> None:
    earlier = {**LINE, "id": "a2", "fetched_at": "2026-03-01T00:00:00Z"}
    read = archive(tmp_path, LINE, earlier, {**LINE, "id": "a3"})
    assert read.disorder() is None
    assert len(list(read)) == 3
    assert read.backwards == 1
    assert "1 article was seen before one that stands above" in (read.disorder() or "")


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    lines = [{**LINE, "id": f"a{n}", "title": f"Pier {n * n} closed"} for n in range(20_000)]
    path = archive(tmp_path, *lines, name="a.zst").path
    path.write_bytes(path.read_bytes()[:-100])
    read = Archive(path)
    assert 0 < len(list(read)) < 20_000
    assert read.bad.count >= 1
    assert read.bad.first is not None


def test_damaged_data_is_told_in_one_line(tmp_path: Path) -> None:
    path = archive(tmp_path, *[{**LINE, "id": f"a{n}"} for n in range(500)], name="a.zst").path
    data = bytearray(path.read_bytes())
    data[20:60] = b"\xff" * 40
    path.write_bytes(bytes(data))
    with pytest.raises(WrongUse, match="damaged Zstandard data"):
        list(Archive(path))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        Archive(tmp_path / "none.jsonl")
    with pytest.raises(WrongUse):
        Archive(tmp_path)


def test_a_source_without_a_name_is_its_links_domain(tmp_path: Path) -> None:
    (article,) = archive(tmp_path, {**LINE, "source": None})
    assert article.owner == "example.co.uk"
    assert Sources().of("x").owner == "x"
