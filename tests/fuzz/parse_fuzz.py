"""A fuzzer of the feed parser: mutations of the golden documents, checked against the contract.

    python -m tests.fuzz.parse_fuzz --minutes 10 [--seed N] [--found FOLDER]

Each document must end in an outcome that keeps the contract, within 0.4 s of processor time,
and memory must not grow. A document that does not is made smaller and kept in FOLDER; once the
fault is mended it belongs into ``tests/golden/feeds``. A crash or hang of the interpreter leaves
its document in FOLDER as ``last``. Ends with 1 when something was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import random
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from connectors.feeds.parse import document, limits
from tests.property.test_feed_any_bytes import HIDDEN, MARKUP, check

GOLDEN = Path(__file__).parents[1] / "golden" / "feeds"
NOW = datetime(2026, 7, 10, tzinfo=UTC)
SECONDS = 0.4
"""Processor time that one document may take: what is not linear takes more at `LONGEST`."""
HANG_SECONDS = 20
LONGEST = 40_000
"""Bytes of a mutated document; a flood repeats a piece up to this length."""
GROWTH = 64 * limits.MIB
ENOUGH = 20
"""Findings after which a run ends."""
PIECES = [
    *(p.replace("\t", " ").encode() for p in MARKUP.split()),
    *(h.encode() for h in HIDDEN),
    *(
        b"\x1b$B",
        b"\xff\xfe",
        b"\x00",
        b"<!ENTITY x 'y'>",
        b"&x;",
        b" type='html'",
        b" mode='base64'",
    ),
    *(
        b"xml:base='//x/'",
        b" href='",
        b"9" * 50,
        b"\\ud800",
        b"<media:group>",
        b"<content:encoded>",
    ),
]
LABELS = (b"utf-8", b"shift_jis", b"gb18030", b"big5", b"euc-kr", b"utf-16", b"iso-2022-jp", b"x")


def main() -> int:
    """Fuzz until the time is over; 1 when something was found."""
    options = _options()
    options.found.mkdir(parents=True, exist_ok=True)
    seeds = [p.read_bytes() for p in sorted(GOLDEN.iterdir()) if p.suffix != ".jsonl"]
    rng = random.Random(options.seed)
    for data in seeds:
        if fault := _fault(data, options.found):
            print(f"a golden document: {fault}")  # noqa: T201
            return 1
    base = _memory()
    end, done, found = time.monotonic() + 60 * options.minutes, 0, set()
    while time.monotonic() < end and len(found) < ENOUGH:
        data = _mutated(rng, seeds)
        if (fault := _fault(data, options.found)) and fault not in found:
            found.add(fault)
            small = _smaller(data, lambda d, f=fault: _fault(d, options.found) == f)
            name = hashlib.sha256(small).hexdigest()[:12]
            (options.found / name).write_bytes(small)
            print(f"{name}: {fault} ({len(small)} bytes)")  # noqa: T201
        done += 1
        if done % 5_000 == 0 and (grown := _memory() - base) > GROWTH:
            found.add("growth")
            print(f"memory grew by {grown // limits.MIB} MiB in {done} documents")  # noqa: T201
            break
    (options.found / "last").unlink(missing_ok=True)
    print(f"{done} documents, {len(found)} findings, seed {options.seed}")  # noqa: T201
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--found", type=Path, default=Path(".fuzz"))
    return parser.parse_args()


def _fault(data: bytes, folder: Path) -> str | None:
    """What is wrong with the outcome of ``data``; None when nothing is."""
    (folder / "last").write_bytes(data)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    start = time.process_time()
    try:
        feed = document.parse(
            data, content_type=None, url="https://a.example/f", feed_id="f", now=NOW
        )
        check(feed)
    except Exception as e:  # noqa: BLE001 - every kind is a finding
        line = e.__traceback__
        while line is not None and line.tb_next is not None:
            line = line.tb_next
        where = f"{line.tb_frame.f_code.co_name}:{line.tb_lineno}" if line else "?"
        return f"{type(e).__name__} in {where}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    took = time.process_time() - start
    return "slow" if took > SECONDS else None


def _mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        data = rng.choice(MUTATIONS)(rng, data, seeds)[:LONGEST]
    return data


def _cut(rng: random.Random, data: bytes) -> tuple[int, int]:
    a, b = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return a, min(b, a + rng.choice((1, 8, 64, 4096)))


def _flip(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _i in range(rng.choice((1, 4, 32)) if data else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _drop(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    a, b = _cut(rng, data)
    return data[:a] + data[b:]


def _insert(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(PIECES) + data[at:]


def _flood(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    a, b = _cut(rng, data)
    piece = rng.choice((data[a:b], rng.choice(PIECES))) or b"<"
    return data[:a] + piece * rng.choice((2, 2, 30, 30, 300, LONGEST // len(piece) + 1)) + data[b:]


def _splice(rng: random.Random, data: bytes, seeds: list[bytes]) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _relabel(rng: random.Random, data: bytes, _: list[bytes]) -> bytes:
    return data.replace(b"UTF-8", rng.choice(LABELS)).replace(b"utf-8", rng.choice(LABELS))


Mutation = Callable[[random.Random, bytes, list[bytes]], bytes]
MUTATIONS: tuple[Mutation, ...] = (_flip, _drop, _insert, _insert, _flood, _splice, _relabel)


def _smaller(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """``data`` with what can be left out left out, in ever smaller pieces."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            candidate = data[:at] + data[at + size :]
            if fails(candidate):
                data = candidate
            else:
                at += size
        size //= 2
    return data


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
