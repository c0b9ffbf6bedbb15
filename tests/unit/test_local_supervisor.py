"""The supervisor, with parts of a few lines."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.errors import Fault
from deploy.local.supervise import supervisor
from deploy.local.supervise.processes import Register
from deploy.local.supervise.supervisor import Part, Supervisor

DEADLINE = 30


def _part(name: str, code: str, needs: tuple[str, ...] = (), **more: Any) -> Part:
    async def at_once() -> bool:
        return True

    return Part(name, (sys.executable, "-c", code), os.environ, at_once, needs, **more)


SLEEPS = "import time; time.sleep(600)"


class _Stage:
    """Runs a supervisor, and lets a test act on its events."""

    def __init__(self, folder: Path, *parts: Part) -> None:
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self.register = Register(folder / "processes.json")
        self.supervisor = Supervisor(parts, self.register, folder, self._take)

    def run(self, play: Callable[[_Stage], Awaitable[None]]) -> None:
        async def main() -> None:
            task = asyncio.create_task(self.supervisor.run(self._on_ready))
            try:
                await asyncio.wait_for(play(self), DEADLINE)
            finally:
                self.supervisor.stop()
                await asyncio.wait_for(task, DEADLINE)

        asyncio.run(main())

    async def until(self, event: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait for the ``count``-th event of that name with those fields."""
        while True:
            found = [
                e
                for e in self.events
                if e["event"] == event and all(e.get(k) == v for k, v in fields.items())
            ]
            if len(found) >= count:
                return found[count - 1]
            self._changed.clear()
            await self._changed.wait()

    def _take(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self._changed.set()

    async def _on_ready(self) -> None:
        self._take({"event": "ready"})


def test_a_killed_part_is_started_again_and_its_new_process_is_told(tmp_path: Path) -> None:
    stage = _Stage(tmp_path, _part("feeds", SLEEPS))

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        before = stage.supervisor.pids["feeds"]
        assert before is not None
        os.kill(before, signal.SIGKILL)
        ended = await stage.until("part-ended")
        back = await stage.until("part-ready", part="feeds", first=False)
        assert ended["reason"] == "was ended by SIGKILL"
        assert back["pids"]["feeds"] not in {before, None}
        assert stage.supervisor.restarts() == {"feeds": 1}

    stage.run(play)


def test_parts_start_after_what_they_need_and_stop_in_reverse_order(tmp_path: Path) -> None:
    says = f"import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); {SLEEPS}"
    stage = _Stage(tmp_path, _part("kafka", says), _part("feeds", says, ("kafka",)))
    pids: dict[str, int] = {}

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        pids.update({k: v for k, v in stage.supervisor.pids.items() if v and k != "supervisor"})

    stage.run(play)

    names = [(e["event"], e.get("part")) for e in stage.events]
    assert names.index(("part-ready", "kafka")) < names.index(("part-started", "feeds"))
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert stage.register.end_leftovers() == []


def test_a_part_that_never_comes_up_ends_the_service_with_its_last_words(tmp_path: Path) -> None:
    stage = _Stage(
        tmp_path,
        _part("kafka", SLEEPS),
        Part("desk", (sys.executable, "-c", "exit('the disk is full')"), os.environ, _never),
    )

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match=r"desk ended with exit code 1: the disk is full; see .*desk"):
        stage.run(play)
    assert stage.supervisor.pids["kafka"] is None


async def _never() -> bool:
    return False


def test_a_part_whose_question_always_fails_ends_the_service_with_the_reason(
    tmp_path: Path,
) -> None:
    async def broken() -> bool:
        raise RuntimeError("no such answer")

    part = Part("kafka", (sys.executable, "-c", SLEEPS), os.environ, broken, ready_seconds=0.1)
    stage = _Stage(tmp_path, part)

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match="kafka was ended by SIGKILL"):
        stage.run(play)
    assert "RuntimeError: no such answer" in (tmp_path / "kafka.log").read_text()


