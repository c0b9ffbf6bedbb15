"""Which topic files are in force, and reading them from a folder.

Light on purpose: `tag` and `topics` start without the settings' library unless there is a
``straitwatch.toml`` to read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from deploy.applied_topics import read_applied
from deploy.errors import Refused, WrongUse, unreadable
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_model import Fault, TopicFileError

PACKAGED: Final = Path(__file__).parent / "topics"
"""The defaults in the wheel."""
_MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class InForce:
    """The topic files that decide."""

    folder: Path
    source: str
    """``setting``, ``applied`` or ``packaged``."""
    asked_at: float | None = None
    """When they were applied, seconds since 1970."""


def rules_in_force(home: Path, setting: Path | None) -> InForce:
    """The newest decision: what was applied last, unless the setting's files changed after that.

    Args:
        home: the home folder.
        setting: what ``STRAITWATCH_TOPICS`` or the settings file names.
    """
    applied = read_applied(home)
    if applied is not None and (setting is None or applied.instead_of == version_of(setting)):
        return InForce(applied.path(home), "applied", applied.asked_at)
    if setting is not None:
        return InForce(setting, "setting")
    return InForce(PACKAGED, "packaged")


def version_of(folder: Path) -> str | None:
    """The rules version of a folder's files; None when they are wrong."""
    try:
        return TopicSet.parse(read_topic_files(folder)).version
    except (TopicFileError, Refused):
        return None


def topics_folder() -> Path:
    """The folder in force for this environment (`rules_in_force`).

    Raises:
        WrongUse: the folder that is set does not exist.
    """
    return rules_in_force(*_home_and_setting()).folder


def _home_and_setting() -> tuple[Path, Path | None]:
    home = os.environ.get("STRAITWATCH_HOME")
    root = Path(home).expanduser() if home else user_data_path("straitwatch", appauthor=False)
    named = os.environ.get("STRAITWATCH_TOPICS")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise WrongUse(f"STRAITWATCH_TOPICS: {folder} is no folder; set it to one or unset it")
        return root, folder
    if (root / "straitwatch.toml").exists():
        from deploy.settings import load

        return root, load().topics
    return root, None


def read_topic_files(folder: Path) -> dict[str, str]:
    """The texts of the topic files of a folder, by name.

    Shared files (``_…toml``) that the folder does not have are the packaged ones, so that a folder
    may hold a single topic.

    Raises:
        Refused: there is no such folder.
        TopicFileError: a file is not text in UTF-8, too large, or a folder.
    """
    if not folder.is_dir():
        raise Refused(f"{folder}: no such folder; name one that holds topic files (*.toml)")
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    own = sorted(folder.glob("*.toml"))
    shared = [
        path for path in sorted(PACKAGED.glob("_*.toml")) if not (folder / path.name).exists()
    ]
    for path in own + shared:
        if path.is_dir():
            faults.append(Fault(path.name, 1, "is a folder, not a file; rename it or move it away"))
            continue
        try:
            raw = path.read_bytes()
        except OSError as e:
            raise unreadable(path, e) from e
        if len(raw) > _MAX_BYTES:
            faults.append(Fault(path.name, 1, f"larger than {_MAX_BYTES:,} bytes; split the topic"))
            continue
        try:
            texts[path.name] = raw.decode("utf-8-sig")
        except UnicodeDecodeError as e:
            line = raw.count(b"\n", 0, e.start) + 1
            faults.append(Fault(path.name, line, "not UTF-8; save the file as UTF-8"))
    if faults:
        raise TopicFileError(faults)
    if not own:
        raise TopicFileError([Fault(".", 1, "no topic file here; add one that ends in .toml")])
    return texts


def load_topics(folder: Path | None = None) -> TopicSet:
    """The topics of a folder (None: the one in force), for a command.

    Raises:
        WrongUse: a file is wrong; the message is its first fault and how many more there are.
    """
    folder = topics_folder() if folder is None else folder
    try:
        return TopicSet.parse(read_topic_files(folder))
    except TopicFileError as e:
        more = len(e.faults) - 1
        rest = f" (and {more} more: straitwatch topics check {folder})" if more else ""
        raise WrongUse(
            f"{folder / e.faults[0].file}:{e.faults[0].line}: {e.faults[0].message}{rest}"
        ) from e
