"""The least a program in Python can do with a venue's frame: the floors that our decoders are held against.

One typed msgspec decode into structs of the fields we read, chosen by tag or by the same prefix that our decoder goes
by, one look-up of the instrument, one dispatch by kind. Nothing is checked, converted or made: bounds, the order of
levels, what a frame may not be, and the events themselves are what our decoders add.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

Frame: TypeAlias = bytes | memoryview
Handle: TypeAlias = Callable[[Frame], None]
Ids: TypeAlias = Mapping[str, object]  #: symbol → instrument
Tell: TypeAlias = Mapping[type, Callable[[object, object], None]]  #: kind of message → who is told it
Level: TypeAlias = tuple[float, float]


class Message(msgspec.Struct, gc=False):
    """A message, or a part of one."""


def reader(shape: object) -> Callable[[Frame], Any]:
    """A typed decoder; numbers may come as strings."""
    return msgspec.json.Decoder(shape, strict=False).decode
