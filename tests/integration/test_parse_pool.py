"""The parse pool with its real worker processes: documents that misbehave harm only themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from connectors.feeds.parse import limits as limits_in_code
from connectors.feeds.parse.limits import MAX_DOCUMENT_BYTES
from connectors.feeds.parse.model import DocumentReason
from connectors.feeds.parse.pool import ParsePool

GOOD = b"<rss><channel><item><title>fine</title></item></channel></rss>"
NEEDS_FEEDPARSER = b"<feed <rss version='2.0'><channel><<item><title>a<title>b</item></rss"


COSTLY = b"<feed <rss version='2.0'><channel>" + b"".join(
    b"<<item><title>tide %d</title><description>&lt;p&gt;&amp;x</description></item" % n
    for n in range(500)
)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "feeds.parse.worker" in " ".join(p.cmdline())]


def limits_of(pid: int) -> dict[str, int]:
    """The soft limits of a process, as the kernel holds them."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    soft = ((line[:26].strip(), line[26:].split()[0]) for line in lines)
    return {name: int(value) for name, value in soft if value.isdigit()}


def descriptors_of(pid: int) -> list[str]:
    return sorted(p.name for p in Path(f"/proc/{pid}/fd").iterdir())


def test_documents_are_parsed_side_by_side_and_answers_are_not_mixed_up() -> None:
    async def scenario() -> None:
        async with ParsePool(2) as pool:
            documents = [GOOD.replace(b"fine", b"title %d" % n) for n in range(40)]
            feeds = await asyncio.gather(*(pool.parse(d) for d in documents))
            assert [f.articles[0].title for f in feeds] == [f"title {n}" for n in range(40)]
            assert len(workers()) == 2
        assert workers() == []

    run(scenario())


def test_ids_are_scoped_to_the_feed() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            one, two = [(await pool.parse(GOOD, feed_id=f)).articles[0].id for f in ("a", "b")]
            assert one != two

    run(scenario())


def test_a_worker_that_hangs_is_killed_and_the_next_document_is_served() -> None:
    async def scenario() -> None:
        killed: list[DocumentReason] = []
        async with ParsePool(1, wall_seconds=1.0, on_kill=killed.append) as pool:
            assert (await pool.parse(GOOD)).ok
            (worker,) = workers()
            worker.suspend()  # What a document that never ends looks like from outside.
            feed = await pool.parse(GOOD)
            assert (feed.ok, feed.reason) == (False, DocumentReason.TOO_SLOW)
            assert killed == [DocumentReason.TOO_SLOW]
            assert not worker.is_running()
        async with ParsePool(1) as pool:
            assert (await pool.parse(GOOD)).ok

    run(scenario())


def test_a_document_that_needs_too_much_memory_is_refused() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            assert (await pool.parse(GOOD)).ok
            (first,) = workers()
            hungry = b"<rss>" + b"<a/>" * ((MAX_DOCUMENT_BYTES - 10) // 4)
            feed = await pool.parse(hungry)
            assert feed.reason == DocumentReason.TOO_MUCH_MEMORY
            assert (await pool.parse(GOOD)).ok
            # What the big one left behind is missing for nobody: its worker is gone.
            assert workers() == [first]

    run(scenario())


def test_a_costly_document_begins_anew_among_the_suspects_and_ends_as_it_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ParsePool, "_QUICK_SECONDS", 0.05)

    async def scenario() -> None:
        killed: list[DocumentReason] = []
        async with ParsePool(1, on_kill=killed.append) as pool:
            feed = await pool.parse(COSTLY, feed_id="costly")
            assert (len(feed.articles), killed) == (500, [])
            assert [w.nice() > psutil.Process().nice() for w in workers()] == [True]

    run(scenario())


