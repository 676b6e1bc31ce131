"""A run's beginning: its contract known, its account taken, what it begins with asked for; then it trades.

In: what was asked for, the venue, how it is asked. Out: a `TradingPart` that has been told everything. Whatever an
earlier process of the same run has left is taken up, under the same name.
"""

import os
import socket
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import catalogue, trading_mode
from perpscope.app.backtest.played import numbers
from perpscope.app.risk_profiles import Chosen, chosen
from perpscope.app.trade import setup as setups
from perpscope.app.trade.account import Account
from perpscope.app.trade.arming import armed_until
from perpscope.app.trade.lab import arm
from perpscope.app.trade.latency import Latency
from perpscope.app.trade.paper import taken_up
from perpscope.app.trade.part import TradingPart
from perpscope.app.trade.setup import RunSetup
from perpscope.app.trade.standing import Watcher
from perpscope.app.trade.warming import candles_before, warmed
from perpscope.errors import ConfigError
from perpscope.execution.live import LiveExchange
from perpscope.feeds.clock import MarketClock, wall_ns
from perpscope.feeds.live import LiveFeed
from perpscope.model.instrument import Instrument
from perpscope.model.order import Resumed
from perpscope.model.run import RunKind
from perpscope.ports import Http, Venue
from perpscope.settings import Settings
from perpscope.stores.journal import Journal, JournalRun
from perpscope.stores.journal_reader import JournalReader
from perpscope.trading.strategy import Needs, Strategy

