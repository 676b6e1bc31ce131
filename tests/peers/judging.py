"""Compares what a client's program read (`reading.py`) with what happened (`truth.py`): every row of every kind.

A kind that nobody judges is an error. Sizes are compared in base units, whatever the client calls them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from perpscope.model.market import Interval, PositionSide
from tests.peers.truth import Print, Truth, is_run_of

_REST_WINDOW_MS = 60_000  #: a reply may be as old as that, in market time, on a busy machine
_HOUR_MS = 3_600_000
_CLOSED = {"long": PositionSide.LONG, "short": PositionSide.SHORT}

Rows = list[list[Any]]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's figures mean on a venue, where that is not what the names say; each is in docs/lab.md."""

    is_in_contracts: bool = False  #: sizes and open interest
    sides: float = 1.0  #: how many sides of the open interest are counted
    is_fill_told: bool = False  #: a liquidation's price is that of the fill, else the bankruptcy price
    stamped_within_ms: int = 0  #: trades and books, from their moment
    liquidated_within_ms: int = 0  #: liquidations, from theirs
    paid_within_ms: int = 0  #: payments of funding, from theirs
    counted_after_ms: int = 0  #: past open interest, named by the beginning of its period
    window_ms: int = 1000  #: what is told may be so old


class Judge:
    """Judges what was read of one base.

    Args:
        truth: what happened to it.
        terms: how the client's figures are to be taken.
    """

    def __init__(self, truth: Truth, terms: Terms) -> None:
        self._truth = truth
        self._terms = terms
        self._tick = float(truth.instrument.tick_size or 0)
        self._step = float(truth.instrument.step_size or 0)
        self._unit = float(truth.instrument.contract_size) if terms.is_in_contracts else 1.0
        self._judges: dict[str, Callable[[Rows], None]] = {
            "trades": self._trades,
            "rest_trades": self._trades,
            "books": lambda rows: self._books(rows, terms.window_ms),
            "rest_books": lambda rows: self._books(rows, _REST_WINDOW_MS),
            "quotes": self._quotes,
            "tops": self._tops,
            "mids": self._mids,
            "lasts": self._lasts,
            "candles_1m": lambda rows: self._candles(rows, Interval.M1),
            "candles_15m": lambda rows: self._candles(rows, Interval.M15),
            "marks": self._marks,
            "indices": lambda rows: self._near(rows, [m.index or 0.0 for m in truth.marks.values()], self._tick),
            "rates": lambda rows: self._near(rows, [m.funding_rate or 0.0 for m in truth.marks.values()], 1e-8),
            "open_interests": self._open_interests,
            "both_sides": self._both_sides,
            "censuses": self._censuses,
            "payments": self._payments,
            "ratios": self._ratios,
            "liquidations": self._liquidations,
            "diffs": self._diffs,
            "listed": self._listed,
        }

    def judge(self, read: dict[str, Rows]) -> dict[str, int]:
        """How many rows of each kind there were, all of them true."""
        for kind, rows in read.items():
            self._judges[kind](rows)
        return {kind: len(rows) for kind, rows in read.items()}

    # trades and books ----------------------------------------------------------------------------------------------

    def _size(self, size: Any) -> float:  # noqa: ANN401 (of JSON)
        return round(float(size) * self._unit, 9)

    def _trades(self, rows: Rows) -> None:
        """An unbroken run of what happened."""
        prints: list[Print] = [(ms, round(price, 9), self._size(size), side) for ms, price, size, side in rows]
        assert is_run_of(prints, self._truth.trades, self._terms.stamped_within_ms)

    def _books(self, rows: Rows, window_ms: int) -> None:
        """Each is one that was, at its own time."""
        was = self._truth.books([ms for ms, _, _ in rows], window_ms, self._terms.stamped_within_ms)
        for ms, *sides in rows:
            bids, asks = ([(round(price, 9), self._size(size)) for price, size in side] for side in sides)
            depth = min(len(bids), len(asks))
            assert depth >= 5, ms
            assert (bids[:depth], asks[:depth]) in [(b[:depth], a[:depth]) for b, a in was[ms]], ms

    def _quotes(self, rows: Rows) -> None:
        for bid, bid_size, ask, ask_size in rows:
            assert (bid, self._size(bid_size), ask, self._size(ask_size)) in self._truth.quotes

    def _tops(self, rows: Rows) -> None:
        assert {(bid, ask) for bid, ask in rows} <= {(bid, ask) for bid, _, ask, _ in self._truth.quotes}

    def _mids(self, rows: Rows) -> None:
        self._near(rows, [(bid + ask) / 2 for bid, _, ask, _ in self._truth.quotes], self._tick)

    def _lasts(self, rows: Rows) -> None:
        assert {price for (price,) in rows} <= {price for _, price, _, _ in self._truth.trades}

    def _diffs(self, rows: Rows) -> None:
        """Each goes on where the one before ended."""
        assert all(after[0] == before[1] for before, after in pairwise(rows))

    def _candles(self, rows: Rows, interval: Interval) -> None:
        """Each is a state its candle was in; what was before the start is made up."""
        states = self._truth.candles(interval)
        known = [row for row in rows if row[0] >= min(states)]
        assert known
        for opened, *prices, volume in known:
            state = (*(round(price, 9) for price in prices), round(volume, 5))
            assert state in states[opened], (opened, *state)

    # prices and holdings -------------------------------------------------------------------------------------------

    def _near(self, rows: Iterable[Sequence[float]], among: Iterable[float], within: float) -> None:
        """Each is one of these, but for how it was rounded."""
        known = sorted(among)
        for (value,) in rows:
            at = bisect_left(known, value)
            assert any(abs(value - near) <= within * 1.000001 for near in known[max(0, at - 1) : at + 1]), value

    def _marks(self, rows: Rows) -> None:
        """Mark, index and rate are those of one second: the one it tells, if it tells one."""
        for told, mark, index, rate in rows:
            near = [
                event
                for ms, event in self._truth.marks.items()
                if told is None or -1000 < told - ms <= self._terms.window_ms
            ]
            assert any(
                abs(mark - event.mark) <= self._tick
                and (index is None or abs(index - (event.index or 0.0)) <= self._tick)
                and (rate is None or abs(rate - (event.funding_rate or 0.0)) <= 1e-8)
                for event in near
            ), (told, mark, index, rate)

    def _open_interests(self, rows: Rows) -> None:
        known = [value * self._terms.sides for value in self._truth.open_interests.values()]
        self._near([(value * self._unit,) for (value,) in rows], known, self._step * self._terms.sides)

    def _both_sides(self, rows: Rows) -> None:
        """Two figures of one moment, the first of both sides, the second of one."""
        assert all(abs(both - 2 * one) <= 2 * self._step for both, one in rows)

    def _censuses(self, rows: Rows) -> None:
        """Past open interest, by its moment."""
        for ms, value in rows:
            census = self._truth.open_interests[ms + self._terms.counted_after_ms]
            assert abs(value - census) <= self._step, ms

    def _payments(self, rows: Rows) -> None:
        """Funding that was paid."""
        for ms, rate in rows:
            assert any(
                abs(ms - payment.ts // 1_000_000) <= self._terms.paid_within_ms and abs(rate - payment.rate) <= 1e-9
                for payment in self._truth.fundings
            ), (ms, rate)

    def _ratios(self, rows: Rows) -> None:
        """The longs' fraction of accounts, of hours that were."""
        for ms, fraction in rows:
            assert any(
                abs(hour.ts // 1_000_000 - ms) <= _HOUR_MS and abs(hour.long_fraction - fraction) <= 1e-4
                for hour in self._truth.hours
            ), (ms, fraction)

    def _liquidations(self, rows: Rows) -> None:
        """Each was one: its moment, size, whose position, and the price."""
        for ms, size, closed, price in rows:
            prices = [
                fill if self._terms.is_fill_told else bankruptcy
                for (at, amount, side), (fill, bankruptcy) in self._truth.liquidations.items()
                if (amount, side) == (self._size(size), _CLOSED[closed])
                and abs(at - ms) <= self._terms.liquidated_within_ms
            ]
            assert any(abs(price - (one or 0.0)) <= self._tick for one in prices), (ms, size, closed, price)

    def _listed(self, rows: Rows) -> None:
        for tick, lot in rows:
            assert tick is None or abs(tick - self._tick) < 1e-12
            assert abs(lot - self._step) < 1e-12
