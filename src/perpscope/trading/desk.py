"""A desk: how it is made, and how people read what stands on it.

In: a strategy with its parameters, the contract's units and margin tiers, costs and a deposit. Out: the record of
`layout.DESK`, which the kernel changes; and, by `DeskView`, what stands there as opinions, wishes, facts and sums of
facts of `model.order`, in `Decimal`.
"""

import collections
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import PositionSide, Side
from perpscope.model.order import Fill, OrderKind, OrderRequest, Position, Role, Signal
from perpscope.trading import account, layout
from perpscope.trading.compiling import blank, loops
from perpscope.trading.layout import DECISION, DESK, FILL, KEPT_DECISIONS, KEPT_FILLS, NUMBERS, ORDER, SLOTS
from perpscope.trading.refusals import REFUSALS
from perpscope.trading.strategy import Record, Strategy
from perpscope.trading.units import Units, write_tiers

Desk = NDArray[np.void]

_UNKNOWN: Final = (
    *("forming_open", "forming_high", "forming_low", "forming_close", "last", "bid", "ask", "mark", "index"),
    *("funding_rate", "open_interest", "imbalances", "spread_ewma", "above_price", "below_price", "pull"),
    *("p_up", "p_down", "edge", "taker_buys"),
)
_SIDES: Final = {1: Side.BUY, -1: Side.SELL}
_POSITIONS: Final = {layout.LONG: PositionSide.LONG, layout.SHORT: PositionSide.SHORT}
#: By number of `layout`.
_KINDS: Final = (OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP, OrderKind.TAKE)
_ROLES: Final = (Role.ENTRY, Role.LEAVE, Role.PROTECT, Role.PROFIT, Role.LIQUIDATED, Role.FLATTEN)


def opened(
    strategy: Strategy,
    parameters: msgspec.Struct,
    units: Units,
    tiers: TierTable,
    costs: NDArray[np.void],
    *,
    deposit: Decimal,
    leverage: float = 1.0,
    closing_fee: float = 0.0,
    has_candles: bool = True,
    is_simulated: bool = True,
) -> Desk:
    """A desk on which nothing has happened yet; it observes until `risk.limited` writes limits into it.

    Args:
        strategy: what is asked.
        parameters: its own, an instance of `strategy.parameters`.
        units: of the contract.
        tiers: maintenance margin.
        costs: one record of `layout.COSTS`; see `fees.costs_of`.
        deposit: quote units.
        leverage: of positions, multiple.
        closing_fee: what the venue counts beside maintenance margin, fraction of notional.
        has_candles: closed candles come by themselves; else they are made of trades.
        is_simulated: the desk's own exchange fills its orders; else fills come as events.

    Raises:
        ValueError: more parameters than a desk holds.
        DataError: tiers-too-many.
    """
    numbers = strategy.numbers(parameters)
    if numbers.size > NUMBERS:
        raise ValueError(f"{strategy.name} has {numbers.size} parameters, a desk holds {NUMBERS}")
    desk = blank(DESK)
    d = desk[0]
    _opened(d["account"], units, deposit, leverage)
    write_tiers(d["account"], tiers, closing_fee)
    d["parameters"][: numbers.size] = numbers
    d["watch"]["has_candles"], d["is_simulated"] = has_candles, is_simulated
    d["is_asked_each_second"] = strategy.is_asked_each_second
    d["costs"], d["due"] = costs[0], layout.NEVER
    for name in _UNKNOWN:
        d["watch"][name] = np.nan
    return desk


def _opened(own: Record, units: Units, deposit: Decimal, leverage: float) -> None:
    units.fill(own)
    own["deposit"] = own["cash"] = units.money(deposit)
    own["entry"] = own["best"] = own["worst"] = np.nan
    own["leverage"] = leverage


def _rows(name: str, dtype: "np.dtype[np.void]") -> Any:  # noqa: ANN401 -- its fields are the layout's
    return collections.namedtuple(name, dtype.names or ())


_FILL, _DECISION, _ORDER = _rows("_Fill", FILL), _rows("_Decision", DECISION), _rows("_Order", ORDER)


class _Ring:
    """Rows of one kind, read as Python's numbers: numpy takes four times as long for a whole record."""

    def __init__(self, rows: NDArray[np.void], named: Any) -> None:  # noqa: ANN401 -- one of the above
        self._whole = rows.view(np.int64).reshape(rows.size, -1)
        self._broken = rows.view(np.float64).reshape(rows.size, -1)
        names = rows.dtype.names or ()
        self._places = [at for at, name in enumerate(names) if rows.dtype[name].kind == "f"]
        self._named = named

    def __getitem__(self, place: int) -> Any:  # noqa: ANN401 -- one of the above
        row, broken = self._whole[place].tolist(), self._broken[place].tolist()
        for at in self._places:
            row[at] = broken[at]
        return self._named._make(row)


