"""Flink's Prometheus reporter listens on the loopback address, not on every interface.

`PrometheusReporter` has no setting for it: its constructor makes ``new InetSocketAddress(port)``.

    new InetSocketAddress; dup; aload_0; getfield port; invokespecial InetSocketAddress.<init>(I)

It becomes ``new InetSocketAddress("127.0.0.1", port)``: the constructor's type gets another text,
the host two constants at the end of the pool. The two bytes that the code grows by, for ``ldc``,
come from the line of the log that follows, which is given up, so that no jump changes; the stack
grows by one. Checksums before and after say that exactly this happened.
"""

from __future__ import annotations

import struct
from typing import Final

from deploy.local.ports import HOST
from deploy.local.setup.class_file import Patch, end_of_pool, utf8

_LIMITS: Final = struct.pack(">HHI", 6, 3, 134)
"""Depth of the stack, local variables and bytes of the constructor's code."""
_NEW: Final = bytes.fromhex("bb000b59")
_PORT_AND_CALL: Final = bytes.fromhex("2ab40004b7000c")
_SERVER: Final = bytes.fromhex("2ab4000db7000eb50001")
"""``aload_0; getfield registry; invokespecial HTTPServer.<init>; putfield httpServer``."""
_LOG: Final = bytes.fromhex("2ab4000f12102ab40004b80011b900120300")


def _mend(code: bytes) -> bytes:
    count = int.from_bytes(code[8:10])
    end = end_of_pool(code, count)
    pool, rest = code[10:end], code[end:]
    pool = pool.replace(utf8("(I)V"), utf8("(Ljava/lang/String;I)V"))
    pool += utf8(HOST) + struct.pack(">BH", 8, count)
    host = bytes((0x12, count + 1))
    rest = rest.replace(_LIMITS, struct.pack(">HHI", 7, 3, 134))
    rest = rest.replace(
        _NEW + _PORT_AND_CALL + _SERVER + _LOG,
        _NEW + host + _PORT_AND_CALL + _SERVER + bytes(len(_LOG) - len(host)),
    )
    return code[:8] + (count + 2).to_bytes(2) + pool + rest


PATCH: Final = Patch(
    jar="org.apache.flink:flink-metrics-prometheus:1.19.1",
    member="org/apache/flink/metrics/prometheus/PrometheusReporter.class",
    before="bccf56873e5fa0c98bfceca8044e0d962a52855fcf5550cf47024283c134a50a",
    after="74e63b505a11d3fe115af56b02d0e2320989618a4cc024c19c0de0e327510151",
    mend=_mend,
)
