"""A backfill asked for by one process and done by another, the one that writes the store; and what is told of any.

The asker lays its errand beside the store and takes it away again when it has its answer, or has lost interest; the
collector looks at every Tick and lays beside the store how far it is. Both are files that appear whole.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from perpscope.app.backfill_plan import DAY_NS, Scope, lost_channels
from perpscope.feeds.backfill import Filled
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel
from perpscope.ports import Venue
from perpscope.stores.whole import replace_file

T = TypeVar("T", bound=msgspec.Struct)

TAKEN_WITHIN_S = 15.0  #: a heart looks at every Tick, each second or, in a slow market, five
_LOOK_EVERY_S = 0.1
_MS_NS = 1_000_000


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    id: str
    days: float | None  #: back from now; None where `ts_from` tells
    ts_from: int | None = None  #: ns UTC
    ts_to: int | None = None  #: ns UTC, not included; None = now
    venues: tuple[str, ...] = ()  #: none = all that are collected
    symbols: tuple[str, ...] = ()  #: symbols, coins or ids; none = all that are collected
    series: tuple[Channel, ...] = ()  #: none = all that can be asked for

    def scope(self, now_ns: int, *, kept_days: float, is_archived: bool) -> Scope:
        """What of the past that is; no older than rows are kept (0 days = for ever)."""
        oldest = now_ns - int(kept_days * DAY_NS) if kept_days else 0
        back_ns = int((self.days or 0.0) * DAY_NS)
        ts_from = max(self.ts_from if self.ts_from is not None else now_ns - back_ns, oldest)
        return Scope(
            ts_from=ts_from,
            ts_to=min(self.ts_to or now_ns, now_ns),
            gaps_from=ts_from,
            channels=frozenset(self.series) or None,
            is_archived=is_archived,
            rows=True,
        )

    def holds(self, instrument: Instrument) -> bool:
        """Whether it is about this instrument."""
        if self.venues and instrument.venue not in self.venues:
            return False
        names = {instrument.symbol.upper(), str(instrument.id).upper(), instrument.asset.upper()}
        wanted = {name.upper() for name in self.symbols}
        return not wanted or "ALL" in wanted or not names.isdisjoint(wanted)


class SeriesReport(msgspec.Struct, frozen=True):
    """What became of one series of one instrument."""

    venue: str
    symbol: str
    series: Channel
    asked: int  #: calls
    rows: int  #: that the replies held; those already there are kept once
    from_ms: int | None  #: of what is vouched for now, and was not before
    to_ms: int | None  #: not included
    whole: bool  #: nothing that can be asked for is missing
    lost_before_ms: int | None  #: what is missing before it, the venue no longer tells
    failed: str | None  #: why the rest was set aside


class Report(msgspec.Struct, frozen=True):
    """What `perpscope backfill --json` prints."""

    series: list[SeriesReport]
    lost: dict[str, list[Channel]]  #: by venue, what cannot be asked for afterwards
    calls: int
    rows: int
    done: float  #: share of what was wanted that has been asked for, in [0, 1]
    by_collector: bool = False  #: done by the process that writes the store
    notes: list[str] = []


class Told(msgspec.Struct, frozen=True):
    """How far an errand is."""

    id: str
    is_done: bool
    report: Report


def report_of(
    filled: Iterable[Filled], venues: Iterable[Venue], done: float, *, by_collector: bool = False, notes: Iterable[str]
) -> Report:
    """What is told of a backfill."""
    series = [
        SeriesReport(
            each.instrument.venue,
            each.instrument.symbol,
            each.channel,
            each.calls,
            each.rows,
            _ms(each.ts_from),
            _ms(each.ts_to),
            each.is_whole,
            _ms(each.lost_before),
            each.failed,
        )
        for each in filled
    ]
    lost = {venue.name: lost_channels(venue) for venue in venues}
    calls, rows = sum(line.asked for line in series), sum(line.rows for line in series)
    return Report(series, lost, calls, rows, done, by_collector, list(notes))


def new_id() -> str:
    """A name no other errand has."""
    return f"{os.getpid()}-{time.monotonic_ns()}"


def hand_over(
    store: Path,
    errand: Errand,
    *,
    is_owned: Callable[[], bool],
    on_told: Callable[[Report], None],
    taken_within_s: float = TAKEN_WITHIN_S,
) -> Report | None:
    """Have the store's owner do it, and wait until it is done. Blocks; whoever interrupts it withdraws the errand.

    Args:
        store: the file.
        errand: what is asked for.
        is_owned: whether somebody still writes the store.
        on_told: called with each word of how far it is.
        taken_within_s: real seconds the owner has to take it up.

    Returns:
        None if nobody took it up, or the owner went away.
    """
    asked, answered = _paths(store)
    replace_file(asked, msgspec.json.encode(errand), is_synced=False)
    until: float | None = time.monotonic() + taken_within_s
    try:
        while until is None or time.monotonic() < until:
            is_alive = is_owned()  # before looking: an answer may be the owner's last word
            told = _read(answered, Told)
            if told is not None and told.id == errand.id:
                until = None
                on_told(told.report)
                if told.is_done:
                    return told.report
            if not is_alive:
                return None
            time.sleep(_LOOK_EVERY_S)
        return None
    finally:
        for path in (asked, answered):
            path.unlink(missing_ok=True)


def waiting(store: Path) -> Errand | None:
    """The errand that lies beside the store, if any. For the store's owner, at every Tick."""
    asked, _ = _paths(store)
    return _read(asked, Errand) if asked.exists() else None


def tell(store: Path, told: Told) -> None:
    """Lay beside the store how far an errand is; one that is done is taken away."""
    asked, answered = _paths(store)
    with contextlib.suppress(OSError):  # a full disk: the asker waits for the next word
        replace_file(answered, msgspec.json.encode(told), is_synced=False)
        if told.is_done:
            asked.unlink(missing_ok=True)


def _paths(store: Path) -> tuple[Path, Path]:
    return store.with_name(store.name + ".backfill"), store.with_name(store.name + ".backfilled")


def _read(path: Path, record: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except (OSError, msgspec.MsgspecError):
        return None


def _ms(ts: int | None) -> int | None:
    return None if ts is None else ts // _MS_NS
