"""What live asks for before it sends orders, and how long that lasts (DESIGN 7); of a testnet it asks less.

In: the settings, `--live`, the symbol typed by hand, what the key may do, and what the strategy showed on paper. Out:
the mode raised to live, armed for one strategy on one instrument until a time, with a line in the journal's audit for
it and for whatever was overridden. Whatever ends live disarms; the trader asks `armed_until` again and again.
"""

from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import risk_report, trading_mode
from perpscope.app.trading_mode import Armed, Mode, State
from perpscope.errors import ConfigError
from perpscope.execution.inquiry import refuse_key
from perpscope.model.exchange import Restrictions
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.run import RunKind, RunSummary
from perpscope.settings import Trade
from perpscope.stores.journal import Journal, place
from perpscope.stores.runs import Runs
from perpscope.trading.honesty import Condition, gate

_HOUR_MS: Final = 3_600_000
_NO_MONEY: Final = "this is a testnet: its money is made up; neither the key nor the evidence on paper was looked at"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody who wants to arm says."""

    strategy: str
    typed: str  #: the symbol, typed by hand
    is_live: bool  #: --live was given
    override: str = ""  #: why it is to be armed though paper has not shown enough; empty = it is not
    who: str  #: user, by what


class Arming(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    state: State
    conditions: list[Condition]  #: of the gate
    overridden: list[str]  #: conditions that are not met, by name
    warnings: list[str]
    is_testnet: bool = False  #: the orders go to a testnet: no money moves


def arm(
    database: Path, trade: Trade, instrument: Instrument, asked: Asked, may: Restrictions | None, *, now_ms: int
) -> Arming:
    """Arm live for a strategy on an instrument, if all is as it has to be.

    Args:
        database: whose mode and journal.
        trade: `[trade]`.
        instrument: what is to be traded.
        asked: what somebody said.
        may: what the account's key may do; None = the exchange is a testnet, which does not tell: no money can be lost
            there, and nothing has to be shown on paper.
        now_ms: real time, epoch ms.

    Raises:
        ConfigError: something is missing, by its code: "mode-not-allowed", "live-not-armed", "key-moves-money",
            "key-cannot-trade", "gate-closed", "halted".
        StoreError: the journal cannot be written; nothing was armed.
    """
    refuse_careless(trade, asked)
    _refuse_mistyped(instrument, asked)
    if may is not None:
        refuse_key(may, instrument.venue)
    conditions = [] if may is None else evidence(database, asked.strategy, instrument.id)
    unmet = [one.name for one in conditions if not one.is_met]
    if unmet and not asked.override:
        raise ConfigError(
            "gate-closed",
            f"{asked.strategy} on {instrument.symbol} has not shown enough on paper: {', '.join(unmet)}",
            hint="perpscope risk report RUN shows the figures; --override WHY arms it all the same, on record",
        )
    before = trading_mode.read(database, trade)
    if before.halted:
        raise ConfigError("halted", f"halted: {before.halted}", hint="perpscope risk reset")
    armed = Armed(instrument=instrument.id, strategy=asked.strategy, until_ms=now_ms + round(trade.armed_h * _HOUR_MS))
    _write_down(database, asked, armed, unmet, now_ms)
    state = trading_mode.raised(database, Mode.LIVE, who=asked.who, now_ms=now_ms, trade=trade, armed=armed)
    warnings = [_NO_MONEY] if may is None else key_warnings(may, instrument.venue)
    return Arming(state=state, conditions=conditions, overridden=unmet, warnings=warnings, is_testnet=may is None)


def armed_until(state: State, instrument: InstrumentId, strategy: str, now_ms: int) -> int | None:
    """Until when a strategy may trade live on an instrument, real epoch ms; None = it may not, or no more.

    Args:
        state: what holds, read afresh.
        instrument: what is traded.
        strategy: by name.
        now_ms: real time, epoch ms.
    """
    armed = state.armed
    if armed is None or (armed.instrument, armed.strategy) != (instrument, strategy) or now_ms >= armed.until_ms:
        return None
    return armed.until_ms


def evidence(database: Path, strategy: str, instrument: InstrumentId) -> list[Condition]:
    """The honesty gate (B20) on what a strategy showed on paper, on observed markets, with its newest parameters."""
    with Runs(database) as kept:
        told = [
            one
            for one in kept.list(risk_report.MOST)
            if (one.kind, one.data, one.strategy, one.instrument) == (RunKind.PAPER, "observed", strategy, instrument)
        ]
    apart: list[RunSummary] = []
    for one in told:
        is_same = one.parameters == told[0].parameters
        if is_same and all(one.to_ms <= other.from_ms or one.from_ms >= other.to_ms for other in apart):
            apart.append(one)
    return risk_report.review(database, [one.id for one in apart]).gate if apart else gate([])


def key_warnings(may: Restrictions, venue: str) -> list[str]:
    """What is to be said about a key that may be used."""
    if may.is_bound_to_address:
        return []
    return [f"this key of {venue} may be used from any address: bind it to this machine's on the page of API keys"]


def write_act(database: Path, kind: RunKind, *, who: str, what: str, why: str, now_ms: int) -> bool:
    """Write what somebody did into the audit of a journal, where there is one; whether there was.

    Raises:
        StoreError: it cannot be written.
    """
    path = place(database, kind)
    if not path.exists():
        return False
    with Journal.open(path, holder=who) as journal:
        journal.act(who, what, why, now_ms)
    return True


def refuse_careless(trade: Trade, asked: Asked) -> None:
    """What can be seen before anybody is asked.

    Raises:
        ConfigError: live is not allowed here, or was not asked for.
    """
    if not trade.live_enabled:
        raise ConfigError(
            "mode-not-allowed",
            "live is not allowed by the settings (trade.live_enabled)",
            hint="set trade.live_enabled, knowingly",
        )
    if not asked.is_live:
        raise ConfigError("live-not-armed", "live is armed with --live alone", hint="say --live: it is real money")


def _refuse_mistyped(instrument: Instrument, asked: Asked) -> None:
    if asked.typed != instrument.symbol:
        raise ConfigError(
            "live-not-armed",
            f"{asked.typed!r} was typed, {instrument.symbol!r} is to be traded",
            hint=f"type {instrument.symbol} by hand, letter by letter",
        )


def _write_down(database: Path, asked: Asked, armed: Armed, unmet: list[str], now_ms: int) -> None:
    """The act stands in the audit before anything is armed.

    Raises:
        StoreError: it cannot be written.
    """
    with Journal.open(place(database, RunKind.LIVE), holder=asked.who) as journal:
        if unmet:
            journal.act(asked.who, "override", f"{', '.join(unmet)}: {asked.override}", now_ms)
        words = f"{armed.strategy} on {armed.instrument} until {armed.until_ms}"
        journal.act(asked.who, "arm", words, now_ms)
