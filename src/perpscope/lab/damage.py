"""What can be done to a frame on its way: spoilt, its times moved, its numbering begun anew. Pure: bytes in, bytes out.

Nothing here knows a venue: a time is a number of milliseconds within a day of the market's, an update id is what stands
behind the names venues give one.
"""

import random
import re
from collections.abc import Callable

_DAY_MS = 86_400_000
_TIME = re.compile(rb"(?<![\d.])\d{13}(?![\d.])")
_VALUE, _NAME = re.compile(rb":(\"[^\"]*\"|[\d.]+)"), re.compile(rb'"([A-Za-z]\w*)":')
#: Binance's, Bybit's and Bitget's, OKX's names of a book's numbering. Hyperliquid numbers nothing.
_UPDATE_ID = re.compile(rb'("(?:U|u|pu|seq|pseq|seqId|prevSeqId)":"?)(\d+)')
_WORDS = (b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b"true", b"99999999999999999999", b'"\xff\xfe"')


def spoilt(frame: bytes, rng: random.Random) -> bytes:
    """A frame nobody can read as it was meant: flipped bits, no UTF-8, wrong values, other names, cut short.

    Flipped is the highest bit of a byte, which no ASCII survives: another figure in place of one would be a good frame.
    """
    wounded = bytearray(frame)
    told_from = max(0, frame.find(b'"data"'))  # what stands before says whose frame it is
    match rng.randrange(5):
        case 0:
            del wounded[rng.randrange(len(wounded)) :]
        case 1:
            for _ in range(rng.randint(1, 4)):
                wounded[rng.randrange(told_from, len(wounded))] |= 0x80
        case 2:
            at = rng.randrange(told_from, len(wounded))
            wounded[at:at] = b"\xff\xfe"
        case 3:
            found = list(_VALUE.finditer(frame, told_from))
            if found:
                value = rng.choice(found)
                wounded[value.start(1) : value.end(1)] = rng.choice(_WORDS)
        case _:
            found = list(_NAME.finditer(frame, told_from))
            if found:
                name = rng.choice(found)
                wounded[name.start(1) : name.end(1)] = b"renamed"
    return bytes(wounded)


def shifted(frame: bytes, by_s: float, now_ms: int) -> bytes:
    """The frame with every time in it moved.

    >>> shifted(b'{"E":1790000000000,"id":1234567890123}', 3600.0, 1_790_000_000_500)
    b'{"E":1790003600000,"id":1234567890123}'
    """
    return _times(frame, now_ms, lambda time_ms: time_ms + round(by_s * 1000))


def in_seconds(frame: bytes, now_ms: int) -> bytes:
    """The frame with every time in whole seconds.

    >>> in_seconds(b'{"ts":"1790000000999"}', 1_790_000_000_500)
    b'{"ts":"1790000000"}'
    """
    return _times(frame, now_ms, lambda time_ms: time_ms // 1000)


def renumbered(frame: bytes, offset: int) -> bytes:
    """The frame with every update id lowered, as after a venue's maintenance; none falls below 1.

    >>> renumbered(b'{"U":1001,"u":1003,"pu":1000}', 1000)
    b'{"U":1,"u":3,"pu":1}'
    """
    return _UPDATE_ID.sub(lambda found: found[1] + b"%d" % max(1, int(found[2]) - offset), frame)


def highest_update_id(frame: bytes) -> int:
    """The largest update id a frame holds; 0 without any."""
    return max((int(found[2]) for found in _UPDATE_ID.finditer(frame)), default=0)


def oversize(length: int) -> bytes:
    """A frame of JSON of so many bytes that says nothing."""
    return b'{"padding":"' + b"x" * (length - 14) + b'"}'


def _times(frame: bytes, now_ms: int, moved: Callable[[int], int]) -> bytes:
    def written(found: "re.Match[bytes]") -> bytes:
        time_ms = int(found[0])
        return b"%d" % moved(time_ms) if abs(time_ms - now_ms) < _DAY_MS else found[0]

    return _TIME.sub(written, frame)
