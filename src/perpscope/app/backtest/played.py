"""A strategy walked over a material: by compiled loops, or event by event, with what it wrote down.

Both paths change the same desk through the same functions; `differences` says where two records of one run are not
the same to the last digit, and `run_hash` names a run by all that made it and all it did.
"""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics import margin_venues
from perpscope.app.backtest.asking import Path
from perpscope.app.backtest.material import Kind, Material
from perpscope.app.risk_profiles import Chosen, chosen
from perpscope.engine.trader import Trader
from perpscope.errors import ConfigError, DataError
from perpscope.settings import Settings
from perpscope.trading import risk
from perpscope.trading.desk import Desk, opened
from perpscope.trading.fees import costs_of
from perpscope.trading.kernel import Logs, kernel
from perpscope.trading.layout import KEPT_DECISIONS, KEPT_FILLS, KEPT_POINTS
from perpscope.trading.strategy import Needs, Strategy
from perpscope.trading.tape import BOOK, CLEAR, LAST_LEVEL, MARK, Tape

_PAPER: Final = 1  #: index of `risk.MODES`
_RINGS: Final = (("fills", KEPT_FILLS), ("decisions", KEPT_DECISIONS), ("points", KEPT_POINTS))
#: Marks and books that are further apart are late by nature, ns.
_LIVE_NS: Final = 1_500_000_000
_PACED: Final = {"mark": (MARK,), "book": (BOOK, LAST_LEVEL, CLEAR)}
#: What a strategy may look at, in words.
_WORDS: Final = {
    Needs.CANDLES: "candles",
    Needs.TRADES: "trades",
    Needs.BOOK: "a book",
    Needs.MAP: "a liquidation map",
    Needs.FORECAST: "a forecast",
}
#: The refusal of each, with what would give it.
_REFUSALS: Final[Mapping[Needs, Callable[[str], ConfigError]]] = {
    Needs.CANDLES: lambda why: ConfigError("strategy-needs-candles", why, hint="give candles, or trades"),
    Needs.TRADES: lambda why: ConfigError("strategy-needs-trades", why, hint="give rows of trades, or frames"),
    Needs.BOOK: lambda why: ConfigError("strategy-needs-book", why, hint="give rows of books, or frames with a book"),
    Needs.MAP: lambda why: ConfigError("strategy-needs-map", why, hint="give candles, or trades they can be made of"),
    Needs.FORECAST: lambda why: ConfigError(
        "strategy-needs-forecast", why, hint="give candles of a minute, trades or frames"
    ),
}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that makes a run."""

    strategy: Strategy
    parameters: msgspec.Struct
    material: Material
    settings: Settings
    seed: int = 1  #: of the latencies that are drawn
    deposit: float | None = None  #: quote units; None = as the limits have it

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters by name."""
        return numbers(self.strategy, self.parameters)


class Played(msgspec.Struct, frozen=True):
    """A run as it stands at its end."""

    desk: Desk
    logs: Logs
    limits: Chosen


def check_needs(strategy: Strategy, material: Material) -> None:
    """Refuse a strategy that looks at what the material does not tell.

    Raises:
        ConfigError: "strategy-needs-book", "strategy-needs-trades", "strategy-needs-candles", "strategy-needs-map" or
            "strategy-needs-forecast".
    """
    for need in strategy.needs & ~material.offers:
        has = ", ".join(_WORDS[offer].removeprefix("a ") for offer in material.offers & ~Needs.MAP)
        raise _REFUSALS[need](f"{strategy.name} needs {_WORDS[need]}, which is not in these data: they hold {has}")


def numbers(strategy: Strategy, parameters: msgspec.Struct) -> dict[str, float]:
    """Parameters by name, as registers and runs hold them."""
    return {name: float(getattr(parameters, name)) for name in strategy.parameters.__struct_fields__}


def play(setup: Setup, path: Path) -> Played:
    """Walk a strategy over a material.

    Raises:
        ConfigError: the material lacks what it needs.
        DataError: its contract cannot be traded.
    """
    strategy, material = setup.strategy, setup.material
    check_needs(strategy, material)
    limits = limits_of(setup)
    desk = desk_of(setup, limits)
    if path == "compiled":
        return Played(desk, kernel(strategy.rule).run(desk, material.tape), limits)
    trader = Trader(strategy, material.instrument, desk, None, candles=material.candles)
    drain = Drain(desk)
    for event in material.events():
        if trader.process(event):
            drain.take()
    return Played(desk, drain.logs(), limits)


def limits_of(setup: Setup) -> Chosen:
    """The limits of a setup, with its own deposit where it has one; a baseline holds without leverage."""
    limits = chosen(setup.settings.risk)
    own = limits.risk
    if setup.deposit is not None:
        own = msgspec.structs.replace(own, deposit=setup.deposit)
    if setup.strategy.is_baseline:
        own = msgspec.structs.replace(own, leverage=1.0)
    return msgspec.structs.replace(limits, risk=own)


