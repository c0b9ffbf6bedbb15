"""Which job a start takes up: attached, restored, or a replay with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import Fault
from deploy.local.flink.checkpoints import JobNote
from deploy.local.flink.engine import EnginePorts, EngineSetup
from deploy.local.flink.rest import CheckpointView, FlinkAway, JobView
from deploy.local.job import start, watch
from deploy.local.job.follow import Follow
from deploy.local.job.generations import Generation, GenerationStore, TakeOver, Told
from deploy.local.job.pipeline_job import run_job
from deploy.local.job.site import JobRules, JobSite
from deploy.local.job.start import JobStart
from deploy.local.job.watch import JobWatch
from pipeline.rules.alerts.detector import DETECTOR_VERSION

VERTICES = {"v1": "DetectSpikes, WriteAlerts"}
WHOLE = bytes.fromhex("4960672d") + b"\0\0\0\4"


class FakeFlink:
    """One engine with at most one job; a submission starts it, a cancel ends it."""

    def __init__(self) -> None:
        self.running: str | None = None
        self.submitted: list[Generation] = []
        self.mark_ms = 0
        self.triggered_ms: int | None = None
        self.restored: str | None = None
        self.cancelled: set[str] = set()

    def active_jobs(self) -> list[str]:
        if self.running is None:
            raise FlinkAway("no job")
        return [self.running]

    def job(self, job_id: str) -> JobView:
        if job_id in self.cancelled:
            raise FlinkAway("the service has ended with its job")
        return JobView(job_id, "job", "RUNNING", VERTICES)

    def checkpoints(self, job_id: str) -> CheckpointView:
        return CheckpointView(1, self.restored, self.triggered_ms)

    def watermark(self, job: JobView, step: str) -> int | None:
        return self.mark_ms or None

    def cancel(self, job_id: str) -> None:
        self.cancelled.add(job_id)
        self.running = None


@pytest.fixture
def flink(monkeypatch: pytest.MonkeyPatch) -> FakeFlink:
    fake = FakeFlink()

    def submit(_: JobStart, generation: Generation) -> JobView:
        fake.submitted.append(generation)
        fake.running = f"job-{len(fake.submitted)}"
        return fake.job(fake.running)

    monkeypatch.setattr(JobSite, "rest", fake)
    monkeypatch.setattr(JobStart, "_submit", submit)
    monkeypatch.setattr(start, "hand_over", lambda *_: TakeOver({}, ()))
    monkeypatch.setattr(start, "note_counted", lambda *_: None)
    monkeypatch.setattr(watch, "young_topics", lambda *_: [])
    monkeypatch.setattr(start, "_DRAIN_SECONDS", 0.0)
    monkeypatch.setattr(start.ports, "is_free", lambda _: True)
    return fake


def job(tmp_path: Path, events: list[dict[str, Any]], version: str = "r1") -> JobSite:
    setup = EngineSetup(tmp_path, tmp_path, tmp_path, EnginePorts(1, 2, 3, 4, 5, 6))
    setup.checkpoints.mkdir(exist_ok=True)
    return JobSite(
        setup,
        "kafka",
        JobRules(version, ("straits",), {}, 50.0),
        lambda: False,
        lambda event, **fields: events.append({"event": event, **fields}),
    )


def take_up(tmp_path: Path, version: str = "r1") -> dict[str, Any]:
    """What a start says of the job that runs then."""
    events: list[dict[str, Any]] = []
    made = JobStart(job(tmp_path, events, version))
    if made.attach() is None:
        made.start()
    return events[-1]


def checkpoint(tmp_path: Path, flink: FakeFlink, number: int = 1) -> Path:
    """One of the job that runs; its restore will be confirmed by the engine."""
    folder = tmp_path / "checkpoints" / str(flink.running) / f"chk-{number}"
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(WHOLE)
    flink.restored = f"file:{folder}"
    return folder


def test_the_job_that_runs_by_these_rules_is_attached_to(tmp_path: Path, flink: FakeFlink) -> None:
    take_up(tmp_path)

    assert take_up(tmp_path)["how"] == "attached"
    assert len(flink.submitted) == 1


def test_a_job_that_talks_to_another_kafka_is_ended_and_goes_on_from_its_checkpoint(
    tmp_path: Path, flink: FakeFlink
) -> None:
    """On a Flink of the user's it outlives a killed service, whose Kafka is elsewhere by now."""
    take_up(tmp_path)
    folder = checkpoint(tmp_path, flink)
    events: list[dict[str, Any]] = []
    moved = JobStart(replace(job(tmp_path, events), kafka="elsewhere"))

    assert moved.attach() is None
    moved.start()

    assert flink.cancelled == {"job-1"}
    assert (events[-1]["how"], events[-1]["checkpoint"]) == ("restored", str(folder))


def test_a_flink_of_the_user_that_does_not_answer_gets_no_second_job(
    tmp_path: Path, flink: FakeFlink
) -> None:
    made = job(tmp_path, [])
    theirs = replace(made, engine=replace(made.engine, flink="flink:8081"))

    with pytest.raises(Fault, match="no job"):
        run_job(theirs)
    assert flink.submitted == []


def test_an_engine_of_ours_that_is_too_busy_to_answer_gets_no_second_job(
    tmp_path: Path, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start.ports, "answers", lambda _: True)

    with pytest.raises(Fault, match="no job"):
        run_job(job(tmp_path, []))
    assert flink.submitted == []


