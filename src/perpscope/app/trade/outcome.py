"""What a run on paper or live came to, as a `Run` beside the backtests: from its own recordings.

In: the recordings of a run, one a process, in order. Each is run again; what its desk wrote down is joined and measured
as any backtest is. Out: the run, with what only such a run can tell: how much of what was ordered was filled, what
fills cost beside what the cost model says, and what nobody has settled. The honesty gate reads it (app/risk_report).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isfinite, sqrt
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_tiers import tier_table
from perpscope.app.backtest.keeping import keep
from perpscope.app.backtest.material import Event, Kind, Material, named
from perpscope.app.backtest.outcome import Known, Piece, told
from perpscope.app.backtest.played import Drain, Played, Setup
from perpscope.app.risk_profiles import Chosen
from perpscope.app.trade.replaying import Replayed, replayed
from perpscope.app.trade.setup import RunSetup, read, strategy_of
from perpscope.config import convert
from perpscope.engine.taping import tape_of
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.errors import DataError
from perpscope.execution.rules import largest
from perpscope.model.market import Interval, MarkPrice, Tick
from perpscope.model.order import LARGEST, Arrival, Fill, OrderKind, OrderRequest, Role, Standing
from perpscope.model.run import Run, RunKind
from perpscope.settings import Settings
from perpscope.trading.desk import Desk
from perpscope.trading.kernel import Logs
from perpscope.trading.layout import MONEY
from perpscope.trading.strategy import Needs
from perpscope.trading.units import Units
from perpscope.trading.watch import daily

_MINUTE_NS: Final = 60_000_000_000


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was taken together, and how it was run again."""

    run: Run
    pieces: list[Replayed]  #: one a process, in order


class _Seen:
    """What is looked at while one recording is run again."""

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        self._desk: Desk  # from the first event on, as is the next
        self._drain: Drain | None = None
        self._ticked = 0  # ns UTC, of the newest Tick
        self.prices: list[MarkPrice] = []  # one a minute
        self.from_ns = self.to_ns = 0
        self.whole_ns = 0  # market time in which nothing was known to be missing
        self.modelled = 0.0  # quote units: what the cost model says these fills cost against the mid
        self.wished: dict[str, Decimal] = {}  # sizes of orders to be filled at once, by id
        self.filled: dict[str, Decimal] = {}
        self.larger: set[str] = set()  # ids of orders larger than the exchange takes: it got less
        self.fees_unknown = 0  # fills whose fee was paid in a coin of unknown worth
        self.is_mismatched = False

    def hear(self, event: Arrival, trader: Trader) -> None:
        """Look at the desk before it takes an event."""
        if self._drain is None:
            self._desk, self._drain = trader.desk, Drain(trader.desk)
            self.from_ns = event.ts_recv
        self._drain.take()
        if isinstance(event, Standing):
            self.is_mismatched = event.is_mismatched
        elif isinstance(event, Fill):
            self.fees_unknown += not event.is_fee_known
        elif isinstance(event, Tick):
            self._tick(event.ts_recv)

    def saw(self, one: Told) -> None:
        """Count what was ordered, and what was filled of it."""
        if isinstance(one, OrderRequest) and one.kind in (OrderKind.MARKET, OrderKind.LIMIT):
            self.wished[one.id] = one.size
            most = largest(self._setup.instrument, one.kind) if self._setup.kind is RunKind.LIVE else None
            if most is not None and one.size > most:
                self.larger.add(one.id)
        elif isinstance(one, Fill):
            self.filled[one.order] = self.filled.get(one.order, Decimal(0)) + one.size
            if not one.is_maker and one.role is not Role.LIQUIDATED:
                self.modelled += self._cost(float(one.size * one.price))

    def logs(self) -> Logs:
        """Everything the desk wrote down.

        Raises:
            DataError: nothing was heard ("run-empty").
        """
        if self._drain is None or not self.prices:
            raise DataError(
                "run-empty",
                f"the recording of run {self._setup.run} holds no market: there is nothing to measure",
                hint="let it run for longer than a second",
            )
        return self._drain.logs()

    def _tick(self, now: int) -> None:
        watch = self._desk[0]["watch"]
        if self._ticked and int(watch["gap_at"]) == 0:
            self.whole_ns += now - self._ticked
        self._ticked = self.to_ns = now
        mark, last = float(watch["mark"]), float(watch["last"])
        price = mark if mark > 0.0 else last
        if not price > 0.0:
            return
        if self.prices and now // _MINUTE_NS == self.prices[-1].ts_recv // _MINUTE_NS:
            del self.prices[-1]
        self.prices.append(MarkPrice(self._setup.instrument.id, now, now, price, None, None, None))

    def _cost(self, notional: float) -> float:
        """What a taker of so much pays against the mid, quote units: half the spread, and the impact (METHOD 12.4)."""
        d = self._desk[0]
        sigma, volume = daily(d["watch"])
        impact = float(d["costs"]["impact"]) * sigma * sqrt(notional / volume) if volume > 0.0 else 0.0
        return notional * (float(d["costs"]["half_spread"]) + (impact if isfinite(impact) else 0.0))