def pace_of(tape: Tape) -> dict[str, int]:
    """How far apart marks and books are told, ns, where that is longer than a live feed's second or so."""
    found = {}
    for name, kinds in _PACED.items():
        at = tape.ts_recv[np.isin(tape.kind, kinds)]
        usual = int(np.median(np.diff(at))) if at.size > 1 else 0
        if usual > _LIVE_NS:
            found[name] = usual
    return found


def desk_of(setup: Setup, limits: Chosen) -> Desk:
    """A desk for this run, with its limits and costs."""
    strategy, material = setup.strategy, setup.material
    costs = costs_of(material.instrument, setup.settings.costs, setup.seed)
    if material.has_receipts:
        costs["data_delay"] = 0
    desk = opened(
        strategy,
        setup.parameters,
        material.units,
        material.tiers,
        costs,
        deposit=Decimal(repr(limits.risk.deposit)),
        leverage=limits.risk.leverage,
        has_candles=material.interval_ns > 0,
        closing_fee=margin_venues.terms_of(material.instrument.venue, material.instrument.contract).closing_fee,
    )
    pace = pace_of(material.tape)
    risk.limited(
        desk,
        limits.risk,
        mode=_PAPER,
        needs_book=Needs.BOOK in strategy.needs,
        is_paced=material.kind is Kind.CANDLES,
        is_strict=limits.is_strict and not strategy.is_baseline,
        mark_every_ns=pace.get("mark", 0),
        book_every_ns=pace.get("book", 0),
    )
    return desk


class Drain:
    """Copies what is new in a desk's rings whenever a step says so: they keep only the newest."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk.view(np.ndarray)[0]
        self._seen = {name: int(self._desk[name]) for name, _ in _RINGS}
        self._kept: dict[str, list[NDArray[np.void]]] = {name: [] for name, _ in _RINGS}

    def take(self) -> None:
        """Copy what came since the last time."""
        for name, size in _RINGS:
            count, seen = int(self._desk[name]), self._seen[name]
            if count > seen:
                ring = self._desk[f"kept_{name}"]
                self._kept[name] += [ring[number % size].copy() for number in range(seen, count)]
                self._seen[name] = count

    def logs(self) -> Logs:
        """Everything there was."""
        self.take()
        found = []
        for name, _ in _RINGS:
            dtype = self._desk[f"kept_{name}"].dtype
            found.append(np.array([row.tolist() for row in self._kept[name]], dtype))
        return Logs(*found)


def differences(one: Logs, other: Logs) -> str | None:
    """Where two records of one run differ first; None = nowhere."""
    for name in ("fills", "decisions"):
        left, right = getattr(one, name), getattr(other, name)
        for number, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=False), start=1):
            for field, x, y in zip(left.dtype.names or (), a, b, strict=True):
                if x != y and not (x != x and y != y):  # noqa: PLR0124 -- NaN is NaN on both
                    return f"{name[:-1]} {number}: {field} is {x} compiled and {y} by events"
        if left.size != right.size:
            return f"{left.size:,} {name} compiled and {right.size:,} by events"
    return None


def refuse_differences(compiled: Logs, events: Logs) -> None:
    """Refuse to answer where the two paths of one run are not the same.

    Raises:
        DataError: "backtest-paths-differ".
    """
    found = differences(compiled, events)
    if found is not None:
        raise DataError(
            "backtest-paths-differ",
            f"the compiled path and the event path do not agree: {found}",
            hint="this is a bug of perpscope: report it with the data; nothing was kept",
        )


#: What no simulated order is held to, and so makes no other run.
_OF_LIVE_ORDERS: Final = frozenset({"max_size", "max_market_size", "price_band", "max_orders", "max_conditional"})


def run_hash(setup: Setup, played: Played) -> str:
    """sha256 of what made a run (strategy, parameters, costs, limits, contract, data, seed) and of all it did."""
    strategy, material = setup.strategy, setup.material
    contract = msgspec.to_builtins(material.instrument)
    what = {
        "strategy": strategy.name,
        "parameters": setup.numbers,
        "risk": msgspec.to_builtins(played.limits.risk),
        "is_strict": played.limits.is_strict and not strategy.is_baseline,
        "costs": msgspec.to_builtins(setup.settings.costs),
        "contract": {name: told for name, told in contract.items() if name not in _OF_LIVE_ORDERS},
        "tiers": msgspec.to_builtins(material.tiers),
        "data": material.data_hash,
        "seed": setup.seed,
    }
    digest = hashlib.sha256(msgspec.json.encode(what, order="sorted"))
    for rows in (played.logs.fills, played.logs.decisions):
        digest.update(str(rows.size).encode())
        for name in rows.dtype.names or ():
            column = np.ascontiguousarray(rows[name])
            if column.dtype.kind == "f":
                column = np.where(np.isnan(column), np.nan, column + 0.0)  # one NaN and one 0 alone
            digest.update(column.tobytes())
    return digest.hexdigest()
