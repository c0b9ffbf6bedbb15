"""Jars: fetched from a Maven repository (here one of our own), checked, kept."""

from __future__ import annotations

import gc
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.errors import Fault
from deploy.local.setup import engine_patch, jars
from deploy.local.setup.jars import Jar, JarStore


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "repository"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars.time, "sleep", lambda _: None)


def _published(repository: Path, name: str, content: bytes) -> Jar:
    """A jar as a repository has it, and its line of a lock file."""
    folder = repository / "example" / "org" / name / "1.0"
    folder.mkdir(parents=True)
    file = folder / f"{name}-1.0.jar"
    file.write_bytes(content)
    sha1 = hashlib.sha1(content).hexdigest()
    file.with_name(file.name + ".sha1").write_text(sha1)
    return Jar("example.org", name, "1.0", hashlib.sha256(content).hexdigest(), len(content))


def test_jars_are_fetched_once_and_their_progress_is_told(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = repository
    wanted = tuple(_published(folder, name, name.encode() * 100) for name in ("ant", "bee"))
    store = JarStore(tmp_path / "cache")
    told: list[tuple[int, int]] = []

    first = store.fetch(wanted, address, lambda done, total, _: told.append((done, total)))
    second = store.fetch(wanted, "http://127.0.0.1:9")  # nobody is there to be asked

    assert (first, second) == (2, 0)
    assert told == [(1, 2), (2, 2)]
    assert store.path(wanted[1]).read_bytes() == b"bee" * 100
    assert not store.damaged(wanted)


# jgo lets go of the answer that says a jar is not there without closing it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_interrupted_run_keeps_what_is_whole_and_goes_on(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = repository
    here, later = (_published(folder, name, name.encode() * 100) for name in ("ant", "bee"))
    missing = folder / "example" / "org" / "bee" / "1.0" / "bee-1.0.jar"
    content = missing.read_bytes()
    missing.unlink()
    store = JarStore(tmp_path / "cache")

    with pytest.raises(Fault, match=r"example\.org:bee:1\.0.*STRAITWATCH_JAR_MIRROR"):
        store.fetch((here, later), address)
    missing.write_bytes(content)

    assert store.missing((here, later)) == (later,)
    assert store.fetch((here, later), address) == 1
    assert not list((tmp_path / "cache").glob(".partial-*"))
    gc.collect()  # here, where it is known, and not in some later test


def test_a_jar_with_another_checksum_never_enters_the_cache(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = repository
    jar = _published(folder, "ant", b"ant")
    other = Jar(jar.group, jar.artifact, jar.version, "0" * 64, jar.size)
    store = JarStore(tmp_path / "cache")

    with pytest.raises(Fault, match="checksum differs"):
        store.fetch((other,), address)

    assert store.missing((other,)) == (other,)


def test_half_a_jar_and_a_changed_one_are_seen(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = repository
    half, changed = (_published(folder, name, name.encode() * 100) for name in ("ant", "bee"))
    store = JarStore(tmp_path / "cache")
    store.fetch((half, changed), address)
    store.path(half).write_bytes(b"ant")
    store.path(changed).write_bytes(b"B" * changed.size)

    assert store.missing((half, changed)) == (half,)
    assert store.damaged((half, changed)) == (changed,)


def test_a_class_path_without_its_jars_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"45 of 45 jars of kafka .*run\.sh install"):
        JarStore(tmp_path).class_path("kafka")


def test_a_class_path_that_a_power_cut_left_empty_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "read_lock", lambda _: ())
    whole = JarStore(tmp_path).class_path("kafka")
    content = whole.read_bytes()
    whole.write_bytes(b"")

    assert JarStore(tmp_path).class_path("kafka") == whole
    assert whole.read_bytes()[:4] == content[:4] == b"PK\x03\x04"
    assert list(tmp_path.iterdir()) == [whole]


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(Fault, match="cache"):
        JarStore(tmp_path / "cache" / "jars").fetch((Jar("g", "a", "1", "0", 1),))


def test_lock_files_name_each_jar_once_with_checksum_and_size() -> None:
    for name in jars.SETS:
        locked = jars.read_lock(name)
        assert len({jar.coordinate for jar in locked}) == len(locked)
        assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked)


@pytest.mark.engine
def test_the_runner_is_mended_in_nine_bytes_and_comes_first_on_the_class_path() -> None:
    store = JarStore()
    try:
        class_path = store.class_path("flink")
    except Fault as e:
        pytest.skip(str(e))
    jar = next(j for j in jars.read_lock("flink") if j.coordinate == engine_patch.PATCH.jar)
    with zipfile.ZipFile(store.path(jar)) as archive:
        before = archive.read(engine_patch.PATCH.member)

    after = engine_patch.PATCH.mended(store.path(jar))

    assert len(after) == len(before)
    assert 0 < sum(a != b for a, b in zip(before, after, strict=True)) <= 9
    manifest = zipfile.ZipFile(class_path).read("META-INF/MANIFEST.MF").decode()
    first = manifest.replace("\r\n ", "").split("Class-Path: ")[1].split()[0]
    assert "/patch-" in first
