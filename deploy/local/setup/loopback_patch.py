"""Beam's gRPC servers listen on the address that they are given, not on every interface.

`ServerFactory.InetSocketAddressServerFactory.createServer` takes only the port of its address:

    aload_1; invokevirtual InetSocketAddress.getPort; invokestatic NettyServerBuilder.forPort(int)

It becomes ``aload_1``, three times ``nop``, ``invokestatic forAddress(SocketAddress)``: the name
gets another text, and its type an entry of its own at the end of the constant pool, as other
methods share the old one. Checksums before and after say that exactly this happened.
"""

from __future__ import annotations

import struct
from typing import Final

from deploy.local.setup.class_file import Patch, end_of_pool, utf8

_BUILDER: Final = "org/apache/beam/vendor/grpc/v1p60p1/io/grpc/netty/NettyServerBuilder"
_NAME, _TYPE, _NAME_AND_TYPE, _GET_PORT, _FOR_PORT = 163, 164, 165, 160, 166
"""Entries of the constant pool."""


def _mend(code: bytes) -> bytes:
    count = int.from_bytes(code[8:10])
    end = end_of_pool(code, count)
    pool, rest = code[10:end], code[end:]
    pool = pool.replace(utf8("forPort"), utf8("forAddress"))
    pool = pool.replace(
        struct.pack(">BHH", 12, _NAME, _TYPE), struct.pack(">BHH", 12, _NAME, count)
    )
    pool += utf8(f"(Ljava/net/SocketAddress;)L{_BUILDER};")
    call = struct.pack(">BH", 0xB8, _FOR_PORT)
    rest = rest.replace(struct.pack(">BH", 0xB6, _GET_PORT) + call, bytes(3) + call)
    return code[:8] + (count + 1).to_bytes(2) + pool + rest


PATCH: Final = Patch(
    jar="org.apache.beam:beam-sdks-java-core:2.62.0",
    member="org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class",
    before="c170249f531fa3e414583003b05d5cd7c2c026db7e193d8675d465d096f58f62",
    after="75838e114c6e5fca93fe15079646297bb3ae31aa62bd485ee3d03c13ee36f372",
    mend=_mend,
)