class DeskView:
    """Reads a desk as `model.order` has it.

    Args:
        desk: as `opened` made it.
        strategy: whose names for reasons and rules are used.
        instrument: what is traded.
        units: of its contract.
        run: what orders' ids begin with.
    """

    def __init__(
        self, desk: Desk, strategy: Strategy, instrument: InstrumentId, units: Units, run: str = "run"
    ) -> None:
        self._array, self._desk = desk, desk.view(np.ndarray)[0]
        self._counts = {name: desk[name] for name in ("fills", "decisions", "orders_made")}
        self._now = desk["watch"]["now"]
        self._fills = _Ring(self._desk["kept_fills"], _FILL)
        self._decisions = _Ring(self._desk["kept_decisions"], _DECISION)
        self._orders = _Ring(self._desk["orders"], _ORDER)
        self._states, self._ids = self._desk["orders"]["state"], self._desk["orders"]["id"]
        self._strategy = strategy
        self._instrument = instrument
        self._units = units
        self._run = f"{run}-{strategy.name}-"

    def order_id(self, number: int) -> str:
        """Made of run, strategy and number: the same order has the same; empty for 0, a liquidation."""
        return f"{self._run}{number}" if number else ""

    @property
    def fill_count(self) -> int:
        """Fills so far."""
        return int(self._counts["fills"].item())

    @property
    def decision_count(self) -> int:
        """Decisions so far, near misses among them."""
        return int(self._counts["decisions"].item())

    @property
    def order_count(self) -> int:
        """Orders so far; the newest has this number."""
        return int(self._counts["orders_made"].item())

    @property
    def wallet(self) -> Decimal:
        """Cash and margin, without what an open position has gained; quote units."""
        held = self._desk["account"]
        return self._units.amount(int(held["cash"]) + int(held["margin"]))

    def fills(self, since: int = 0) -> list[Fill]:
        """Fills from number `since` on, oldest first; no more than `layout.KEPT_FILLS` are kept."""
        count = self.fill_count
        rows = range(max(since, count - KEPT_FILLS), count)
        return [self._fill(self._fills[number % KEPT_FILLS]) for number in rows]

    def fill(self, row: np.void) -> Fill:
        """A record of `layout.FILL` as a fact."""
        return self._fill(_FILL._make(row.item()))

    def _fill(self, told: Any) -> Fill:  # noqa: ANN401 -- a row of a ring
        return Fill(
            order=self.order_id(told.order),
            instrument=self._instrument,
            ts_event=told.ts,
            ts_recv=self._now.item(),
            side=_SIDES[told.side],
            price=self._units.price(told.price),
            size=self._units.size(told.size),
            fee=self._units.amount(told.fee),
            is_maker=bool(told.is_maker),
            role=_ROLES[told.role],
        )

    def signals(self, since: int = 0) -> list[Signal]:
        """Decisions from number `since` on, oldest first; no more than `layout.KEPT_DECISIONS` are kept.

        The newest says what its entry rules looked at: asked for after each event, every one of them is the newest.
        """
        count = self.decision_count
        rows = range(max(since, count - KEPT_DECISIONS), count)
        told = [self._signal(self._decisions[number % KEPT_DECISIONS]) for number in rows]
        if told and self._strategy.figures and self._decisions[(count - 1) % KEPT_DECISIONS].answer != layout.EXIT:
            told[-1].values.update(self._seen())
        return told

    def signal(self, row: np.void) -> Signal:
        """A record of `layout.DECISION` as an opinion."""
        return self._signal(_DECISION._make(row.item()))

    def _signal(self, told: Any) -> Signal:  # noqa: ANN401 -- a row of a ring
        rules = self._strategy.entry_rules
        return Signal(
            instrument=self._instrument,
            ts_event=told.ts,
            ts_recv=told.ts,
            strategy=self._strategy.name,
            side=_POSITIONS.get(told.side if told.answer == layout.STAY else told.answer),
            why=self._strategy.reasons[told.why],
            failed=tuple(name for bit, name in enumerate(rules) if told.failed >> bit & 1) if told.failed else (),
            edge_bps=None if isnan(told.edge) else told.edge * 1e4,
            refusal=REFUSALS[told.refusal],
            values={"price": told.price, "stop": told.stop},
        )

    def _seen(self) -> dict[str, float]:
        """What the entry rules looked at last: of the newest decision, as long as it was no exit."""
        notes = self._desk["notes"][layout.NOTE_SEEN :].tolist()
        return {name: value for name, value in zip(self._strategy.figures, notes, strict=False) if isfinite(value)}

    def requests(self, since: int = 0) -> list[OrderRequest]:
        """Orders with a number above `since` that wait or work, in the order they were made."""
        numbers, states = self._ids.tolist(), self._states.tolist()
        wanted = [(numbers[k], k) for k in range(SLOTS) if numbers[k] > since and states[k] != layout.FREE]
        return [self._request(self._orders[k]) for _, k in sorted(wanted)]

    def request(self, row: np.void) -> OrderRequest:
        """A record of `layout.ORDER` as a wish."""
        return self._request(_ORDER._make(row.item()))

    def _request(self, told: Any) -> OrderRequest:  # noqa: ANN401 -- a row of a ring
        return OrderRequest(
            id=self.order_id(told.id),
            instrument=self._instrument,
            ts_recv=told.placed_at,
            side=_SIDES[told.side],
            size=self._units.size(told.size),
            kind=_KINDS[told.kind],
            role=_ROLES[told.role],
            price=None if told.kind == layout.MARKET else self._units.price(told.price),
            is_reducing=bool(told.is_reducing),
            ts_expires=told.expires_at or None,
            why=self._strategy.reasons[told.why],
        )

    def position(self) -> Position:
        """What is held."""
        held = self._desk["account"]
        size, liquidation = int(held["size"]), _liquidation_price(self._array)
        return Position(
            instrument=self._instrument,
            side=_POSITIONS.get(int(np.sign(size))),
            size=self._units.size(abs(size)),
            entry_price=None if size == 0 else Decimal(repr(float(held["entry"]))),
            margin=self._units.amount(int(held["margin"])),
            liquidation_price=None if isnan(liquidation) else float(liquidation),
            ts_opened=int(held["opened_at"]) if size else None,
        )


@loops
def _liquidation_price(desk: Desk) -> float:
    return account.liquidation_price(desk[0].account)
