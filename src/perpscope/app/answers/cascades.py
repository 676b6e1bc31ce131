"""Cascades of one coin: those that were noticed lately, and what a shock would set off now."""

from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.cascade_events import Condition, Event, Rule
from perpscope.app.perpetuals import perpetuals
from perpscope.app.sentiment.cascade import CascadeAnswer, Shock, read_cascade
from perpscope.app.sentiment.events import read_events
from perpscope.app.status import market_now
from perpscope.errors import DataError
from perpscope.model.market import PositionSide
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000
_HOUR_MS: Final = 3_600_000
#: Events are looked for in so many hours.
MOST_HOURS: Final = 24.0


class CascadeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Forced orders that fed on each other."""

    rule: Rule
    side: PositionSide  #: whose positions were closed
    start_ms: int  #: known only afterwards
    detected_ms: int  #: the rule held first
    peak_ms: int
    end_ms: int | None  #: null while it lasts
    trough_return: float  #: extreme price over the price it began at, less 1
    open_interest_change: float | None  #: fraction
    forced_usd: float | None
    forced_low_usd: float | None  #: 5 %
    forced_high_usd: float | None  #: 95 %; null where nothing bounds it
    watched: float  #: share of its time whose forced orders are known
    severity: float  #: 0 at the thresholds, below 100
    amplification: float | None
    conditions: list[Condition]


class Cascades(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    data: StoreKind
    at_ms: int  #: market time
    events: list[CascadeEvent]  #: newest first
    simulation: CascadeAnswer | None  #: None where it was not asked for, or too little is stored
    notes: list[str]


def read_cascades(path: Path, name: str, hours: float, shock: Shock | None) -> Cascades:
    """Events of the last hours, and the simulation.

    Args:
        path: the store.
        name: a coin (all venues together), a symbol or an id.
        hours: of market time, up to `MOST_HOURS`.
        shock: to be pushed through the map; None = none is.

    Raises:
        ConfigError: the store knows no such perpetual, or the shock makes no sense.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        chosen = perpetuals(name, reader.instruments(), multiplied=True)
        found = read_events(reader, chosen, now)
    notes = []
    simulation = None
    if shock is not None:
        try:
            simulation = read_cascade(path, name, shock)
            notes += simulation.notes
        except DataError as error:
            notes.append(f"no simulation: {error.message}")
    since = now // _MS_NS - round(hours * _HOUR_MS)
    told = [_told(event) for event in reversed(found)]
    return Cascades(
        data=kind,
        at_ms=now // _MS_NS,
        events=[event for event in told if event.detected_ms > since],
        simulation=simulation,
        notes=notes,
    )


def _told(event: Event) -> CascadeEvent:
    return CascadeEvent(
        rule=event.rule,
        side=event.side,
        start_ms=event.ts_start // _MS_NS,
        detected_ms=event.ts_detected // _MS_NS,
        peak_ms=event.ts_peak // _MS_NS,
        end_ms=None if event.ts_end is None else event.ts_end // _MS_NS,
        trough_return=event.trough_return,
        open_interest_change=event.open_interest_change,
        forced_usd=event.forced_usd,
        forced_low_usd=event.forced_low_usd,
        forced_high_usd=event.forced_high_usd,
        watched=event.watched,
        severity=event.severity,
        amplification=event.amplification,
        conditions=event.conditions,
    )
