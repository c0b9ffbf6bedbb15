"""Which checkpoint a restart takes, and what Flink's words mean."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.local.flink.checkpoints import CheckpointStore, JobNote
from deploy.local.flink.rest import _root_cause
from deploy.local.job.start import _comparable

NOTE = JobNote("20261125T000000Z", "rules", {"a1": "Read"})


def _checkpoint(root: Path, job: str, number: int, when: float, content: bytes) -> Path:
    folder = root / job / f"chk-{number}"
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(content)
    os.utime(folder / "_metadata", (when, when))
    return folder


WHOLE = bytes.fromhex("4960672d") + b"\0\0\0\4"


def test_the_newest_complete_checkpoint_of_a_job_of_ours_comes_first(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    old = _checkpoint(tmp_path, "job1", 90, 1000, WHOLE)
    new = _checkpoint(tmp_path, "job2", 2, 3000, WHOLE)
    middle = _checkpoint(tmp_path, "job2", 1, 2000, WHOLE)
    _checkpoint(tmp_path, "job2", 3, 4000, b"")  # the engine was killed while it wrote
    (tmp_path / "job2" / "chk-4").mkdir()
    _checkpoint(tmp_path, "stranger", 7, 5000, WHOLE)
    for job in ("job1", "job2"):
        store.note(job, NOTE)

    assert [c.folder for c in store.newest_first()] == [new, middle, old]
    assert store.newest_first()[0].note == NOTE


def test_a_note_that_is_half_written_makes_its_job_a_stranger(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    _checkpoint(tmp_path, "job1", 1, 1000, WHOLE)
    (tmp_path / "job1" / "job.json").write_text('{"generation": "2026')

    assert store.newest_first() == []
    assert store.note_of("job1") is None


def test_pruning_keeps_the_running_job_only(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for job in ("job1", "job2", "job3"):
        _checkpoint(tmp_path, job, 1, 1000, WHOLE)
        store.note(job, NOTE)

    assert store.prune(keep="job3") == 2
    assert [f.name for f in tmp_path.iterdir()] == ["job3"]


def test_vertices_are_the_same_when_only_the_order_of_their_steps_differs() -> None:
    one = {"a1": "[4]{Read, Tag, Write}", "b2": "Count"}
    other = {"b2": "Count", "a1": "[4]{Tag, Read, Write}"}

    assert _comparable(one) == _comparable(other)
    assert _comparable(one) != _comparable({"a1": "Count", "b2": "[4]{Read, Tag, Write}"})


def test_of_a_stack_trace_pythons_own_error_is_told_first() -> None:
    trace = """java.lang.RuntimeException: failed
        at org.example.Thing.run(Thing.java:1)
    Caused by: java.util.concurrent.ExecutionException: Error received from SDK harness
    Traceback (most recent call last):
      File "x.py", line 1, in f
    ValueError: state of version 9, this program reads 2 [while running 'DropRepeats']
    """

    assert _root_cause(trace).startswith("ValueError: state of version 9")


def test_of_a_java_stack_trace_the_last_cause_is_told() -> None:
    trace = "java.io.IOException: a\n  at x\nCaused by: java.net.ConnectException: refused\n  at y"

    assert _root_cause(trace) == "java.net.ConnectException: refused"