def test_a_feed_whose_documents_are_costly_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ParsePool, "_QUICK_SECONDS", 0.05)

    async def scenario() -> None:
        async with ParsePool(1) as pool:
            await pool.parse(COSTLY, feed_id="costly")
            (suspects,) = workers()
            suspects.suspend()  # as long as it likes
            tasks = [asyncio.create_task(pool.parse(GOOD, feed_id="costly")) for _ in range(9)]
            for _ in range(3):
                assert (await pool.parse(GOOD, feed_id="another")).ok
            assert not any(t.done() for t in tasks)
            suspects.resume()
            assert all(f.ok for f in await asyncio.gather(*tasks))
            # One document that costs little, and it is a feed like any other.
            suspects.suspend()
            assert (await pool.parse(GOOD, feed_id="costly")).ok

    run(scenario())


def test_documents_of_strangers_keep_no_proven_feed_waiting() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            await pool.parse(GOOD, feed_id="stranger", proven=False)
            (strangers,) = workers()
            assert strangers.nice() > psutil.Process().nice()
            strangers.suspend()  # as long as it likes
            waiting = asyncio.create_task(pool.parse(GOOD, feed_id="stranger", proven=False))
            for _ in range(3):
                assert (await pool.parse(GOOD, feed_id="proven")).ok
            assert not waiting.done()
            strangers.resume()
            assert (await waiting).ok

    run(scenario())


def test_large_documents_keep_no_other_waiting() -> None:
    async def scenario() -> None:
        large = GOOD.replace(b"fine", b"f" * 2_000_000)
        async with ParsePool(1) as pool:
            assert (await pool.parse(large)).ok
            (suspects,) = workers()
            suspects.suspend()
            task = asyncio.create_task(pool.parse(large))
            assert (await pool.parse(GOOD)).ok
            suspects.resume()
            assert (await task).ok

    run(scenario())


def test_a_worker_that_somebody_killed_costs_no_document() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            for _ in range(3):
                assert (await pool.parse(GOOD)).ok
                os.kill(workers()[0].pid, signal.SIGKILL)
            assert (await pool.parse(GOOD)).ok

    run(scenario())


def test_a_document_that_is_too_large_never_reaches_a_worker() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            feed = await pool.parse(b" " * (MAX_DOCUMENT_BYTES + 1))
            assert feed.reason == DocumentReason.TOO_LARGE
            assert workers() == []

    run(scenario())


def test_a_call_that_is_cancelled_leaves_no_answer_for_the_next_one() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            await pool.parse(GOOD)
            workers()[0].suspend()
            task = asyncio.create_task(pool.parse(GOOD.replace(b"fine", b"cancelled")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await pool.parse(GOOD)).articles[0].title == "fine"

    run(scenario())


def test_a_worker_can_open_nothing() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            await pool.parse(GOOD)
            pid = workers()[0].pid
            limits = limits_of(pid)
            assert limits["Max open files"] == 4
            assert limits["Max file size"] == 0
            assert limits["Max core file size"] == 0
            assert limits["Max address space"] < 640 * 1024 * 1024
            # The socket twice, nowhere, and the count of its own memory.
            assert descriptors_of(pid) == ["0", "1", "2", "3"]

    run(scenario())


def test_feedparser_is_loaded_in_a_worker_when_a_document_needs_it() -> None:
    async def scenario() -> None:
        async with ParsePool(1) as pool:
            assert (await pool.parse(NEEDS_FEEDPARSER)).format is not None
            assert (await pool.parse(GOOD)).ok

    run(scenario())


def test_a_worker_of_a_large_process_is_not_taken_for_large_itself() -> None:
    async def scenario() -> None:
        ballast = b"x" * (200 * 1024 * 1024)
        async with ParsePool(1) as pool:
            await pool.parse(GOOD)
            (first,) = workers()
            await pool.parse(GOOD)
            assert workers() == [first]
        assert len(ballast) > limits_in_code.RECYCLE_BYTES

    run(scenario())


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    import subprocess
    import sys

    program = (
        "import asyncio, os, signal\n"
        "from connectors.feeds.parse.pool import ParsePool\n"
        "async def main():\n"
        "    pool = ParsePool(1)\n"
        f"    await pool.parse({GOOD!r})\n"
        "    import psutil\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    worker = int(done.stdout)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(worker).wait(10)
    assert not psutil.pid_exists(worker)
