"""Which topic files are in force, and reading them from a folder.

Light on purpose: `tag` and `topics` start without the settings' library unless there is a
``straitwatch.toml`` to read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from deploy.errors import Refused, WrongUse
from pipeline.rules.topic_file import TopicSet
from pipeline.rules.topic_model import Fault, TopicFileError

PACKAGED: Final = Path(__file__).parent / "topics"
"""The defaults in the wheel."""
_MAX_BYTES: Final = 4 * 1024 * 1024


def topics_folder() -> Path:
    """The folder in force: ``STRAITWATCH_TOPICS``, else the settings file's, else the packaged one.

    Raises:
        WrongUse: the folder that is set does not exist.
    """
    named = os.environ.get("STRAITWATCH_TOPICS")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise WrongUse(f"STRAITWATCH_TOPICS: {folder} is no folder; set it to one or unset it")
        return folder
    home = os.environ.get("STRAITWATCH_HOME")
    root = Path(home).expanduser() if home else user_data_path("straitwatch", appauthor=False)
    if (root / "straitwatch.toml").exists():
        from deploy.settings import load

        return load().topics or PACKAGED
    return PACKAGED


def read_topic_files(folder: Path) -> dict[str, str]:
    """The texts of the topic files of a folder, by name.

    Shared files (``_…toml``) that the folder does not have are the packaged ones, so that a folder
    may hold a single topic.

    Raises:
        Refused: there is no such folder.
        TopicFileError: a file is not text in UTF-8, or too large.
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
        try:
            raw = path.read_bytes()
        except OSError as e:
            raise Refused(f"{path}: {e.strerror or e}") from e
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
