"""Whose frames a recording holds, found out from the frames themselves.

In: the first frames of a recording and every venue there is. Out: the one venue whose decoder makes most of them. A
name (a header's, a file's) is believed unless not one frame is that venue's while others are another's.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from perpscope.errors import FrameError
from perpscope.feeds.recording import Kind, Record
from perpscope.feeds.tape import Tape
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoder, Venue

#: Frames of each part of a recording that are shown to every venue.
SAMPLE = 200
#: Former names.
_FORMERLY = {"okex": "okx"}
#: Said of anything that looks like a message, of whatever venue.
_SAYS_NOTHING = frozenset({"unlisted-channel", "retired-api"})


class Heard(NamedTuple):
    """What a venue's decoder made of some frames."""

    decoded: int  #: frames that became events
    understood: int  #: and those answered or passed over by name; 0 if most were rejected


def part_of(source: str) -> str:
    """What a mixed recording calls the venue of a connection."""
    return source.partition("/")[0]


def venue_in(text: str, names: Collection[str]) -> str | None:
    """The venue a name contains as a word.

    >>> venue_in("hyperliquid_btc_20260611_trades.jsonl.gz", ["binance", "hyperliquid"])
    'hyperliquid'
    >>> venue_in("okex-swap messages", ["okx"])
    'okx'
    """
    words = (_FORMERLY.get(word, word) for word in re.findall(r"[a-z]+", text.lower()))
    return next((word for word in words if word in names), None)


def samples(tape: Tape) -> dict[str, list[Record]]:
    """The first frames of each part of a recording; one that is not mixed is one part, called ""."""
    parts: dict[str, list[Record]] = {}
    for record in tape.records():
        if record.kind != Kind.FRAME:
            continue
        part = parts.setdefault(part_of(record.source) if tape.is_mixed else "", [])
        if len(part) < SAMPLE:
            part.append(record)
        elif not tape.is_mixed:
            break
    return parts


def hear(frames: Iterable[Record], venue: Venue) -> Heard:
    """What a venue's decoders, one a connection and without a catalogue, make of frames."""
    decoders: dict[str, Decoder] = {}
    decoded = understood = rejected = 0
    for record in frames:
        if record.source not in decoders:
            decoders[record.source] = venue.decoder({})
        try:
            told = decoders[record.source].decode(record.payload, record.ts_recv)
        except FrameError:
            rejected += 1
            continue
        if isinstance(told, Control | Ignored):
            understood += isinstance(told, Control) or told.reason not in _SAYS_NOTHING
        else:
            decoded += 1
    return Heard(decoded, 0 if rejected > decoded + understood else decoded + understood)


def attribute(frames: Iterable[Record], named: str | None, venues: Mapping[str, Venue]) -> str | None:
    """The venue these frames are of; None if nothing tells, or tells of two alike.

    Args:
        frames: some of them.
        named: the venue they are said to be of, one of `venues`; None if nobody says.
        venues: every venue there is.
    """
    frames = list(frames)
    heard = {name: hear(frames, venue) for name, venue in venues.items()}
    if named is not None and (heard[named].decoded or not any(one.decoded for one in heard.values())):
        return named
    best = max(heard.values())
    found = [name for name, one in heard.items() if one == best]
    return found[0] if any(best) and len(found) == 1 else None
