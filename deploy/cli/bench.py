"""`straitwatch bench`: the measurements behind every claim about speed.

To add one, write it in `deploy.bench`, add a function here that imports it when it is called, and
register it below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.bench_service import register_service
from deploy.cli.signals import end_on_signals


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    bench = typer.Typer(
        help="Measure how fast the parts are on this machine.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    bench.callback()(_group)
    bench.command("tagging")(tagging)
    bench.command("feeds")(feeds)
    bench.command("parse")(parse)
    bench.command("pipeline")(pipeline)
    bench.command("pipeline-state")(pipeline_state)
    register_service(bench)
    bench.command("detect")(detect)
    bench.command("stories")(stories)
    app.add_typer(bench, name="bench")


def _group() -> None:
    """Measure how fast the parts are on this machine."""
    end_on_signals()


def tagging(
    articles: Annotated[int, typer.Option(min=100, help="Articles in each measurement.")] = 2000,
    topics: Annotated[
        Path | None,
        typer.Option("--topics", help="Folder of topic files; default: those in force."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Articles a second on one core: the tagger, and the same terms as regular expressions.

    Example: straitwatch bench tagging
    """
    from deploy.bench.tagging import as_records, run
    from deploy.topic_files import load_topics

    rows = run(load_topics(topics), articles)
    if as_json:
        for record in as_records(rows):
            typer.echo(json.dumps(record))
        return
    typer.echo("load          bytes  topics   tagger/s   µs each    regex/s")
    for row in rows:
        typer.echo(
            f"{row.load:12}  {row.bytes:5}  {row.topics:6}  {row.tagger:9,.0f}  {row.us:8.1f}"
            f"  {row.regex:9,.0f}"
        )


def stories(
    articles: Annotated[
        int, typer.Option(min=100, help="Articles over six days, half of them in the window.")
    ] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Articles a second on one core that are grouped into stories, and what each weighs.

    Example: straitwatch bench stories
    """
    from dataclasses import asdict

    from deploy.bench.stories import run

    rows = run(articles)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row)))
        return
    typer.echo(
        "lang  load       in window  articles/s   µs each  bytes each  log bytes each  restored/s"
    )
    for r in rows:
        typer.echo(
            f"{r.lang:4}  {r.load:9}  {r.in_window:9,}  {r.per_second:10,}  {r.us_each:8.1f}  "
            f"{r.bytes_each:10,}  {r.log_bytes_each:14,}  {r.restored_per_second:10,}"
        )


def feeds(
    seconds: Annotated[float, typer.Option(min=1, help="Length of each measurement.")] = 10,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Feeds in the list for the memory; empty: none.")
    ] = "10000,100000",
    hostile: Annotated[
        int, typer.Option("--hostile", help="Pairs of runs with and without hostile feeds.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Feeds a second that the connector polls, beside a plain loop; its memory; hostile feeds.

    Example: straitwatch bench feeds --hostile 5
    """
    from dataclasses import asdict

    from deploy.bench.feeds import isolation, medians, speeds, weights

    def say(text: str) -> None:
        typer.echo(f"straitwatch: {text}", err=True)

    wanted = tuple(int(s) for s in sizes.split(",") if s.strip())
    rows = speeds(seconds, say)
    memory = [{"feeds": n, "rss_mib": round(mib, 1)} for n, mib in weights(wanted, seconds)]
    pairs = isolation(hostile, max(seconds, 25), say) if hostile else []
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row)))
        for record in memory:
            typer.echo(json.dumps(record))
        for pair in pairs:
            typer.echo(
                json.dumps(asdict(pair) | {"ratio": pair.ratio, "added_ratio": pair.added_ratio})
            )
        if pairs:
            typer.echo(json.dumps(medians(pairs)))
        return
    typer.echo("answers      feeds/s  articles/s  CPU ms/feed  plain loop/s  its CPU ms/feed")
    for row in rows:
        typer.echo(
            f"{row.kind:10}  {row.feeds_per_s:8,.0f}  {row.articles_per_s:10,.0f}"
            f"  {row.cpu_ms_per_feed:11.2f}  {row.plain_feeds_per_s:12,.0f}"
            f"  {row.plain_cpu_ms_per_feed:15.2f}"
        )
    for record in memory:
        typer.echo(f"{record['feeds']:,} feeds: {record['rss_mib']:.0f} MiB")
    if pairs:
        m = medians(pairs)
        typer.echo(
            f"p99 of healthy feeds {m['p99_alone_ms']:.1f} ms alone, "
            f"{m['p99_among_hostile_ms']:.1f} ms among 30 % hostile: {m['ratio']:.2f} times; "
            f"p50 {m['p50_alone_ms']:.1f} and {m['p50_among_hostile_ms']:.1f} ms; "
            f"without the servers' delay p99 {m['added_p99_alone_ms']:.1f} and "
            f"{m['added_p99_among_hostile_ms']:.1f} ms: {m['added_ratio']:.2f} times; "
            f"p50 {m['added_p50_alone_ms']:.1f} and {m['added_p50_among_hostile_ms']:.1f} ms; "
            f"polls {m['polls_alone']:,.0f} and {m['polls_among_hostile']:,.0f}"
        )


