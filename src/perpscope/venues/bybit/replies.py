"""The envelope of every REST reply, and how it is opened.

`{"retCode": 0, "retMsg": "OK", "result": {…}, "time": …}`. A refusal is HTTP 200 with a `retCode` other than 0; it, and
a reply that is not as documented, raise `FrameError` with the venue's words or the field that was wrong.
"""

from typing import Generic, Literal, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.venues.bybit.symbols import VENUE

#: The parameter that says which products are meant.
LINEAR = ("category", "linear")
SHOWN = 120  #: bytes of a reply, or characters of the venue's words, that go into a message
_REASON = 300  #: characters of what is wrong with it

Result = TypeVar("Result")


class _Refusal(msgspec.Struct):
    retCode: int
    retMsg: str = ""


class Answer(msgspec.Struct, Generic[Result]):
    """A reply that is no refusal."""

    retCode: Literal[0]
    result: Result


class Rows(msgspec.Struct, Generic[Result]):
    """A result that is a list."""

    list: list[Result]


_read_refusal = msgspec.json.Decoder(_Refusal)


def read(decoder: msgspec.json.Decoder[Answer[Result]], raw: bytes) -> Result:
    """Decode a reply; a refusal and a malformed one are FrameErrors."""
    try:
        return decoder.decode(raw).result
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        reason = f"sent a reply we cannot read: {str(error)[:_REASON]}; it begins {raw[:SHOWN]!r}"
        try:
            refusal = _read_refusal.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            pass
        else:
            if refusal.retCode != 0:
                reason = f"refused: {refusal.retMsg[:SHOWN]} (code {refusal.retCode})"
        raise FrameError(f"bybit {reason}", venue=VENUE) from error
