"""Reading a REST reply, or the refusal that came in its place. Both ways out are typed: a Struct, or a FrameError."""

from typing import TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.venues.binance.symbols import VENUE

Reply = TypeVar("Reply")

#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_SHOWN = 120  #: bytes of a reply that go into a message


class _Refusal(msgspec.Struct):
    code: int
    msg: str


_read_refusal = msgspec.json.Decoder(_Refusal)


def read(decoder: msgspec.json.Decoder[Reply], raw: bytes) -> Reply:
    """Decode a reply.

    Raises:
        FrameError: a refusal (`{"code": -1121, "msg": …}`), in the venue's words, or not the documented shape.
    """
    try:
        return decoder.decode(raw)
    except _UNREADABLE as error:
        try:
            refusal = _read_refusal.decode(raw)
        except _UNREADABLE:
            reason = f"sent a reply we cannot read: {error}; it begins {raw[:_SHOWN]!r}"
        else:
            reason = f"refused: {refusal.msg[:_SHOWN]} (code {refusal.code})"
        raise FrameError(f"binance {reason}", venue=VENUE) from error
