"""`straitwatch tag`: language, topics and escalation of the articles of a file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tag")(tag)


def tag(
    source: Annotated[Path, typer.Option("--in", help="Articles, one JSON object a line.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write a line for each.")],
    topics: Annotated[
        Path | None,
        typer.Option("--topics", help="Folder of topic files; default: those in force."),
    ] = None,
) -> None:
    """Say of each article of a file which language and topics it has, and how serious it is.

    Example: straitwatch tag --in articles.jsonl --out tags.jsonl
    """
    from deploy.errors import WrongUse, json_fault, unreadable
    from deploy.output import written
    from deploy.topic_files import load_topics
    from pipeline.rules.tagging.tagger import Tagger

    tagger = Tagger(load_topics(topics))
    try:
        lines = source.open("rb")
    except OSError as e:
        raise unreadable(source, e) from e
    with lines, written(out) as file:
        for number, raw in enumerate(lines, start=1):
            if not raw.strip():
                continue
            try:
                article = _article(raw)
            except (ValueError, RecursionError) as e:
                raise WrongUse(
                    f"{source}:{number}: {json_fault(e)}; mend or remove the line"
                ) from e
            tagging = tagger.tag(article["title"], article["summary"], article["lang"])
            line = {
                "id": article["id"],
                "lang": tagging.lang.value,
                "topics": {
                    t.topic: {"escalation": t.escalation, "score": t.score, "terms": list(t.terms)}
                    for t in tagging.topics
                },
            }
            file.write(_text(line) + "\n")


def _article(raw: bytes) -> dict[str, Any]:
    item = json.loads(raw, parse_constant=_no_number, parse_float=_finite)
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a fault of the line, told as one
    if "id" not in item:
        raise ValueError("no 'id'")
    for key in ("title", "summary", "lang"):
        value = item.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"'{key}' is no text")
    return {
        "id": item["id"],
        "title": item.get("title") or "",
        "summary": item.get("summary") or "",
        "lang": item.get("lang"),
    }


def _no_number(word: str) -> float:
    raise ValueError(f"not JSON: {word} is no number there")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def _text(line: dict[str, Any]) -> str:
    """The line as JSON; in ASCII where an id has half a character, which UTF-8 cannot say."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(line)
    return text
