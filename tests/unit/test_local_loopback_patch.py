"""The classes that are mended are exactly the ones that were studied."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from deploy.errors import Fault
from deploy.local.setup import engine_patch, jars, loopback_patch, reporter_patch
from deploy.local.setup.class_file import Patch


def mended(patch: Patch) -> bytes:
    store = jars.JarStore()
    jar = next(j for j in jars.read_lock("flink") if j.coordinate == patch.jar)
    if store.missing((jar,)):
        pytest.skip("the engine's jars are not installed: ./run.sh install")
    return patch.mended(store.path(jar))


def test_beam_servers_are_built_for_an_address_and_no_longer_for_a_port() -> None:
    after = mended(loopback_patch.PATCH)

    assert b"forAddress" in after
    assert b"forPort" not in after


def test_flinks_reporter_is_built_for_the_loopback_address() -> None:
    after = mended(reporter_patch.PATCH)

    assert b"127.0.0.1" in after
    assert b"(Ljava/lang/String;I)V" in after


def test_the_rest_of_a_source_is_kept_by_one_name() -> None:
    assert b"sdf_checkpoint" in mended(engine_patch.PATCH)


@pytest.mark.parametrize("module", [engine_patch, loopback_patch, reporter_patch])
def test_a_jar_with_another_class_is_refused(tmp_path: Path, module: ModuleType) -> None:
    with zipfile.ZipFile(tmp_path / "core.jar", "w") as archive:
        archive.writestr(module.PATCH.member, b"\xca\xfe\xba\xbe of another version")

    with pytest.raises(Fault, match=module.__name__):
        module.PATCH.mended(tmp_path / "core.jar")


def test_a_damaged_jar_is_a_fault_that_names_it(tmp_path: Path) -> None:
    """A power cut may leave one of the right size with nothing in it."""
    (tmp_path / "core.jar").write_bytes(bytes(1000))

    with pytest.raises(Fault, match=r"core\.jar is damaged: remove it"):
        engine_patch.PATCH.mended(tmp_path / "core.jar")
