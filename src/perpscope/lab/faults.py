"""What goes wrong on the exchange, when, for how long and to whom: a script, drawn from a seed or read from a file.

In: a seed, or TOML or JSON. Out: a `FaultScript`, the same for the same seed. Times are market seconds after the script
begins. `nemesis` makes it happen; what it did is in the ledger, beside what the exchange meant to say.
"""

import enum
import fnmatch
import random
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from perpscope.errors import ConfigError

_PATH, _TOPIC, _REST = "path:", "topic:", "rest:"


class FaultKind(enum.Enum):
    """What goes wrong; `amount` of a `Fault` means what is said here."""

    # frames on their way to clients
    DROP = "drop"  #: lost; `amount` of them at most, 0 = all
    DELAY = "delay"  #: `amount` market seconds late, in order
    REORDER = "reorder"  #: shuffled within windows of `amount` market seconds
    DUPLICATE = "duplicate"  #: sent one to three times
    SNAPSHOT_AGAIN = "snapshot-again"  #: what a new subscriber would get, once more to everybody
    FLIP = "flip"  #: spoilt: bits, invalid UTF-8, NaN, huge numbers, renamed fields, cut short
    NOISE = "noise"  #: spoilt copies beside the good ones
    OVERSIZE = "oversize"  #: one frame of `amount` bytes
    SHIFT_TIMES = "shift-times"  #: event times `amount` seconds later
    SECONDS = "seconds"  #: event times in seconds, where the venue has milliseconds
    RENUMBER = "renumber"  #: update ids of books begin anew
    # connections
    MUTE = "mute"  #: acknowledges, answers pings, sends no data
    MISROUTE = "misroute"  #: cut; connections opened meanwhile are acknowledged and never hear anything
    STALL = "stall"  #: half open: TCP stays, nothing is read or written
    CUT = "cut"  #: TCP ends without a word
    CUT_MID_FRAME = "cut-mid-frame"  #: TCP ends within a frame
    CLOSE = "close"  #: ends with the venue's own goodbye
    REFUSE = "refuse"  #: cut, and handshakes refused with 503
    REFUSE_TOPIC = "refuse-topic"  #: cut, and a topic refused in the venue's own words
    IGNORE = "ignore"  #: cut; nothing a client asks for on new connections is answered
    # REST
    STATUS = "status"  #: answers with status `amount`; 429 and 418 in the venue's own words
    HTML = "html"  #: 200 and a web page
    EMPTY = "empty"  #: 200 and nothing
    HANG = "hang"  #: no answer for `amount` real seconds
    STALE = "stale"  #: the answer to the same question before


FRAMES = frozenset(
    {
        *(FaultKind.DROP, FaultKind.DELAY, FaultKind.REORDER, FaultKind.DUPLICATE, FaultKind.FLIP, FaultKind.NOISE),
        *(FaultKind.SHIFT_TIMES, FaultKind.SECONDS, FaultKind.RENUMBER),
    }
)  #: what is done to frames while it lasts
REST = frozenset({FaultKind.STATUS, FaultKind.HTML, FaultKind.EMPTY, FaultKind.HANG, FaultKind.STALE})

#: Amounts a seeded script draws from, where a kind needs one (chosen by hand).
_AMOUNTS: Mapping[FaultKind, Sequence[float]] = {
    FaultKind.DELAY: (0.5, 2.0, 5.0),
    FaultKind.REORDER: (0.5, 2.0),
    FaultKind.OVERSIZE: (300_000, 5_000_000),
    FaultKind.SHIFT_TIMES: (-3600.0, 3600.0),
    FaultKind.STATUS: (403, 418, 429, 451, 500, 503),
    FaultKind.HANG: (15.0,),
    FaultKind.DROP: (1, 3),
}
#: What has to be found by its silence lasts so many times longer in a seeded script (chosen by hand).
_LONGER = dict.fromkeys((FaultKind.MUTE, FaultKind.MISROUTE, FaultKind.STALL), 5.0)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that goes wrong."""

    kind: FaultKind
    at_s: Annotated[float, Meta(ge=0)]  #: market seconds after the script begins
    for_s: Annotated[float, Meta(ge=0)] = 0.0  #: market seconds it lasts; 0 for what happens at once
    venue: str = ""  #: whose exchange; empty = every one
    target: str = ""  #: "path:…", "topic:…" or "rest:…", with `*` and `?`; empty = everything
    amount: float = 0.0  #: see `FaultKind`

    def hits_topic(self, topic: str) -> bool:
        """True if a topic's frames are meant.

        >>> Fault(FaultKind.DROP, 0.0, target="topic:*@depth*").hits_topic("btcusdt@depth@100ms")
        True
        """
        return _is_meant(self.target, _TOPIC, topic)

    def hits_path(self, path: str) -> bool:
        """True if connections to a path are meant."""
        return _is_meant(self.target, _PATH, path)

    def hits_request(self, path: str) -> bool:
        """True if a REST path is meant."""
        return _is_meant(self.target, _REST, path)

    @property
    def is_of_topics(self) -> bool:
        """True if it is about certain topics."""
        return self.target.startswith(_TOPIC)


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file."""

    fault: list[Fault]
    seed: int = 0


