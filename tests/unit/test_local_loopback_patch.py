"""The class that is mended is exactly the one that was studied."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from deploy.errors import Fault
from deploy.local import jars, loopback_patch


def test_beam_servers_are_built_for_an_address_and_no_longer_for_a_port() -> None:
    store = jars.JarStore()
    jar = next(j for j in jars.read_lock("flink") if j.coordinate == loopback_patch.JAR)
    if store.missing((jar,)):
        pytest.skip("the engine's jars are not installed: ./run.sh install")

    after = loopback_patch.patched_class(store.path(jar))

    assert b"forAddress" in after
    assert b"forPort" not in after


def test_a_jar_with_another_class_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "core.jar", "w") as archive:
        archive.writestr(loopback_patch.CLASS, b"\xca\xfe\xba\xbe of another version")

    with pytest.raises(Fault, match="loopback_patch"):
        loopback_patch.patched_class(tmp_path / "core.jar")
