"""The classes that are mended are exactly the ones that were studied."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from deploy.errors import Fault
from deploy.local.setup import jars, loopback_patch, reporter_patch


def mended(patch: ModuleType) -> bytes:
    store = jars.JarStore()
    jar = next(j for j in jars.read_lock("flink") if j.coordinate == patch.JAR)
    if store.missing((jar,)):
        pytest.skip("the engine's jars are not installed: ./run.sh install")
    return bytes(patch.patched_class(store.path(jar)))


def test_beam_servers_are_built_for_an_address_and_no_longer_for_a_port() -> None:
    after = mended(loopback_patch)

    assert b"forAddress" in after
    assert b"forPort" not in after


def test_flinks_reporter_is_built_for_the_loopback_address() -> None:
    after = mended(reporter_patch)

    assert b"127.0.0.1" in after
    assert b"(Ljava/lang/String;I)V" in after


@pytest.mark.parametrize("patch", [loopback_patch, reporter_patch])
def test_a_jar_with_another_class_is_refused(tmp_path: Path, patch: ModuleType) -> None:
    with zipfile.ZipFile(tmp_path / "core.jar", "w") as archive:
        archive.writestr(patch.CLASS, b"\xca\xfe\xba\xbe of another version")

    with pytest.raises(Fault, match=patch.__name__.rsplit(".", 1)[1]):
        patch.patched_class(tmp_path / "core.jar")
