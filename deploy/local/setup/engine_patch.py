"""A mend of one fault in Beam's Flink runner, made to the class as it was fetched.

Every time a splittable source rests, the runner (all versions that are to be had: 1.19-2.62.0 and
2.70.0) keeps what is left of its work under a *new* name, from a counter, and Flink never frees a
name: 90 kB of heap and 6 kB of checkpoint each time, several times a second (apache/beam issue
27648). The name needs no counter: the state is kept by element, and an element has one rest at a
time. So the nine bytes of `onCheckpoint` that ask the counter

    aload_0; getfield idGenerator; invokeinterface IdGenerator.getId

become ``ldc "sdf_checkpoint"`` and seven times ``nop``. No compiler is needed for that, and a
checksum before and after says that exactly this happened: deploy/decisions/0010-source-state.md.
"""

from __future__ import annotations

from typing import Final

from deploy.local.setup.class_file import Patch

_BEFORE: Final = bytes.fromhex("2ab40003b900120100")
_AFTER: Final = bytes.fromhex("1209") + bytes(7)


def _mend(code: bytes) -> bytes:
    return code.replace(_BEFORE, _AFTER)


PATCH: Final = Patch(
    jar="org.apache.beam:beam-runners-java-fn-execution:2.62.0",
    member=(
        "org/apache/beam/runners/fnexecution/control/"
        "BundleCheckpointHandlers$StateAndTimerBundleCheckpointHandler.class"
    ),
    before="97da4488e73b44818921dbf1dec1aa41f49d2f93f8573102effa17c381c9e8b5",
    after="086445c289fa8ea45693214a707ed42e0ea34e4c782dcefd9e56131facad06fb",
    mend=_mend,
)