def test_a_service_that_cannot_say_that_it_is_ready_ends_with_the_reason(tmp_path: Path) -> None:
    class Mute(_Stage):
        async def _on_ready(self) -> None:
            raise RuntimeError("nothing to say")

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match="RuntimeError: nothing to say"):
        Mute(tmp_path, _part("feeds", SLEEPS)).run(play)


async def _said(log: Path, text: str) -> None:
    while text not in log.read_text():  # noqa: ASYNC110, ASYNC240 - a file tells nobody
        await asyncio.sleep(0.01)


def test_a_part_that_does_not_end_is_killed_and_so_are_its_children(tmp_path: Path) -> None:
    stubborn = f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", {SLEEPS!r}])
print(child.pid, flush=True)
{SLEEPS}
"""
    stage = _Stage(tmp_path, _part("feeds", stubborn, stop_seconds=0.2))

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        await _said(tmp_path / "feeds.log", "\n")

    stage.run(play)

    grandchild = int((tmp_path / "feeds.log").read_text().split()[0])
    assert not psutil.pid_exists(grandchild)


def test_a_part_that_gives_no_answer_any_more_is_killed_as_hung_and_started_again(
    tmp_path: Path,
) -> None:
    dumb: set[int] = set()
    stage: _Stage

    async def answers() -> bool:
        return stage.supervisor.pids["feeds"] not in dumb

    part = _part("feeds", SLEEPS, answers=answers, hung_seconds=0.2)
    stage = _Stage(tmp_path, part, _part("desk", SLEEPS, answers=answers, hung_seconds=0.2))

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        before = stage.supervisor.pids["feeds"]
        assert before is not None
        # A stopped process takes connections and says nothing: only SIGKILL reaches it.
        os.kill(before, signal.SIGSTOP)
        dumb.add(before)
        hung = await stage.until("part-hung", part="feeds")
        ended = await stage.until("part-ended", part="feeds")
        back = await stage.until("part-ready", part="feeds", first=False)
        assert hung["reason"] == "no answer for 0 s"
        assert ended["reason"] == "hung (no answer for 0 s) and was killed"
        assert back["pids"]["feeds"] not in {before, None}

    stage.run(play)


def test_a_part_that_answers_is_left_alone_even_if_it_failed_to_now_and_then(
    tmp_path: Path,
) -> None:
    asked = 0
    enough = asyncio.Event()

    async def every_other_time() -> bool:
        nonlocal asked
        asked += 1
        if asked == 12:
            enough.set()
        return asked % 2 == 0

    part = _part("feeds", SLEEPS, answers=every_other_time, hung_seconds=0.4)
    stage = _Stage(tmp_path, part)

    async def play(stage: _Stage) -> None:
        await enough.wait()
        assert stage.supervisor.restarts() == {"feeds": 0}

    stage.run(play)


def test_a_part_can_say_that_another_hangs(tmp_path: Path) -> None:
    says = json.dumps({"event": "hung", "hung": "workers", "reason": "nothing moves"})
    watcher = f"import time; time.sleep(0.5); print({says!r}, flush=True); {SLEEPS}"
    stage = _Stage(tmp_path, _part("workers", SLEEPS), _part("pipeline", watcher, ("workers",)))

    async def play(stage: _Stage) -> None:
        ended = await stage.until("part-ended", part="workers")
        assert ended["reason"] == "hung (nothing moves) and was killed"
        await stage.until("part-ready", part="workers", first=False)
        assert stage.supervisor.restarts() == {"workers": 1, "pipeline": 0}

    stage.run(play)


def test_an_event_of_a_part_is_passed_on_and_can_say_that_it_is_ready(tmp_path: Path) -> None:
    code = f"""print('{{"event": "running", "how": "restored"}}', flush=True); {SLEEPS}"""
    part = Part("pipeline", (sys.executable, "-c", code), os.environ, None)
    stage = _Stage(tmp_path, part)

    async def play(stage: _Stage) -> None:
        assert (await stage.until("running"))["part"] == "pipeline"
        await stage.until("ready")

    stage.run(play)


def test_a_line_longer_than_any_buffer_does_not_stop_a_part(tmp_path: Path) -> None:
    code = f"print('x' * 3_000_000, flush=True); print('after', flush=True); {SLEEPS}"
    stage = _Stage(tmp_path, _part("feeds", code))

    async def play(stage: _Stage) -> None:
        await _said(tmp_path / "feeds.log", "after\n")

    stage.run(play)


def test_a_program_that_is_not_there_ends_the_service_with_its_name(tmp_path: Path) -> None:
    stage = _Stage(tmp_path, Part("kafka", ("/no/such/java",), os.environ, _never))

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match=r"kafka ended with exit code 1: /no/such/java: No such file"):
        stage.run(play)


def test_a_part_is_tried_again_when_the_system_has_no_process_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = _Stage(tmp_path, _part("feeds", SLEEPS))

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        first = stage.supervisor.pids["feeds"]
        assert first is not None
        with monkeypatch.context() as system:
            system.setattr(asyncio, "create_subprocess_exec", _refuses)
            os.kill(first, signal.SIGKILL)
            refused = await stage.until("part-ended", count=2)
            assert refused["reason"] == "cannot be started (Resource temporarily unavailable)"
        await stage.until("part-ready", count=2)

    stage.run(play)
    assert stage.supervisor.restarts() == {"feeds": 1}


async def _refuses(*_: object, **__: object) -> None:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_a_supervisor_that_fails_stops_everything_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = _Stage(tmp_path, _part("kafka", SLEEPS))

    def broken(part: str, pid: int) -> None:
        raise OSError("no more of it")

    monkeypatch.setattr(stage.register, "note", broken)

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match="the supervisor failed: OSError: no more of it"):
        stage.run(play)
    assert stage.supervisor.pids["kafka"] is None


def test_a_supervisor_that_fails_still_lets_its_parts_end_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.3)\n"
        f"    pathlib.Path({str(down)!r}).touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(up)!r}).touch()\n"
        "time.sleep(600)"
    )
    stage = _Stage(tmp_path, _part("kafka", code))

    def broken(part: str, pid: int) -> None:
        end = time.monotonic() + DEADLINE
        while not up.exists() and time.monotonic() < end:
            os.sched_yield()
        raise OSError("no more of it")

    monkeypatch.setattr(stage.register, "note", broken)

    async def play(stage: _Stage) -> None:
        await stage.until("stopping")

    with pytest.raises(Fault, match="the supervisor failed: OSError"):
        stage.run(play)
    assert down.exists(), "it was killed before it could end"


def test_a_signal_that_was_switched_off_from_outside_does_not_stop_the_service(
    tmp_path: Path,
) -> None:
    """`nohup straitwatch up`, and its terminal is closed."""
    stage = _Stage(tmp_path, _part("feeds", SLEEPS))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        signal.raise_signal(signal.SIGHUP)
        os.kill(stage.supervisor.pids["feeds"] or 0, signal.SIGKILL)
        await stage.until("part-ready", part="feeds", first=False)
        assert all(e["event"] != "stopping" for e in stage.events)
        signal.raise_signal(signal.SIGTERM)
        await stage.until("stopping")

    try:
        stage.run(play)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_part_that_ended_on_a_full_disk_is_started_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = _Stage(tmp_path, _part("kafka", SLEEPS))
    looks: list[bool] = []

    def is_full(_: Path) -> bool:
        looks.append(len(looks) < 3)
        return looks[-1]

    monkeypatch.setattr(supervisor.room, "is_full", is_full)
    monkeypatch.setattr(supervisor, "_ROOM_SECONDS", 0.0)

    async def play(stage: _Stage) -> None:
        await stage.until("ready")
        os.kill(stage.supervisor.pids["kafka"] or 0, signal.SIGKILL)
        ended = await stage.until("part-ended")
        await stage.until("part-ready", first=False)
        assert ended["full_disk"] == str(tmp_path.parent)
        assert looks == [True, True, True, False]

    stage.run(play)
