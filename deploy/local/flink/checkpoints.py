"""Flink's retained checkpoints on this machine, and what we note about the jobs that made them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from deploy.output import replace_file

_MAGIC: Final = bytes.fromhex("4960672d")
"""First bytes of a checkpoint's metadata (Flink's Checkpoints.HEADER_MAGIC_NUMBER)."""
_NOTE: Final = "job.json"


@dataclass(frozen=True, slots=True)
class JobNote:
    """What a later start must know about a job to take over its state."""

    generation: str
    """Names the run from the start of the log; the restored job goes on with it."""
    rules: str
    """Version of the topic files: with others, the retained articles must be judged anew."""
    vertices: dict[str, str]
    """Id -> name of the job's vertices. Flink finds state by id, and takes one for another without
    a word when the ids were dealt out in another order."""
    detector: str = ""
    """Version of the detector: another one decides otherwise, so all is judged anew too."""
    kafka: str = ""
    """Where it reads and writes. On a Flink of its own a job outlives a killed service, and may
    then look for a Kafka that is elsewhere by now."""
    workers: str = ""
    """Where it finds its pool of workers."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete retained checkpoint."""

    folder: Path
    job_id: str
    number: int
    note: JobNote


class CheckpointStore:
    """The checkpoints folder: a folder a job, in it one a checkpoint, and our note."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest_first(self) -> list[Checkpoint]:
        """All complete checkpoints of jobs that we have a note of."""
        found: list[tuple[float, Checkpoint]] = []
        for metadata in self._folder.glob("*/chk-*/_metadata"):
            folder = metadata.parent
            note = self._read_note(folder.parent.name)
            number = folder.name.removeprefix("chk-")
            if note is None or not number.isdigit():
                continue
            try:
                with metadata.open("rb") as file:
                    whole = file.read(4) == _MAGIC
                when = metadata.stat().st_mtime
            except OSError:
                continue  # Flink has just replaced it by a newer one
            if whole:
                found.append((when, Checkpoint(folder, folder.parent.name, int(number), note)))
        found.sort(key=lambda pair: (pair[0], pair[1].number), reverse=True)
        return [checkpoint for _, checkpoint in found]

    def note(self, job_id: str, note: JobNote) -> None:
        """Write down what a restore from this job's checkpoints must know."""
        folder = self._folder / job_id
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / _NOTE, json.dumps(asdict(note), indent=1))

    def note_of(self, job_id: str) -> JobNote | None:
        """What was written down about a job; None: it is not one of ours."""
        return self._read_note(job_id)

    def prune(self, keep: str) -> int:
        """Remove the checkpoints of all jobs but one; how many jobs that were.

        Only once that one has a complete checkpoint of its own.
        """
        others = [f for f in self._folder.iterdir() if f.is_dir() and f.name != keep]
        for folder in others:
            shutil.rmtree(folder, ignore_errors=True)
        return len(others)

    def _read_note(self, job_id: str) -> JobNote | None:
        try:
            return JobNote(**json.loads((self._folder / job_id / _NOTE).read_text()))
        except (OSError, ValueError, TypeError):
            return None