def outcome(recordings: Sequence[Path], *, incidents: int = 0) -> Ended:
    """A run on paper or live, taken together.

    Args:
        recordings: of its processes, in order; the setup of each stands beside it.
        incidents: what was found beside the recordings and nobody has settled, e.g. orders of an unknown end.

    Raises:
        DataError: one is no recording of a run, or holds no market.
        ConfigError: the strategy or venue is not there any more.
    """
    pieces: list[Replayed] = []
    seen: list[_Seen] = []
    for recording in recordings:
        looking = _Seen(read(recording))
        pieces.append(replayed(recording, looking.hear, looking.saw))
        seen.append(looking)
    return Ended(run=_run(pieces, seen, [path.name for path in recordings], incidents), pieces=pieces)


def kept(recordings: Sequence[Path], store: Path, *, incidents: int = 0) -> Ended:
    """As `outcome`, and the run is kept beside a store, under its own id.

    Raises:
        DataError: as `outcome`.
        ConfigError: likewise.
        StoreError: it cannot be kept.
    """
    found = outcome(recordings, incidents=incidents)
    return msgspec.structs.replace(found, run=keep(found.run, store, found.run.summary.id))


def _run(pieces: Sequence[Replayed], seen: Sequence[_Seen], names: list[str], incidents: int) -> Run:
    """The processes of a run joined, and measured as a backtest is."""
    setup, account = pieces[-1].setup, pieces[-1].desk[0]["account"]
    strategy = strategy_of(setup)
    logs = [looked.logs() for looked in seen]
    deposit = int(account["deposit"]) / MONEY
    limits = Chosen(
        name="", risk=msgspec.structs.replace(setup.risk, deposit=deposit), is_strict=setup.is_strict, warnings=[]
    )
    joined = Logs(*(np.concatenate([getattr(one, name) for one in logs]) for name in Logs.__struct_fields__))
    material = _material(setup, seen, names)
    played = Setup(
        strategy=strategy,
        parameters=convert(dict(setup.parameters), strategy.parameters, f"strategy.{strategy.name}", {}),
        material=material,
        settings=Settings(costs=setup.costs, risk=limits.risk),
        seed=setup.seed,
    )
    run = told([Piece(played, Played(pieces[-1].desk, joined, limits))], material, "events", Known())
    unsettled = incidents + sum(looked.is_mismatched for looked in seen[-1:])
    summary = msgspec.structs.replace(run.summary, id=setup.run, kind=setup.kind)
    figures = {**run.performance, **_own(seen), "incidents_unsettled": float(unsettled)}
    return msgspec.structs.replace(run, summary=summary, performance=figures)


def _material(setup: RunSetup, seen: Sequence[_Seen], names: list[str]) -> Material:
    """The market of a run as its desk saw it: a price a minute."""
    instrument, units = setup.instrument, Units.of(setup.instrument)
    prices = [price for looked in seen for price in looked.prices]
    tape = tape_of(prices, units, instrument.id)
    from_ns, to_ns = seen[0].from_ns, seen[-1].to_ns
    whole = sum(looked.whole_ns for looked in seen)
    return Material(
        instrument=instrument,
        tiers=tier_table(setup.tiers),
        kind=Kind.FRAMES,
        offers=Needs(0),
        source=_Told(prices),
        tape=tape,
        from_ns=from_ns,
        to_ns=to_ns,
        coverage=min(1.0, whole / (to_ns - from_ns)) if to_ns > from_ns else 0.0,
        data=setup.data,
        data_hash=named(instrument, tape),
        has_receipts=True,
        interval_ns=0,
        candles=Interval.M1,
        sources=names,
        notes=[f"margin tiers: {setup.tiers_source}", *_smaller(seen)],
    )


def _smaller(seen: Sequence[_Seen]) -> list[str]:
    """What to know of sizes that were decided, and not sent."""
    count = len(set().union(*(looked.larger for looked in seen)))
    return [f"{count} orders were larger than the exchange takes: less was sent (bound: {LARGEST})"] if count else []


class _Told(msgspec.Struct, frozen=True):
    """A `Source` of what is there."""

    prices: list[MarkPrice]

    def events(self) -> Iterator[Event]:
        """Every price."""
        return iter(self.prices)


def _own(seen: Sequence[_Seen]) -> dict[str, float | None]:
    """What only a run on paper or live tells: see docs/trading.md."""
    wished = {order: size for looked in seen for order, size in looked.wished.items()}
    filled: dict[str, Decimal] = {}
    for looked in seen:
        for order, size in looked.filled.items():
            filled[order] = filled.get(order, Decimal(0)) + size
    whole = sum(filled.get(order, Decimal(0)) >= size for order, size in wished.items())
    return {
        "orders": float(len(wished)),
        "fill_rate": whole / len(wished) if wished else None,
        "slippage_modelled": sum(looked.modelled for looked in seen),
        "fees_unknown": float(sum(looked.fees_unknown for looked in seen)),
    }
