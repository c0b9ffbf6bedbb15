"""The jars of Kafka and the engine: by coordinate and checksum from a lock file, into a cache.

PyPI's `jgo` knows the repositories, so that none stands here, and Maven is not needed. A jar
enters the cache under its name only when whole and checked, so an interrupted run goes on where it
was, and a later start looks at names and sizes only.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

from deploy.errors import Fault
from deploy.local.setup import engine_patch, loopback_patch, reporter_patch
from deploy.output import replace_file

LOCKS: Final = Path(__file__).parents[2] / "locks"
SETS: Final = ("kafka", "flink")
"""The lock files ``jars-….lock``."""
PATCHES: Final = (engine_patch.PATCH, loopback_patch.PATCH, reporter_patch.PATCH)
"""Classes that stand before those of their jars."""

_THREADS: Final = 8
_TRIES: Final = 4

Progress = Callable[[int, int, int], None]
"""Called with jars done, jars in all, and bytes that one more jar brought."""


@dataclass(frozen=True, slots=True)
class Jar:
    """A line of a lock file."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def coordinate(self) -> str:
        """``group:artifact:version``."""
        return f"{self.group}:{self.artifact}:{self.version}"


def cache_folder() -> Path:
    """Where what can be fetched again is kept: the user's cache directory."""
    return user_cache_path("straitwatch", appauthor=False)


def read_lock(name: str) -> tuple[Jar, ...]:
    """The jars of ``jars-<name>.lock``, a line each: ``group:artifact:version sha256:X BYTES``."""
    out = []
    for line in (LOCKS / f"jars-{name}.lock").read_text().splitlines():
        coordinate, digest, size = line.split()
        group, artifact, version = coordinate.split(":")
        out.append(Jar(group, artifact, version, digest.removeprefix("sha256:"), int(size)))
    return tuple(out)


class JarStore:
    """A folder of checked jars."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else cache_folder() / "jars"

    def path(self, jar: Jar) -> Path:
        """Where the jar is, or will be."""
        return self.folder / jar.group / f"{jar.artifact}-{jar.version}.jar"

    def missing(self, jars: tuple[Jar, ...]) -> tuple[Jar, ...]:
        """Those that are not here whole."""
        return tuple(jar for jar in jars if not self._is_here(jar))

    def damaged(self, jars: tuple[Jar, ...]) -> tuple[Jar, ...]:
        """Those that are here with other content than the lock file says; reads every byte."""
        return tuple(
            jar for jar in jars if self._is_here(jar) and _sha256(self.path(jar)) != jar.sha256
        )

    def fetch(
        self, jars: tuple[Jar, ...], mirror: str | None = None, progress: Progress | None = None
    ) -> int:
        """Bring the missing ones here; how many that were.

        Args:
            jars: from `read_lock`.
            mirror: address of a Maven repository of the user's; None: those that `jgo` knows.
            progress: told after each jar.

        Raises:
            Fault: a jar is not to be had, differs from the lock file, or there is no room for it.
        """
        if not self.missing(jars):
            return 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A second installation waits here and then finds everything done.
            with _locked(self.folder / ".lock"):
                missing = self.missing(jars)
                self._fetch_all(missing, len(jars), mirror, progress)
                return len(missing)
        except OSError as e:
            raise Fault(f"{self.folder}: {e.strerror or e}; make room or mend the folder") from e

    def class_path(self, name: str) -> Path:
        """One jar whose manifest names all jars of the set: short commands, little to stage.

        Raises:
            Fault: a jar is missing: ``run.sh install`` was not run.
        """
        jars = read_lock(name)
        missing = self.missing(jars)
        if missing:
            raise Fault(
                f"{len(missing)} of {len(jars)} jars of {name} are missing in {self.folder}: "
                "run ./run.sh install"
            )
        paths = sorted(self.path(jar) for jar in jars)
        for jar in jars:
            for patch in PATCHES:
                if jar.coordinate == patch.jar:
                    content = patch.mended(self.path(jar))
                    paths.insert(0, self._patch(patch.member, content))
        line = "Class-Path: " + " ".join(path.as_uri() for path in paths)
        # The manifest's own rule: at most 72 bytes a line, a continuation starts with a space.
        folded = "\r\n ".join([line[:70]] + [line[at : at + 69] for at in range(70, len(line), 69)])
        manifest = f"Manifest-Version: 1.0\r\n{folded}\r\n\r\n"
        digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
        return self._write_jar(f"{name}-{digest}.jar", "META-INF/MANIFEST.MF", manifest.encode())

    def _patch(self, member: str, content: bytes) -> Path:
        digest = hashlib.sha256(content).hexdigest()[:16]
        return self._write_jar(f"patch-{digest}.jar", member, content)

    def _write_jar(self, name: str, member: str, content: bytes) -> Path:
        target = self.folder / name
        if not zipfile.is_zipfile(target):  # also one that a power cut left empty
            jar = io.BytesIO()
            with zipfile.ZipFile(jar, "w") as archive:
                archive.writestr(member, content)
            replace_file(target, jar.getvalue())
        return target

    def _is_here(self, jar: Jar) -> bool:
        try:
            return self.path(jar).stat().st_size == jar.size
        except OSError:
            return False

    def _fetch_all(
        self, missing: tuple[Jar, ...], total: int, mirror: str | None, progress: Progress | None
    ) -> None:
        done = total - len(missing)
        with (
            tempfile.TemporaryDirectory(dir=self.folder, prefix=".partial-") as partial,
            ThreadPoolExecutor(_THREADS) as pool,
        ):
            maven = _maven(Path(partial), mirror)
            futures = [pool.submit(self._fetch_one, maven, jar) for jar in missing]
            try:
                for future in as_completed(futures):
                    size = future.result()
                    done += 1
                    if progress is not None:
                        progress(done, total, size)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _fetch_one(self, maven: Any, jar: Jar) -> int:
        artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        path = _download(artifact, jar)
        if _sha256(path) != jar.sha256:
            raise Fault(
                f"{jar.coordinate}: its checksum differs from the lock file; "
                "try again, or look at the mirror that STRAITWATCH_JAR_MIRROR names"
            )
        target = self.path(jar)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave a jar of zeros, of the right size
        path.replace(target)
        return jar.size


def _maven(folder: Path, mirror: str | None) -> Any:
    from jgo.maven import MavenContext

    repositories = None if mirror is None else {"mirror": mirror.rstrip("/")}
    return MavenContext(repo_cache=folder, remote_repos=repositories, timeout=30)


def _download(artifact: Any, jar: Jar) -> Path:
    """The file as fetched, with a few tries: networks fail now and then."""
    reason: Exception | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(0.5 * 2**attempt)
        try:
            return Path(artifact.resolve())
        except OSError as e:  # requests' errors are among them
            if e.errno is not None and not hasattr(e, "request"):
                raise  # the disk, not the network
            reason = e
        except (RuntimeError, AssertionError, ValueError) as e:
            reason = e  # what jgo raises for a missing file or a checksum
        if artifact.cached_path is not None:
            Path(artifact.cached_path).unlink(missing_ok=True)
    text = " ".join(str(reason).split())[:200]
    raise Fault(
        f"cannot fetch {jar.coordinate} ({text}); look at the network or set "
        "STRAITWATCH_JAR_MIRROR, then run it again: what is here is kept"
    ) from reason


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
