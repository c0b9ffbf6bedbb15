"""`straitwatch topics apply`: install checked topic files, wait until the service lives by them.

The pointer below the home folder is the request (`deploy.applied_topics`): the pipeline's watcher
finds it, now or at its next start. So a kill of anything, this command included, loses nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import typer

from deploy.applied_topics import install
from deploy.errors import Fault
from deploy.local.job.rules_status import (
    CHANGING,
    LIVE,
    REPLAYING,
    STARTING,
    RulesStatus,
    read_status,
)
from deploy.local.supervise.home_lock import is_running
from deploy.settings import load
from deploy.topic_files import rules_in_force, version_of
from pipeline.rules.tagging.topic_file import TopicSet

_LOOK_SECONDS: Final = 0.5
_WORDS: Final = {
    STARTING: "the service starts the pipeline with the new rules",
    CHANGING: "the old rules tell what they have decided",
    REPLAYING: "the retained articles are tagged and counted again",
}


def apply_topics(topics: TopicSet, wait_seconds: float) -> None:
    """Put ``topics`` in force; returns when they are live, or installed where no service runs.

    Raises:
        Fault: the disk is full, the service stopped or cannot go on, or it takes too long.
    """
    settings = load()
    run = settings.home / "run"
    status = read_status(run) if is_running(run) else None
    setting = Path(status.setting) if status and status.setting else settings.topics
    same = _version_in_force(settings.home, setting) == topics.version
    if same and (status is None or (status.version == topics.version and status.state == LIVE)):
        _say(f"rules {topics.version} are in force already: nothing to do")
        return
    if not same:
        instead_of = None if setting is None else version_of(setting)
        try:
            install(settings.home, dict(topics.texts), topics.version, time.time(), instead_of)
        except OSError as e:
            raise Fault(
                f"the files cannot be copied to {settings.home} ({e.strerror or e}): mend it; "
                "the rules in force stay as they are"
            ) from e
    if not is_running(run):
        _say(f"rules {topics.version} are installed; no service runs, its next start takes them")
        return
    if wait_seconds:
        young = _wait(run, topics.version, wait_seconds).young
        warm = ", ".join(topic.name for topic in topics.topics if topic.name not in young)
        learning = f"; still learning what is usual: {', '.join(young)}" if young else ""
        _say(f"rules {topics.version} are live; warm: {warm or 'none yet'}{learning}")


def _version_in_force(home: Path, setting: Path | None) -> str | None:
    """None: nobody can tell, and what is applied now mends that."""
    try:
        return version_of(rules_in_force(home, setting).folder)
    except Fault:
        return None


def _wait(run: Path, version: str, wait_seconds: float) -> RulesStatus:
    """The service's status once it lives by that version.

    Raises:
        Fault: it does not.
    """
    end = time.monotonic() + wait_seconds
    fault: str | None = None
    shown: str | None = None
    while time.monotonic() < end:
        status = read_status(run)
        if status is not None and status.version == version and status.state == LIVE:
            return status
        if not is_running(run):
            raise Fault(
                f"the service has stopped; rules {version} are installed, and its next start "
                "brings them in"
            )
        if status is not None and status.fault not in (None, fault):
            fault = status.fault
            _say(f"the pipeline is started again, since {fault}")
        shown = _show(_phrase(status, version), shown)
        time.sleep(_LOOK_SECONDS)
    why = f" ({fault})" if fault else ""
    raise Fault(
        f"not live after {wait_seconds:.0f} s{why}; the service goes on, and the same command "
        "waits again"
    )


def _phrase(status: RulesStatus | None, version: str) -> str:
    if status is None or (status.version != version and status.state == LIVE):
        return "the service has been asked"
    words = _WORDS.get(status.state, status.state)
    return f"{words}, through {status.through}" if status.through else words


def _show(phrase: str, shown: str | None) -> str:
    """A line for each phase; on a terminal for each step."""
    what = phrase if sys.stderr.isatty() else phrase.partition(", through")[0]
    if what != shown:
        _say(f"{what} …")
    return what


def _say(text: str) -> None:
    typer.echo(f"straitwatch: {text}", err=True)