_MS_NS: Final = 1_000_000
#: What an order's id has room for, the run's id and number apart: 36 - 8 - len("--x99999").
_LONGEST_NAME: Final = 20


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run as somebody asks for it."""

    kind: RunKind
    strategy: Strategy
    named: str  #: how it is found again: its name, or the path of its file
    parameters: msgspec.Struct
    settings: Settings  #: as the heart has them
    database: Path  #: beside which journal, mode and runs are
    data: str  #: "observed" or "demo"
    is_lab: bool = False  #: the exchange is a lab on this machine: live is armed there without being asked for
    seed: int = 1  #: of latencies that are drawn on paper
    adopts: bool = False  #: a position that no run of the journal opened is taken over, and not refused


class Opening:
    """Begins one run.

    Args:
        wanted: which.
        journal: of its kind, open; nobody's yet.
        account: at the exchange; None on paper.
        recording: what the feed is recorded to.
        clock: market time.
        announce: told what a person should know.
        fail: told what the run cannot go on with.
    """

    def __init__(
        self,
        wanted: Wanted,
        journal: Journal,
        account: Account | None,
        *,
        recording: Path,
        clock: MarketClock,
        announce: Callable[[str], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._wanted = wanted
        self._journal = journal
        self._account = account
        self._recording = recording
        self._clock = clock
        self._announce = announce
        self._fail = fail
        self._limits: Chosen = chosen(wanted.settings.risk, now_ms=wall_ns() // _MS_NS)

    async def __call__(self, venue: Venue, http: Http, instrument: Instrument, feed: LiveFeed) -> TradingPart:
        """Begin.

        Raises:
            ConfigError: the contract, or the key, is not what it has to be.
            DataError: the contract cannot be traded.
            StoreError: another process trades this account, or the journal cannot be written.
            VenueError: the account cannot be told.
        """
        wanted, journal = self._wanted, self._journal
        account = f"paper:{wanted.strategy.name}:{instrument.id}" if self._account is None else self._account.name
        journal.take(account, wall_ns() / 1e9, wanted.settings.trade.lease_s)
        run, since_ms = self._begun(account, instrument)
        setup = await self._setup(run, venue, http, instrument)
        setups.write(setup, self._recording)
        warmed(setup, wanted.strategy)
        latency = Latency(lambda: self._clock.rate, is_sent=self._account is not None)
        exchange = (
            None
            if self._account is None
            else self._account.exchange(
                instrument, http, journal, run, feed, leverage=setup.risk.leverage, stepped=latency.stepped
            )
        )
        warnings = await self._warnings()
        part = TradingPart(
            setup,
            wanted.strategy,
            journal=journal,
            feed=feed,
            watcher=self._watcher(instrument, since_ms),
            exchange=exchange,
            latency=latency,
            now_ns=self._clock.now_ns,
            recording=self._recording,
            fail=self._fail,
            warnings=warnings,
        )
        journal.renew(wall_ns() / 1e9)  # getting ready takes a while
        resumed = await self._resumed(setup, venue, http, exchange)
        self._say(run, resumed)
        part.begin(resumed)
        return part

    def _watcher(self, instrument: Instrument, since_ms: int) -> Watcher:
        wanted = self._wanted
        trade, strategy = wanted.settings.trade, wanted.strategy.name
        return Watcher(wanted.database, trade, wanted.kind, strategy, instrument.id, since_ms)

    async def _warnings(self) -> list[str]:
        """What a person should know of the run; said, and shown with it."""
        needs, found = self._wanted.strategy.needs, list(self._limits.warnings)
        if Needs.FORECAST in needs and not self._wanted.settings.inference.model:
            found.append("no model is set (inference.model): climatology is forecast, which has no edge, and no trades")
        if self._account is not None:
            found += await self._account.warnings()
        for words in found:
            self._announce(f"warning: {words}")
        return found

    def _begun(self, account: str, instrument: Instrument) -> tuple[JournalRun, int]:
        """The run that an earlier process left unfinished, or a new one; and when it last told of itself, epoch ms."""
        wanted, journal = self._wanted, self._journal
        now_ms = wall_ns() // _MS_NS
        left = journal.unfinished(account, instrument.id, wanted.strategy.name)
        if wanted.kind is RunKind.LIVE:
            self._refuse_unarmed(instrument, now_ms, is_left=left is not None)
        run = JournalRun(
            id=setups.fresh_id() if left is None else left.id,
            kind=wanted.kind,
            account=account,
            strategy=wanted.strategy.name,
            instrument=instrument.id,
            parameters=numbers(wanted.strategy, wanted.parameters),
            begun_ms=now_ms if left is None else left.begun_ms,
            data=wanted.data,
        )
        journal.begin(run)
        if left is None:
            return run, now_ms
        with JournalReader(journal.path) as reader:
            pages = [page for page in reader.statuses() if page.run == run.id]
        return run, pages[0].at_ms if pages else left.begun_ms

    def _refuse_unarmed(self, instrument: Instrument, now_ms: int, *, is_left: bool) -> None:
        """Nothing begins that may open nothing; what was left is taken up all the same, to protect and to close it.

        Raises:
            ConfigError: live is not armed for this.
        """
        wanted = self._wanted
        trade, strategy = wanted.settings.trade, wanted.strategy.name
        if wanted.is_lab:
            arm(wanted.database, trade, strategy, instrument.id)
            return
        state = trading_mode.read(wanted.database, trade)
        if armed_until(state, instrument.id, strategy, now_ms) is None and not is_left:
            raise ConfigError(
                "live-not-armed",
                f"live is not armed for {strategy} on {instrument.symbol}",
                hint=f"perpscope trade arm {instrument.symbol} --strategy {strategy} --live",
            )

    async def _setup(self, run: JournalRun, venue: Venue, http: Http, instrument: Instrument) -> RunSetup:
        wanted, limits = self._wanted, self._limits
        tables = await catalogue.margin_tables(venue, http, [instrument])
        settings = wanted.settings
        return RunSetup(
            run=run.id,
            kind=wanted.kind,
            account=run.account,
            strategy=wanted.strategy.name,
            named=wanted.named,
            parameters=run.parameters,
            instrument=instrument,
            tiers=tables[instrument.id].tiers,
            tiers_source=tables[instrument.id].source,
            risk=setups.limits_of(limits, wanted.strategy, self._clock.rate),
            is_strict=limits.is_strict,
            costs=settings.costs,
            stop=settings.trade.stop,
            seed=wanted.seed,
            silent_after_s=settings.feed.silent_after_s * self._clock.rate,
            data=wanted.data,
            begun_ms=wall_ns() // _MS_NS,
        )

    async def _resumed(self, setup: RunSetup, venue: Venue, http: Http, exchange: LiveExchange | None) -> Resumed:
        """What the desk begins with: the market's past, the account, and what risk remembers."""
        store, now_ns = self._wanted.database, self._clock.now_ns()
        candles = await candles_before(venue, http, setup.instrument, store, now_ns)
        if exchange is None:
            deposit = Decimal(repr(setup.risk.deposit))
            found = taken_up(self._journal, setup.run, setup.instrument, self._clock.now_ns(), deposit)
        else:
            await self._refuse_what_others_hold(setup, exchange)
            found = await exchange.start()
            found = msgspec.structs.replace(found, risk=self._journal.remembered(setup.run))
        return msgspec.structs.replace(found, candles=candles)

    async def _refuse_what_others_hold(self, setup: RunSetup, exchange: LiveExchange) -> None:
        """Touch nothing of a position that this run cannot have opened, unless it is to be taken over.

        Raises:
            ConfigError: "position-not-ours".
            VenueError: what is held cannot be told.
        """
        if self._wanted.adopts or self._journal.orders(setup.run):
            return
        try:
            held = await exchange.held()
            if held:
                raise ConfigError(
                    "position-not-ours",
                    f"the account holds {held:f} of {setup.instrument.symbol}, which no run of this journal opened",
                    hint="close it at the exchange, or add --adopt: it is then protected, and closed, as one of ours",
                )
        except BaseException:
            await exchange.aclose()
            raise

    def _say(self, run: JournalRun, resumed: Resumed) -> None:
        """What it begins with, in words."""
        self._announce(f"run {run.id} · {run.strategy} on {run.instrument} · {len(resumed.candles)} candles behind it")
        if resumed.position or resumed.orders:
            held = f"{resumed.position:f} at {resumed.entry_price}" if resumed.position else "nothing"
            self._announce(f"taken up again: holds {held}, {len(resumed.orders)} orders stand")


def the_one(instruments: Sequence[Instrument]) -> Instrument:
    """The one contract of a run.

    Raises:
        ConfigError: none or several are meant, or it ends some day.
    """
    if len(instruments) != 1 or not instruments[0].is_perpetual:
        names = ", ".join(one.symbol for one in instruments) or "none"
        raise ConfigError("option-value", f"a run is on one perpetual contract, not on {names}", hint="--symbol BTC")
    return instruments[0]


def holder() -> str:
    """Who writes a journal, as others will read it."""
    return f"trader {os.getpid()} on {socket.gethostname()}"