def test_a_job_of_other_rules_is_ended_and_a_replay_follows(
    tmp_path: Path, flink: FakeFlink
) -> None:
    take_up(tmp_path)
    checkpoint(tmp_path, flink)

    said = take_up(tmp_path, "r2")

    assert (said["how"], said["reason"]) == ("replay", "the topic files have changed")
    assert flink.submitted[-1].rules == "r2"


def test_a_job_of_another_detector_is_ended_and_a_replay_follows(
    tmp_path: Path, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_up(tmp_path)
    checkpoint(tmp_path, flink)
    monkeypatch.setattr(start, "DETECTOR_VERSION", DETECTOR_VERSION + "-next")

    said = take_up(tmp_path)

    assert said["how"] == "replay"
    assert "detector has changed" in said["reason"]


def test_the_generation_is_gone_on_with_from_its_checkpoint(
    tmp_path: Path, flink: FakeFlink
) -> None:
    take_up(tmp_path)
    folder = checkpoint(tmp_path, flink)
    flink.running = None

    said = take_up(tmp_path)

    assert (said["how"], said["checkpoint"]) == ("restored", str(folder))
    assert flink.submitted[1] == flink.submitted[0], "with the same handover"


def test_after_a_kill_in_the_middle_no_checkpoint_of_the_generation_before_is_taken(
    tmp_path: Path, flink: FakeFlink
) -> None:
    """Not even when its rules are in force again: others have told since."""
    take_up(tmp_path, "r1")
    checkpoint(tmp_path, flink)
    take_up(tmp_path, "r2")
    flink.running = None

    said = take_up(tmp_path, "r1")

    assert said["how"] == "replay"
    assert len({g.name for g in flink.submitted}) == 3


def test_a_replay_that_was_killed_is_begun_again_for_the_same_reason(
    tmp_path: Path, flink: FakeFlink
) -> None:
    take_up(tmp_path, "r1")
    checkpoint(tmp_path, flink)
    take_up(tmp_path, "r2")
    flink.running = None

    assert take_up(tmp_path, "r2")["reason"] == "the topic files have changed"


def test_a_job_without_a_note_is_none_of_ours(tmp_path: Path, flink: FakeFlink) -> None:
    flink.running = "stray"

    assert take_up(tmp_path)["how"] == "replay"
    assert flink.running == "job-1"


def test_what_was_told_is_known_once_a_checkpoint_began_after_it(
    tmp_path: Path, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.local.job import follow

    now = [1000.0]
    monkeypatch.setattr(follow.time, "time", lambda: now[0])
    store = GenerationStore(tmp_path)
    followed = Follow(flink, store, {"straits": 0})  # type: ignore[arg-type]
    view = flink.job("job")
    flink.mark_ms, flink.triggered_ms = 990_000, 999_000

    followed.look(view)
    flink.triggered_ms = 1_000_500  # it may have begun before the bundles until the mark had
    followed.look(view)
    assert store.told() is None
    flink.triggered_ms, flink.mark_ms = 1_005_000, 1_004_000
    followed.look(view)

    assert store.told() == Told(991, {"straits": 0})
    assert followed.confirmed == 991


def test_a_clock_that_is_set_back_does_not_hide_what_is_told_from_then_on(
    tmp_path: Path, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.local.job import follow

    now = [5000.0]
    monkeypatch.setattr(follow.time, "time", lambda: now[0])
    store = GenerationStore(tmp_path)
    followed = Follow(flink, store, {})  # type: ignore[arg-type]
    flink.mark_ms, flink.triggered_ms = 990_000, 4_999_000
    followed.look(flink.job("job"))

    now[0], flink.triggered_ms = 1000.0, 999_000
    followed.look(flink.job("job"))
    assert store.told() is None
    now[0], flink.triggered_ms = 1006.0, 1_005_000
    followed.look(flink.job("job"))

    assert store.told() == Told(991, {})


def test_a_job_that_was_restored_in_between_has_told_less_than_it_had_come_to(
    tmp_path: Path, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.local.job import follow

    monkeypatch.setattr(follow.time, "time", lambda: 1000.0)
    store = GenerationStore(tmp_path)
    followed = Follow(flink, store, {})  # type: ignore[arg-type]
    flink.mark_ms, flink.triggered_ms = 990_000, 999_000
    followed.look(flink.job("job"))

    flink.triggered_ms, flink.mark_ms = 1_005_000, 960_000
    followed.look(flink.job("job"))

    assert store.told() is None


def test_a_generation_is_live_once_it_has_told_until_its_start(
    tmp_path: Path, flink: FakeFlink
) -> None:
    events: list[dict[str, Any]] = []
    made = JobWatch(job(tmp_path, events))
    store = GenerationStore(tmp_path)
    generation = Generation("g", "r1", 100.0, "asked", {"straits": 0}, {})
    followed = Follow(flink, store, generation.topics)  # type: ignore[arg-type]

    followed.confirmed = 99
    assert not made._come_live(generation, followed).live
    followed.confirmed = 100
    assert made._come_live(generation, followed).live

    assert [e["event"] for e in events] == ["rules-progress", "rules-live"]
    assert store.current() is not None
    assert store.current().live  # type: ignore[union-attr]


def test_notes_of_jobs_from_before_there_were_detector_versions_are_read(tmp_path: Path) -> None:
    assert JobNote("g", "r1", {}).detector == ""
