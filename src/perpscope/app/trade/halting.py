"""The kill switch from outside the trader: pull it, and see whether everything is closed.

In: a database. Out: the mode file says halted, which each trader reads every second; its journals have a line of it;
and what the traders told since: flat, or what is still held and why nobody closes it. It works with no trader at all.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import trading_mode
from perpscope.app.answers.trade import RunNow, TradeNow, read_trade
from perpscope.app.trade.arming import write_act
from perpscope.errors import StoreError
from perpscope.model.run import RunKind
from perpscope.settings import Trade

#: Real seconds between two looks at what the traders tell.
LOOK_EVERY_S: Final = 0.2


class StillOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is not flat."""

    run: str
    label: str  #: PAPER, LIVE or DEMO
    instrument: str
    side: str | None  #: None = it holds nothing, and orders still work
    size: float
    stop: float | None  #: trigger of the protective stop that the exchange has confirmed
    working: int  #: orders that are not over
    is_running: bool
    what: str  #: what to do about it


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    why: str  #: for which it is halted: the first reason stays
    is_flat: bool  #: nothing is held and no order works; what was left on paper or on a lab is no money: not counted
    told: list[str]  #: runs that are running and told so after the switch was pulled
    still_open: list[StillOpen]
    seconds: float  #: real
    warnings: list[str]


def halt(  # one sentence a number: how long, by which clocks
    database: Path,
    trade: Trade,
    *,
    who: str,
    why: str,
    wait_s: float,
    wall_ms: Callable[[], int],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Halt:
    """Pull the switch, and wait until every trader that runs says that it is flat.

    Args:
        database: whose traders.
        trade: `[trade]`.
        who: does it.
        why: kept with it.
        wait_s: real seconds that are waited at most.
        wall_ms: real time, epoch ms.
        monotonic: real seconds from any origin.
        sleep: waits.

    Raises:
        ConfigError: the mode file cannot be written: nothing was halted.
    """
    began, pulled_ms = monotonic(), wall_ms()
    state = trading_mode.halted(database, who=who, why=why, now_ms=pulled_ms, trade=trade)
    warnings = _write_down(database, who, why, pulled_ms)
    while True:
        found = read_trade(database, trade, wall_ms())
        is_waited_for = any(run.is_running and not _is_flat(run, pulled_ms) for run in found.runs)
        spent = monotonic() - began
        if not is_waited_for or spent >= wait_s:
            return _come_to(found, pulled_ms, state.halted, spent, warnings)
        sleep(LOOK_EVERY_S)


def _come_to(found: TradeNow, pulled_ms: int, why: str, spent_s: float, warnings: list[str]) -> Halt:
    flat = [run.status.run for run in found.runs if run.is_running and _is_flat(run, pulled_ms)]
    left = [
        _told(run) for run in found.runs if not _is_flat(run, pulled_ms) and (run.is_running or run.label == "LIVE")
    ]
    harmless = [
        f"{run.label} run {run.status.run} was left holding {run.status.held.side} {run.status.held.size:g}: no money, "
        "and nobody closes it"
        for run in found.runs
        if run.label != "LIVE" and not run.is_running and run.status.held.side is not None
    ]
    return Halt(
        why=why,
        is_flat=not left and not found.faults,
        told=flat,
        still_open=left,
        seconds=round(spent_s, 3),
        warnings=[*warnings, *found.faults, *harmless],
    )


def _write_down(database: Path, who: str, why: str, now_ms: int) -> list[str]:
    """A line in each journal there is; a journal that cannot be written keeps nobody from halting."""
    warnings = []
    for kind in (RunKind.LIVE, RunKind.PAPER):
        try:
            write_act(database, kind, who=who, what="halt", why=why, now_ms=now_ms)
        except StoreError as error:
            warnings.append(f"it was not written into the journal: {error.message}")
    return warnings


def _is_flat(run: RunNow, pulled_ms: int) -> bool:
    """Nothing is held and no order works, as it told since; of a trader that is gone, as it told last."""
    told = run.status
    is_empty = told.held.side is None and not told.working
    return is_empty and (not run.is_running or (bool(told.halted) and told.at_ms >= pulled_ms))


def _told(run: RunNow) -> StillOpen:
    told = run.status
    if run.is_running:
        what = "its trader still closes: look at perpscope positions, or close it on the exchange by hand"
    else:
        what = (
            f"nobody trades it any more: perpscope trade {told.strategy} takes it up and closes it, or close it on the "
            "exchange by hand"
        )
    return StillOpen(
        run=told.run,
        label=run.label,
        instrument=told.instrument,
        side=told.held.side,
        size=told.held.size,
        stop=told.held.stop,
        working=len(told.working),
        is_running=run.is_running,
        what=what,
    )
