"""An `Article` from its bytes: what `codec.decode` gives, in a third of the time.

`codec` is the contract and says what is wrong with a message; its converters are Python. Here
msgspec parses and checks in one go what our own connectors write. Whatever it does not take,
`codec` judges: so this accepts nothing that `codec` refuses, and gives nothing else
(`deploy/decisions/0092-msgspec.md`).
"""

from __future__ import annotations

import dataclasses
import typing
from datetime import datetime
from typing import Any, Final

import msgspec

from pipeline.contracts.codec import SCHEMA, decode, parse_time
from pipeline.contracts.records import Article

_HINTS: Final = typing.get_type_hints(Article)
_TIMES: Final = tuple(
    place
    for place, field in enumerate(dataclasses.fields(Article))
    if _HINTS[field.name] in (datetime, datetime | None)
)


def _wire_field(field: dataclasses.Field[Any]) -> tuple[Any, ...]:
    hint = _HINTS[field.name]
    # Times stay text: what an ISO time is, is for `codec` to say.
    if hint in (datetime, datetime | None):
        hint = str if hint is datetime else str | None
    needed = field.default is dataclasses.MISSING
    return (field.name, hint) if needed else (field.name, hint, field.default)


# A field that it does not know it would skip without a look at its bytes: it is to refuse it.
_WIRE: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "Wire",
        [("schema", int), *map(_wire_field, dataclasses.fields(Article))],
        forbid_unknown_fields=True,
        gc=False,
    )
)


def read_article(data: bytes | None) -> Article:
    """The article in ``data``.

    Raises:
        DecodeError: as `codec.decode` raises it.
    """
    try:
        schema, *values = msgspec.structs.astuple(_WIRE.decode(data or b""))
        for place in _TIMES:
            if values[place] is not None:
                values[place] = parse_time(values[place])
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return decode(Article, data)
    return Article(*values) if schema <= SCHEMA else decode(Article, data)
