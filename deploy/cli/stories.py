"""`straitwatch stories`: which articles of a file are one text, and which report one event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stories")(stories)


def stories(
    source: Annotated[
        Path, typer.Option("--in", help="Articles, one JSON object a line, in the order seen.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where to write their stories.")],
    feeds: Annotated[
        Path | None, typer.Option("--feeds", help="Feed list: publisher and owner of a source.")
    ] = None,
) -> None:
    """Group the articles of a file into stories (one text) and events.

    Example: straitwatch stories --in articles.jsonl --out stories.jsonl
    """
    from deploy.archive import Archive, read_sources
    from deploy.output import written
    from pipeline.contracts.records import Lang
    from pipeline.rules.stories.index import StoryIndex, StoryItem, shard_of
    from pipeline.rules.tagging.language import ScriptDetector

    archive = Archive(source, read_sources(feeds), textless=True)
    detector = ScriptDetector()
    shards: dict[str, StoryIndex] = {}
    with written(out) as file:
        for article in archive:
            text = f"{article.title}\n{article.summary}"
            lang: Lang = detector.detect(text, article.lang_hint)
            index = shards.setdefault(shard_of(lang), StoryIndex())
            found, _ = index.assign(
                StoryItem(
                    article.article_id,
                    article.revision,
                    lang,
                    article.title,
                    article.summary,
                    article.link,
                    article.publisher,
                    article.owner,
                    # One from the future would make the index forget all others.
                    min(article.seen_at, archive.fetched_at),
                    article.published_at,
                )
            )
            line = {
                "id": article.article_id,
                "story_id": found.story_id,
                "event_id": found.event_id,
                "reprint": found.reprint,
                "possible_reprint_of": found.possible_reprint_of,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    for message in (archive.bad.sentence(source), archive.disorder()):
        if message:
            typer.echo(f"straitwatch: {message}", err=True)
