"""Prometheus and promtool for tests: from the PATH, else Debian's package in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.setup.jars import cache_folder


def find(program: str) -> Path | None:
    """``prometheus`` or ``promtool``: on the PATH, or unpacked before; None when it is not here."""
    on_path = shutil.which(program)
    if on_path:
        return Path(on_path)
    unpacked = _folder() / "usr" / "bin" / program
    return unpacked if unpacked.exists() else None


def install(say: Callable[[str], None]) -> bool:
    """Unpack Debian's package where there is no Prometheus; needs no root. Whether it is here.

    On a machine where it cannot be had, the tests that need it are skipped.
    """
    if find("prometheus") and find("promtool"):
        return True
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        say("no Prometheus on the PATH and no apt-get: the tests that need it will be skipped")
        return False
    say("Prometheus for the tests, from Debian's package …")
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".prometheus-") as temporary:
        package = _download(Path(temporary))
        if package is None:
            say("apt-get cannot fetch Prometheus: the tests that need it will be skipped")
            return False
        _run(["dpkg", "-x", str(package), str(Path(temporary) / "root")])
        shutil.rmtree(folder, ignore_errors=True)
        (Path(temporary) / "root").rename(folder)
    return find("prometheus") is not None


def _folder() -> Path:
    return cache_folder() / "prometheus"


def _download(folder: Path) -> Path | None:
    # A fresh machine has no lists of packages; only root may fetch them.
    for before in ([], [["apt-get", "update", "-q"]]):
        if before and os.geteuid() != 0:
            return None
        if all(_run(command) for command in before) and _run(
            ["apt-get", "download", "-q", "prometheus"], folder
        ):
            return next(folder.glob("prometheus_*.deb"), None)
    return None


def _run(command: list[str], folder: Path | None = None) -> bool:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
