"""`straitwatch backtest`: what would have fired on an archive."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.errors import WrongUse

if TYPE_CHECKING:
    from deploy.archive import Archive
    from deploy.backtest.truth import Truth
    from pipeline.rules.tagging.topic_file import TopicSet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    articles: Annotated[
        Path, typer.Option("--articles", help="Archive: JSON lines, plain or Zstandard.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Labelled episodes, or exported verdicts.")
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option("--topics", help="Folder of topic files; default: those in force."),
    ] = None,
    feeds: Annotated[
        Path | None, typer.Option("--feeds", help="Feed list: publisher, owner, group of a source.")
    ] = None,
    feed_status: Annotated[
        Path | None,
        typer.Option("--feed-status", help="Feed status records; default: from the articles."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="Folder of another backtest, to compare with.")
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            "--sensitivity",
            min=0.001,
            max=100,
            help="Of all topics, instead of what their files ask for (see the detector page).",
        ),
    ] = None,
) -> None:
    """Run the rules on an archive and report what would have fired.

    Example: straitwatch backtest --articles archive.jsonl.zst --out result --topics my-topics
    """
    from deploy.archive import Archive, read_sources
    from deploy.backtest.compare import as_json, differences, read_other
    from deploy.backtest.compare import compare as compare_with
    from deploy.backtest.replay import Rules
    from deploy.backtest.report import write_report
    from deploy.backtest.run import run_backtest, write_summary
    from deploy.backtest.truth import read_truth
    from deploy.topic_files import load_topics
    from pipeline.rules.alerts.detector import DetectorSettings
    from pipeline.rules.stories.index import StorySettings
    from pipeline.rules.tagging.tagger import Tagger

    if compare is not None and compare.resolve() == out.resolve():
        raise WrongUse(f"{out}: is both --out and --compare; give the result a folder of its own")
    archive = Archive(articles, read_sources(feeds))
    known = None if truth is None else read_truth(truth)
    other = None if compare is None else read_other(compare)
    topic_set = load_topics(topics)
    detectors = {
        t.name: DetectorSettings.of(t.alerts_a_month)
        if sensitivity is None
        else DetectorSettings(sensitivity)
        for t in topic_set.topics
    }
    rules = Rules(Tagger(topic_set), detectors, StorySettings())
    with _progress(archive) as on_progress:
        result = run_backtest(
            archive, rules, out, statuses=feed_status, truth=known, on_progress=on_progress
        )
    comparison, changes = None, list[str]()
    if other is not None:
        comparison = compare_with(out, result.summary, result.alerts.episodes, other)
        result.summary["compare"] = as_json(comparison)
        write_summary(result.summary, out)
        changes = list(differences(comparison))
    write_report(result, {t.name: t.title for t in topic_set.topics}, out, comparison)
    for message in (
        archive.bad.sentence(articles),
        archive.disorder(),
        _unwatched(known, topic_set),
    ):
        if message:
            typer.echo(f"straitwatch: {message}", err=True)
    for line in [*sum_up(result.summary), *changes]:
        typer.echo(line)
    typer.echo(f"report: {out / 'report.html'}")


def _unwatched(truth: Truth | None, topics: TopicSet) -> str | None:
    named = {e.topic for e in truth.episodes} if truth else set()
    unknown = sorted(named - {t.name for t in topics.topics})
    if not unknown:
        return None
    return (
        f"the truth has episodes of {', '.join(unknown)}, which no topic file watches: all missed"
    )


@contextmanager
def _progress(archive: Archive) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with typer.progressbar(length=archive.size, file=sys.stderr, label="backtest") as bar:
        yield lambda: bar.update(archive.bytes_read - bar.pos)


def sum_up(summary: dict[str, Any]) -> Iterator[str]:
    """The result in a few lines for the terminal."""
    yield (
        f"{summary['articles']:,} articles in {summary['days']:g} days, "
        f"{summary['on_topic']:,} on topic; {summary['alerts']} alerts ({summary['seconds']:g} s)"
    )
    for name, topic in summary["topics"].items():
        line = f"  {name}: {topic['alerts']} alerts, told {topic['notifications']} times"
        if topic["notifications_a_day"] is not None:
            line += f" ({topic['notifications_a_day']:g} a day)"
        if truth := topic.get("truth"):
            line += f"; found {truth['found']} of {truth['episodes']} episodes, "
            line += f"{truth['false']} false"
        yield line