class FaultScript(msgspec.Struct, frozen=True):
    """Faults in the order they begin."""

    faults: tuple[Fault, ...]
    seed: int = 0  #: of the chance within faults: which bit, which order

    @classmethod
    def of(cls, faults: Iterable[Fault], seed: int = 0) -> Self:
        """A script of these, in the order they begin."""
        return cls(tuple(sorted(faults, key=lambda fault: fault.at_s)), seed)

    @classmethod
    def seeded(
        cls,
        seed: int,
        venue: str,
        kinds: Sequence[FaultKind],
        *,
        first_s: float = 10.0,
        count: int = 8,
        for_s: tuple[float, float] = (3.0, 10.0),
        calm_s: tuple[float, float] = (8.0, 20.0),
        targets: Mapping[FaultKind, Sequence[str]] | None = None,
    ) -> Self:
        """Faults one after another, each kind once before any comes again.

        Args:
            seed: the same seed and words give the same script.
            venue: whose exchange.
            kinds: what may go wrong.
            first_s: market seconds until the first.
            count: how many.
            for_s: shortest and longest, market seconds; five times that of what sends nothing and stays open.
            calm_s: shortest and longest time between two, market seconds.
            targets: by kind, what may be meant; everything where a kind is not named.
        """
        rng = random.Random(f"{seed}/{venue}")  # noqa: S311 (repeatable chance)
        faults: list[Fault] = []
        at_s, left = first_s, list[FaultKind]()
        for _ in range(count):
            left = left or rng.sample(list(kinds), len(kinds))
            kind = left.pop()
            lasts_s = round(rng.uniform(*for_s) * _LONGER.get(kind, 1.0), 1)
            amount = rng.choice(_AMOUNTS[kind]) if kind in _AMOUNTS else 0.0
            target = rng.choice((targets or {}).get(kind, ("",)))
            faults.append(Fault(kind, round(at_s, 1), lasts_s, venue, target, amount))
            at_s += lasts_s + rng.uniform(*calm_s)
        return cls(tuple(faults), seed)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A script from a TOML or JSON file: a `seed` and tables of `[[fault]]`.

        Raises:
            ConfigError: the file is missing, no TOML or JSON, or holds what no fault has.
        """
        try:
            raw = path.read_bytes()
            written = msgspec.json.decode(raw) if path.suffix == ".json" else tomllib.loads(raw.decode())
            table = msgspec.convert(written, _Table)
        except (OSError, ValueError) as error:  # msgspec's, tomllib's and a decoder's are ValueErrors
            raise ConfigError(
                "faults-unreadable", f"{path}: {error}", hint="see docs/faults.md for what a fault script holds"
            ) from error
        return cls.of(table.fault, table.seed)

    def of_venue(self, venue: str) -> "FaultScript":
        """What of it happens at one exchange."""
        return FaultScript(tuple(fault for fault in self.faults if fault.venue in ("", venue)), self.seed)

    @property
    def ends_s(self) -> float:
        """Market seconds after the start when all of it is over."""
        return max((fault.at_s + fault.for_s for fault in self.faults), default=0.0)


def _is_meant(target: str, prefix: str, name: str) -> bool:
    return not target or (target.startswith(prefix) and fnmatch.fnmatchcase(name, target.removeprefix(prefix)))
