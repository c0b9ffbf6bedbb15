"""`straitwatch detect`: the detector alone on event streams."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy.errors import Fault, WrongUse

if TYPE_CHECKING:
    from pipeline.rules.alerts.streams import GroupTotal, StreamEvent

EPOCH: Final = 1_767_571_200
"""Monday, 5 January 2026, 00:00 UTC: second 0 of a stream, which begins on some Monday."""

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
            help="CSV, also .zst: series_id,seen_at,published_at,story_id,source_id by seen_at.",
        ),
    ],
    totals: Annotated[
        Path, typer.Option("--totals", help="CSV, also .zst: t,group,total,up by t.")
    ],
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
    with _lines(events) as event_lines, _lines(totals) as total_lines, _trace(trace) as looks:
        for look in detector.run(_events(events, event_lines), _totals(totals, total_lines)):
            if looks is not None:
                looks.writerow((look.series, look.second - EPOCH, round(look.spike.score, 3)))
    with _writing(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("series_id", "raised_at", "onset_at", "severity", "score"))
        for a in detector.alerts:
            writer.writerow(
                (a.series, a.raised - EPOCH, a.onset - EPOCH, a.severity.value, round(a.score, 3))
            )
    print(f"{len(detector.alerts)} alerts written to {out}", file=sys.stderr)  # noqa: T201


def _events(path: Path, lines: Iterator[dict[str, str]]) -> Iterator[StreamEvent]:
    from pipeline.rules.alerts.streams import StreamEvent

    last = 0
    for number, row in enumerate(lines, 2):
        with _reading(path, number, row, _EVENT_COLUMNS):
            outlet = row["source_id"]
            event = StreamEvent(
                seen=EPOCH + int(row["seen_at"]),
                series=row["series_id"],
                published=EPOCH + int(row["published_at"]),
                story=row["story_id"],
                outlet=outlet,
                group=str(int(outlet) // 100),
            )
            if event.seen < last or event.seen < EPOCH:
                raise ValueError("seen_at goes back; sort the file by it")
            last = event.seen
        yield event


def _totals(path: Path, lines: Iterator[dict[str, str]]) -> Iterator[GroupTotal]:
    from pipeline.rules.alerts.streams import GroupTotal

    last = 0
    for number, row in enumerate(lines, 2):
        with _reading(path, number, row, _TOTAL_COLUMNS):
            total = GroupTotal(
                second=EPOCH + int(row["t"]),
                group=str(int(row["group"])),
                articles=int(row["total"]),
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


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a CSV file with a header, decompressed when its name ends in .zst."""
    import zstandard

    try:
        with path.open("rb") as raw:
            binary = zstandard.open(raw, "rb") if path.suffix == ".zst" else raw
            text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
            yield csv.DictReader(text)
    except UnicodeDecodeError as e:
        raise WrongUse(f"{path}: not UTF-8: {e.reason}; give a CSV file") from e
    except (csv.Error, zstandard.ZstdError) as e:
        raise WrongUse(f"{path}: {e}; give a CSV file, or one that zstd has written") from e
    except OSError as e:
        raise WrongUse(f"{path}: {e.strerror or e}; give a file that can be read") from e


@contextmanager
def _writing(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as e:
        raise Fault(f"{path}: {e.strerror or e}; give a file that can be written") from e


@contextmanager
def _trace(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    with _writing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("series_id", "t", "score"))
        yield writer
