"""Where the pipeline's job stands: its engine, its Kafka, its rules, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.local.flink.checkpoints import CheckpointStore
from deploy.local.flink.engine import EngineSetup
from deploy.local.flink.rest import FlinkRest
from deploy.local.job.generations import GenerationStore
from deploy.local.job.our_jobs import OurJobs

Emit = Callable[..., None]
"""Tells the supervisor: ``emit(event, **fields)``."""

REPLAY_REQUEST: Final = "replay.request"
"""A file of this name in the engine's folder asks for a replay; its text is the reason."""


@dataclass(frozen=True, slots=True)
class JobRules:
    """The topic files in force."""

    version: str
    topics: tuple[str, ...]
    files: Mapping[str, str]
    asked_at: float
    """Seconds since 1970: what topics new to the service tell begins then."""


@dataclass(frozen=True, slots=True)
class JobSite:
    """What belongs to the one job of one engine."""

    engine: EngineSetup
    kafka: str
    rules: JobRules
    is_changed: Callable[[], bool]
    """Whether other rules are in force by now."""
    emit: Emit
    stalled_seconds: float = 120.0
    """A job in which nothing moves for so long is helped up."""
    readers: int = 2
    """As in `deploy.job.JobOptions`. State of a job with another number is not gone on with."""

    @property
    def rest(self) -> FlinkRest:
        """Flink's REST service."""
        return FlinkRest(self.engine.rest)

    @property
    def jobs(self) -> OurJobs:
        """The jobs there that are ours."""
        return OurJobs(self.engine, self.rest)

    @property
    def checkpoints(self) -> CheckpointStore:
        """The retained checkpoints, and our notes on their jobs."""
        return CheckpointStore(self.engine.checkpoints)

    @property
    def generations(self) -> GenerationStore:
        """What runs from the start of the log have told."""
        return GenerationStore(self.engine.folder)

    def asked_to_replay(self) -> str | None:
        """The reason for which somebody asks for a replay; None: nobody does."""
        request = self.engine.folder / REPLAY_REQUEST
        if not request.exists():
            return None
        try:
            return request.read_text(encoding="utf-8").strip() or "it was asked for"
        except OSError:
            return "it was asked for"

    def has_replayed(self) -> None:
        """What was asked for is done."""
        (self.engine.folder / REPLAY_REQUEST).unlink(missing_ok=True)
