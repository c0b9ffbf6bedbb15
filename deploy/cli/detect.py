"""`straitwatch detect`: the detector alone on event streams."""

from __future__ import annotations

import codecs
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy.errors import WrongUse, unreadable
from deploy.output import written

if TYPE_CHECKING:
    from pipeline.rules.alerts.streams import GroupTotal, StreamEvent

EPOCH: Final = 1_767_571_200
"""Monday, 5 January 2026, 00:00 UTC: second 0 of a stream, which begins on some Monday."""

_LONGEST: Final = 10 * 366 * 86_400
"""Seconds, ten years: a later time is a clock's, not one from the start of the stream."""
_MAX_LINE: Final = 1024 * 1024

_EVENT_COLUMNS: Final = ("series_id", "seen_at", "published_at", "story_id", "source_id")
_TOTAL_COLUMNS: Final = ("t", "group", "total", "up")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(detect)


def detect(
    events: Annotated[
        Path,
        typer.Option(
            "--events",
            help="CSV or zstd: series_id,seen_at,published_at,story_id,source_id by seen_at.",
        ),
    ],
    totals: Annotated[Path, typer.Option("--totals", help="CSV or zstd: t,group,total,up by t.")],
    out: Annotated[
        Path, typer.Option("--out", help="Alerts: series_id,raised_at,onset_at,severity,score.")
    ],
    sensitivity: Annotated[
        float,
        typer.Option(
            min=0.001, max=100, help="False alerts a series-week that one is willing to see."
        ),
    ] = 0.10,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Also write every score above 1: series_id,t,score."),
    ] = None,
) -> None:
    """Find spikes in streams of events; times are seconds from a Monday 00:00.

    Example: straitwatch detect --events events.csv.zst --totals totals.csv.zst --out alerts.csv
    """
    from pipeline.rules.alerts.streams import StreamDetector
    from pipeline.rules.spikes.spike import SpikeSettings

    settings = SpikeSettings().at_sensitivity(sensitivity)
    detector = StreamDetector(settings, EPOCH)
    with written(out) as file, _trace(trace) as looks:
        for look in detector.run(_events(events), _totals(totals)):
            if looks is not None:
                looks.writerow((look.series, look.second - EPOCH, round(look.spike.score, 3)))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("series_id", "raised_at", "onset_at", "severity", "score"))
        for a in detector.alerts:
            writer.writerow(
                (a.series, a.raised - EPOCH, a.onset - EPOCH, a.severity.value, round(a.score, 3))
            )
    print(f"{len(detector.alerts)} alerts written to {out}", file=sys.stderr)  # noqa: T201


def _events(path: Path) -> Iterator[StreamEvent]:
    from pipeline.rules.alerts.streams import StreamEvent

    last = 0
    for number, row in enumerate(_rows(path), 2):
        with _reading(path, number, row, _EVENT_COLUMNS):
            outlet = row["source_id"]
            event = StreamEvent(
                seen=EPOCH + _number(row, "seen_at"),
                series=row["series_id"],
                published=EPOCH + _number(row, "published_at"),
                story=row["story_id"],
                outlet=outlet,
                group=str(_number(row, "source_id") // 100),
            )
            if event.seen < last or event.seen < EPOCH:
                raise ValueError("seen_at goes back; sort the file by it")
            if event.seen > EPOCH + _LONGEST:
                raise ValueError(f"seen_at is no time in seconds from a Monday: {row['seen_at']}")
            last = event.seen
        yield event


def _totals(path: Path) -> Iterator[GroupTotal]:
    from pipeline.rules.alerts.streams import GroupTotal

    last = 0
    for number, row in enumerate(_rows(path), 2):
        with _reading(path, number, row, _TOTAL_COLUMNS):
            total = GroupTotal(
                second=EPOCH + _number(row, "t"),
                group=str(_number(row, "group")),
                articles=_number(row, "total"),
                up=row["up"].strip() != "0",
            )
            if total.second < last:
                raise ValueError("t goes back; sort the file by it")
            last = total.second
        yield total


@contextmanager
def _reading(
    path: Path, number: int, row: dict[str, str], columns: tuple[str, ...]
) -> Iterator[None]:
    try:
        _require(row, columns)
        yield
    except ValueError as e:
        raise WrongUse(f"{path}:{number}: {e}") from e


def _require(row: dict[str, str], columns: tuple[str, ...]) -> None:
    missing = [c for c in columns if not row.get(c)]
    if missing:
        raise ValueError(f"column {missing[0]} is missing or empty")


def _number(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise ValueError(f"{column} is no whole number: {row[column][:40]!r}") from None


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header, plain or Zstandard."""
    import zstandard

    try:
        with path.open("rb") as file:
            yield from csv.DictReader(_text_lines(file))
    except UnicodeDecodeError as e:
        raise WrongUse(f"{path}: not UTF-8: {e.reason}; give a CSV file") from e
    except EOFError as e:
        raise WrongUse(f"{path}: {e}; make or copy it again") from e
    except (csv.Error, zstandard.ZstdError) as e:
        raise WrongUse(f"{path}: {e}; give a CSV file, or one that zstd has written") from e
    except OSError as e:
        raise unreadable(path, e) from e


def _text_lines(file: BufferedReader) -> Iterator[str]:
    from deploy.compressed import plain_chunks

    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    for chunk in plain_chunks(file):
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            yield f"{line}\n"
        if len(rest) > _MAX_LINE:
            raise csv.Error(f"a line longer than {_MAX_LINE:,} characters")
    yield rest + decoder.decode(b"", final=True)


@contextmanager
def _trace(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    with written(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("series_id", "t", "score"))
        yield writer
