"""The lab's market as tapes for the map's scorecard: what five venues tell, and the truth they do not tell.

In: a seed, days, a step. Out: tapes of bars as they were received (liquidations as each venue samples and delays them,
open interest late), closings by force at their true liquidation prices, and the true map each quarter hour.
"""

import hashlib
from importlib import import_module
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS, Bar
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder, leverage_ladder
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.windows import CELL, CELLS, Window
from perpscope.app.study.map_tapes import Forced, Tape
from perpscope.app.study.map_windows import windows
from perpscope.app.totals.causal import FLOOR_TRUST
from perpscope.lab.agents.exchange import Place
from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.steps import Setting, Step
from perpscope.lab.agents.truth import Table, told, true_map

_QUARTER_NS: Final = 15 * MINUTE_NS
#: Open interest is told so much later than it was, METHOD 13.1's longest.
_OPEN_INTEREST_LATE_NS: Final = 30_000_000_000
_MODULES: Final = "book crowd exchange habits liquidation market steps tiers traders truth world".split()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One market to be made and scored."""

    seed: int
    days: float
    dt_s: float
    agents: int
    bar_minutes: int


def score_seed(run: Run) -> tuple[dict[int, list[Window]], tuple[int, int]]:
    """Make a market and freeze its maps: windows by horizon, and from when to when (ns UTC)."""
    tapes = tapes_of(run)
    return windows(run.seed, tapes), (tapes[0].bars[0].ts, tapes[0].bars[-1].ts)


def parameters_hash(run: Run) -> str:
    """SHA-256 of every constant of the agent market and of the setting but its seed: what the score is of."""
    digest = hashlib.sha256()
    for name in _MODULES:
        module = import_module(f"perpscope.lab.agents.{name}")
        for key, value in sorted(vars(module).items()):
            if key.isupper() or (key.startswith("_") and key[1:].isupper()):
                digest.update(f"{name}.{key}={_plain(value)!r}\n".encode())
    digest.update(f"agents={run.agents} dt_s={run.dt_s}\n".encode())
    return digest.hexdigest()


def tapes_of(run: Run) -> list[Tape]:
    """Make the market and write down what is told and what is true."""
    setting = Setting(run.seed, agents=run.agents, dt_s=run.dt_s)
    market = AgentMarket(setting)
    recorded = _Recorder(market, run.bar_minutes)
    for _ in range(round(run.days * DAY_NS / 1e9 / run.dt_s)):
        recorded.take(market.step())
    liquidations = market.liquidations()
    prices = _true_prices(market.positions(), liquidations)
    ladders = (distance_ladder(), leverage_ladder(setting.tiers, price=setting.price))
    return [
        _tape(place, venue, recorded, (liquidations, prices), ladders) for venue, place in enumerate(setting.places)
    ]


class _Recorder:
    """Bars of every venue while the market runs, and its true map each quarter hour."""

    def __init__(self, market: AgentMarket, bar_minutes: int) -> None:
        self._market, self.lot = market, market.setting.lot
        self.length = bar_minutes * MINUTE_NS
        self.rows: list[Floats] = []  # (8, venues) a bar: low, high, close, volume, turnover, bought, held, funding
        self.ends: list[int] = []
        self.truth: dict[int, list[Floats]] = {}
        self._new()

    def _new(self) -> None:
        venues = len(self._market.setting.places)
        self._row = np.zeros((8, venues))
        self._row[0], self._row[6] = np.inf, np.nan

    def take(self, step: Step) -> None:
        """One step more."""
        row, mark = self._row, np.array(step.mark)
        bought, sold = np.array(step.bought) * self.lot, np.array(step.sold) * self.lot
        row[0], row[1], row[2] = np.minimum(row[0], mark), np.maximum(row[1], mark), mark
        row[3] += bought + sold
        row[4] += (bought + sold) * np.array(step.last)
        row[5] += bought
        left = self.length - step.ts % self.length
        if left % self.length >= _OPEN_INTEREST_LATE_NS:
            row[6] = np.array(step.open_interest) * self.lot
        row[7] = step.funding_rate
        if step.ts % self.length:
            return
        self.rows.append(row)
        self.ends.append(step.ts)
        self._new()
        if step.ts % _QUARTER_NS == 0:
            self.truth[step.ts] = self._true_cells(step.ts)

    def _true_cells(self, ts: int) -> list[Floats]:
        """Dollars by true liquidation price, (2, CELLS) of each venue."""
        market = self._market
        table = true_map(market.exchange, market.mark, ts)
        found = [np.zeros((2, CELLS)) for _ in market.setting.places]
        side = (table["side"] < 0).astype(np.int64)
        cell = np.where(side == 0, -table["bin"] - 1, table["bin"]).astype(np.int64)
        inside = (cell >= 0) & (cell < CELLS)
        for venue, cells in enumerate(found):
            mine = inside & (table["venue"] == venue)
            np.add.at(cells, (side[mine], cell[mine]), table["lots"][mine] * self.lot * float(market.mark[venue]))
            cells[0] *= np.exp(-CELL * np.arange(CELLS))
            cells[1] *= np.exp(CELL * np.arange(CELLS))
        return found


def _true_prices(positions: Table, liquidations: Table) -> Floats:
    """The liquidation price of the position each closing is of."""
    order = np.argsort(positions["serial"], kind="stable")
    serials = positions["serial"][order]
    place = np.searchsorted(serials, liquidations["serial"], side="right") - 1
    return np.asarray(positions["liquidation_price"][order][place], np.float64)


def _tape(
    place: Place, venue: int, recorded: _Recorder, closings: tuple[Table, Floats], ladders: tuple[Ladder, ...]
) -> Tape:
    table, prices = closings
    mine = np.flatnonzero(table["venue"] == venue)
    heard = told(table, venue, place)
    late = round(place.told_after_s * 1e9)
    published = _forced(table, heard, np.asarray(table["mark"][heard], np.float64), recorded.lot, late)
    ends = np.array(recorded.ends, np.int64)
    amounts = np.zeros((2, ends.size))
    at = np.searchsorted(ends, published.ts)
    known = at < ends.size
    np.add.at(amounts, (published.side[known], at[known]), (published.usd / published.price)[known])
    rows = np.array(recorded.rows)[:, :, venue]
    return Tape(
        venue=place.venue,
        ladders=ladders,
        bars=_bars(ends, rows, amounts, FLOOR_TRUST[place.completeness]),
        bought=rows[:, 5] / np.maximum(rows[:, 3], 1e-300),
        told=published,
        forced=_forced(table, mine, prices[mine], recorded.lot, 0),
        truth={ts: cells[venue] for ts, cells in recorded.truth.items()},
    )


def _forced(table: Table, rows: NDArray[np.int64], prices: Floats, lot: float, late_ns: int) -> Forced:
    order = rows[np.argsort(table["ts"][rows], kind="stable")]
    price = prices[np.argsort(table["ts"][rows], kind="stable")]
    return Forced(
        ts=np.asarray(table["ts"][order] + late_ns, np.int64),
        side=(table["side"][order] < 0).astype(np.int64),
        price=price,
        usd=np.asarray(table["lots"][order] * lot * price, np.float64),
    )


def _bars(ends: NDArray[np.int64], rows: Floats, liquidated: Floats, trust: float) -> list[Bar]:
    return [
        Bar(
            ts=end,
            low=row[0],
            high=row[1],
            close=row[2],
            vwap=row[4] / row[3] if row[3] > 0.0 else float("nan"),
            volume=row[3],
            open_interest=row[6],
            liquidated_long=long,
            liquidated_short=short,
            trust=trust,
            funding_8h=row[7],
        )
        for end, row, long, short in zip(ends.tolist(), rows.tolist(), *liquidated.tolist(), strict=True)
    ]


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value
