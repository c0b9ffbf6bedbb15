"""What is wrong with this installation, in words: the checks that `up` makes, and more."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from deploy.errors import CommandError, Fault, WrongUse
from deploy.local import kafka, plan
from deploy.local.layout import Layout
from deploy.local.running import FILE
from deploy.local.setup import jars, java
from deploy.local.setup.jars import JarStore
from deploy.local.supervise.home_lock import is_running
from deploy.settings import Settings, load

LOWEST_PYTHON: Final = (3, 11)
LEAST_MEMORY_BYTES: Final = 3_000_000_000
"""The whole service takes up to 2.5 GB."""


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Works, and is worth knowing."""
    FAULT = "fault"
    """Of ours or of the machine: exit code 1."""
    WRONG = "wrong"
    """Of the configuration: exit code 2."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    what: str
    outcome: Outcome
    text: str


def examine(as_json: bool = False) -> int:
    """Print all findings; the exit code: 0 nothing wrong, 1 a fault, 2 wrong configuration."""
    findings = list(findings_of())
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))  # noqa: T201 - the output
    else:
        for finding in findings:
            print(f"{finding.outcome:<6} {finding.what}: {finding.text}")  # noqa: T201
    outcomes = {finding.outcome for finding in findings}
    return 2 if Outcome.WRONG in outcomes else 1 if Outcome.FAULT in outcomes else 0


def findings_of() -> Iterator[Finding]:
    """All checks, in an order in which a person would mend things."""
    yield _check("Python", _python)
    yield _check("Java", _java)
    yield _check("jars", _jars)
    yield _check("memory", _memory)
    try:
        settings = load()
    except WrongUse as e:
        yield Finding("settings", Outcome.WRONG, str(e))
        return
    yield Finding("settings", Outcome.OK, f"home {settings.home}")
    yield _check("home", lambda: _home(settings))
    yield _check("disk", lambda: _disk(settings))
    yield _check("topic files", lambda: _topics(settings))
    yield _check("feed list", lambda: _feed_list(settings))
    yield _check("channels", lambda: _channels(settings))
    if settings.ca_file is not None:
        yield _check("certificates", lambda: _certificates(settings))
    if settings.database_url is not None:
        yield _check("database", lambda: _database(settings))
    yield from _service(settings)


def _check(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Outcome.OK, question())
    except _Note as e:
        return Finding(what, Outcome.NOTE, str(e))
    except CommandError as e:
        outcome = Outcome.WRONG if isinstance(e, WrongUse) else Outcome.FAULT
        return Finding(what, outcome, str(e))
    except OSError as e:
        return Finding(what, Outcome.FAULT, f"{e.filename or what}: {e.strerror or e}; mend that")


class _Note(Exception):
    """Works, and is worth knowing."""


def _python() -> str:
    if sys.version_info < LOWEST_PYTHON:
        raise Fault(f"{platform.python_version()} is too old: install 3.11 or newer")
    return f"{platform.python_version()}, {sys.executable}"


def _java() -> str:
    found = java.find_java()
    return f"{found.version} from {found.source}, {found.path}"


def _jars() -> str:
    store = JarStore()
    wanted = tuple({jar for name in jars.SETS for jar in jars.read_lock(name)})
    missing = store.missing(wanted)
    if missing:
        raise Fault(
            f"{len(missing)} of {len(wanted)} are missing in {store.folder}: run ./run.sh install"
        )
    damaged = store.damaged(wanted)
    if damaged:
        paths = " ".join(str(store.path(jar)) for jar in damaged)
        raise Fault(f"damaged: remove {paths} and run ./run.sh install")
    return f"{len(wanted)}, every checksum right, in {store.folder}"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    if memory.available < LEAST_MEMORY_BYTES:
        raise _Note(f"{text}; the service takes up to 2.5 GB")
    return text


def _home(settings: Settings) -> str:
    home = settings.home
    if not home.exists():
        parent = next(p for p in home.parents if p.exists())
        if not _is_writable(parent):
            raise Fault(f"{home} cannot be made: {parent} is not writable; set STRAITWATCH_HOME")
        raise _Note(f"{home} will be made at the first start")
    Layout(home).prepare()
    return f"{home} is writable"


def _is_writable(folder: Path) -> bool:
    import os

    return os.access(folder, os.W_OK | os.X_OK)


def _disk(settings: Settings) -> str:
    place = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    plan.check_room(place)
    return f"{shutil.disk_usage(place).free / 1e9:.1f} GB free"


def _topics(settings: Settings) -> str:
    folder, topics = plan.check_topics(settings)
    return f"{len(topics)} in {folder}: {', '.join(topics)}"


def _feed_list(settings: Settings) -> str:
    path, feeds = plan.check_feed_list(settings)
    if feeds == 0:
        raise _Note(f"{path} has no feed that is switched on: nothing will be fetched")
    return f"{feeds} feeds switched on in {path}"


def _channels(settings: Settings) -> str:
    plan.check_channels(settings)
    if not settings.channels:
        raise _Note("none but the console: set STRAITWATCH_CHANNELS to send alerts to somebody")
    return f"{len(settings.channels)}"


def _certificates(settings: Settings) -> str:
    from deploy.feeds import trusted

    trusted(settings)
    return f"authorities of your own in {settings.ca_file}"


def _database(settings: Settings) -> str:
    plan.check_database(settings)
    return "answers"


def _service(settings: Settings) -> Iterator[Finding]:
    """The running service, or what would hinder one."""
    run = settings.home / "run"
    ready = run / FILE
    running = is_running(run)
    try:
        if not running:  # what a killed service wrote down says nothing
            raise FileNotFoundError(ready)
        event = json.loads(ready.read_text(encoding="utf-8"))
        bootstrap = str(event["kafka"])
        pids = {str(part): int(pid) for part, pid in event["pids"].items() if pid is not None}
    except (OSError, ValueError, KeyError):
        if settings.kafka_bootstrap:
            yield _check("Kafka", lambda: _kafka_at(str(settings.kafka_bootstrap)))
        if running:
            yield Finding("service", Outcome.NOTE, "is starting, or stopping: ask again soon")
            return
        yield _check("ports", lambda: _ports(settings))
        yield Finding("service", Outcome.NOTE, "does not run: ./run.sh up starts it")
        return
    yield Finding("service", Outcome.OK, f"runs, process {pids['supervisor']}")
    yield _check("Kafka", lambda: _kafka_at(bootstrap))


def _kafka_at(bootstrap: str) -> str:
    if not kafka.is_ready(bootstrap):
        raise Fault(f"does not answer at {bootstrap}; see logs/kafka.log in the home folder")
    return f"answers at {bootstrap}"


def _ports(settings: Settings) -> str:
    plan.resolve_ports(settings)
    return "free"