def parse(
    seconds: Annotated[float, typer.Option(min=0.3, help="Length of each measurement.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Feed documents a second on one core, beside feedparser on the same documents.

    Example: straitwatch bench parse
    """
    from dataclasses import asdict

    from deploy.bench.parse import run

    if not as_json:
        typer.echo("load                 bytes  entries  parser/s  worker/s  feedparser/s  times")
    for row in run(seconds):
        if as_json:
            typer.echo(json.dumps(asdict(row) | {"times": round(row.times, 1)}))
        else:
            typer.echo(
                f"{row.load:18}  {row.bytes:6}  {row.entries:7}  {row.parser:8,.0f}"
                f"  {row.worker:8,.0f}  {row.feedparser:12,.1f}  {row.times:5.1f}"
            )


def pipeline(
    articles: Annotated[int, typer.Option(min=1000, help="Articles in the backlog.")] = 200_000,
    live_rate: Annotated[float, typer.Option(min=1, help="Articles a second, live.")] = 500,
    live_seconds: Annotated[float, typer.Option(min=0, help="How long; 0: not at all.")] = 20,
    idle_seconds: Annotated[float, typer.Option(min=0, help="How long; 0: not at all.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Plain loop and drain, so many times.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Articles a second through the real Kafka and engine, beside a plain loop; latency; idle cost.

    Example: straitwatch bench pipeline --articles 50000
    """
    from deploy.bench.pipeline import as_record, run, table

    report = run(
        articles,
        live_rate,
        live_seconds,
        idle_seconds,
        rounds,
        lambda text: typer.echo(f"straitwatch: {text}", err=True),
    )
    typer.echo(json.dumps(as_record(report)) if as_json else table(report))


def pipeline_state(
    days: Annotated[int, typer.Option(min=1, help="Simulated days.")] = 6,
    articles: Annotated[int, typer.Option(min=100, help="Articles a day, 2 % on topic.")] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a day.")] = False,
) -> None:
    """Bytes of keyed state after each simulated day, by step of the pipeline.

    Example: straitwatch bench pipeline-state --days 6
    """
    from deploy.bench.pipeline_state import grow

    for row in grow(days, articles):
        if as_json:
            typer.echo(json.dumps(row))
        else:
            typer.echo(
                f"day {row['day']}: {row['articles']:,} articles;  repeats {row['repeats']:,} B,"
                f"  stories {row['stories']:,} B,  spikes {row['spikes']:,} B"
            )


def detect(
    series: Annotated[int, typer.Option(min=1, help="Series in the stream.")] = 60,
    days: Annotated[float, typer.Option(min=1, help="Days of the stream.")] = 7,
    per_hour: Annotated[float, typer.Option(min=0, help="Stories an hour in a series.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """What the detector costs: a series in a bucket, a story, a topic; time and state.

    Example: straitwatch bench detect --days 56
    """
    from deploy.bench.detect import as_records, measure_streams, measure_topic

    streams, topic = measure_streams(series, days, per_hour), measure_topic(days, per_hour)
    if as_json:
        for record in as_records(streams, topic):
            typer.echo(json.dumps(record))
        return
    typer.echo(
        f"{streams.series} series, {streams.days:g} days, {streams.stories:,} stories: "
        f"{streams.seconds:.1f} s\n"
        f"  {streams.us_per_series_bucket:.1f} µs a series and bucket, "
        f"{streams.us_per_story:.0f} µs a story, {streams.bytes_per_series:,} bytes a series\n"
        f"  10,000 such series on one core: {streams.real_time_factor:g} times real time\n"
        f"one topic with texts, {topic.stories:,} stories:\n"
        f"  {topic.us_per_story:.0f} µs a story with its tick, {topic.us_per_quiet_tick:.0f} µs a "
        f"quiet tick\n"
        f"  state {topic.state_bytes:,} bytes, written in {topic.dumps_ms:.1f} ms"
    )
