"""What was decided, as one hash: every opinion and every order of a run, in their order.

Two runs of one strategy that heard the same have the same hash, to the last digit of the last figure. What was decided
can be kept beside the recording, a line each, so that a difference has a name (`divergence`).
"""

import hashlib
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from perpscope.engine.telling import Told
from perpscope.model.order import OrderRequest, Signal

_encode: Final = msgspec.json.Encoder(order="sorted", decimal_format="string").encode


class Witness:
    """Counts and hashes what a trader tells.

    Args:
        kept: file that each decision is added to; None = none. A disk that does not take it costs the file alone.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.decisions = 0  #: opinions, near misses among them
        self.orders = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        if kept is not None:
            try:
                self._file = kept.open("ab", buffering=0)
            except OSError:
                self._file = None

    def saw(self, told: Told) -> None:
        """Take one thing; fills, fundings and ends are no decisions and are passed over."""
        line = encoded(told)
        if line is None:
            return
        if isinstance(told, Signal):
            self.decisions += 1
        else:
            self.orders += 1
        self._digest.update(line + b"\n")
        if self._file is not None:
            try:
                self._file.write(line + b"\n")
            except OSError:
                self.close()

    def close(self) -> None:
        """Keep nothing more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def hash(self) -> str:
        """sha256 of everything decided so far."""
        return self._digest.hexdigest()


def encoded(told: Told) -> bytes | None:
    """A decision as it is hashed; None of what is none."""
    return _encode(told) if isinstance(told, Signal | OrderRequest) else None


def decisions_of(recording: Path) -> Path:
    """Where the decisions of a recorded run are kept."""
    return recording.with_suffix(".decisions")


def difference(kept: list[bytes], again: list[bytes]) -> str:
    """The first decision that is another when a run is run again, in words; empty = none is."""
    for number, (one, other) in enumerate(zip_longest(kept, again), start=1):
        if one == other:
            continue
        if one is None or other is None:
            extra, where = (other, "only when it is run again") if one is None else (one, "only in the run itself")
            return f"decision {number} came {where}: {_words(extra)}"
        left, right = (msgspec.json.decode(line) for line in (one, other))
        names = [name for name in sorted(left.keys() | right.keys()) if left.get(name) != right.get(name)]
        told = ", ".join(f"{name} was {left.get(name)!r} and is {right.get(name)!r}" for name in names)
        return f"decision {number} ({_words(one)}): {told}"
    return ""


def _words(line: bytes | None) -> str:
    """What a decision was of."""
    found = msgspec.json.decode(line or b"{}")
    return f"{found.get('type', '?')} {found.get('id') or found.get('side') or 'FLAT'} at {found.get('ts_recv')}"
