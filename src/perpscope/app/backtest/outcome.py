"""What played setups came to: its trades, its course, its figures, its verdict and all that was assumed."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from math import isnan
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest.asking import Path
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.played import Played, Setup, pace_of, run_hash
from perpscope.app.backtest.trades import Left, trades_of
from perpscope.app.risk_profiles import economics_of, plan_of
from perpscope.feeds.clock import wall_ns
from perpscope.model.run import Run, RunKind, RunSummary, RunTrade
from perpscope.trading import layout
from perpscope.trading.account import equity, unrealised
from perpscope.trading.fees import fees_of
from perpscope.trading.layout import MONEY
from perpscope.trading.performance import Course, Grounds, measure, thinned
from perpscope.trading.performance.capacity import Impact, impact_of
from perpscope.trading.performance.liquidation import liquidation_prices
from perpscope.trading.performance.returns import months
from perpscope.trading.refusals import REFUSALS
from perpscope.trading.significance import judged
from perpscope.trading.significance.placebo import Prices
from perpscope.trading.strategy import Strategy
from perpscope.trading.tape import CANDLE, MARK, TRADE, Tape

_MS: Final = 1_000_000
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run beside itself."""

    trials: int = 1  #: parameter sets tried so far, this one among them
    sharpes: Sequence[float] = ()  #: of the trials, a year
    daily: Floats | None = None  #: (days, trials) daily returns of each trial
    chosen_until_ms: int | None = None  #: end of the data the parameters were chosen on; None = fixed before
    notes: Sequence[str] = ()


class Piece(msgspec.Struct, frozen=True):
    """A setup that was played."""

    setup: Setup
    played: Played

    @property
    def account(self) -> np.void:
        """As it stands at the end."""
        found: np.void = self.played.desk[0]["account"]
        return found


def told(pieces: Sequence[Piece], material: Material, path: Path, known: Known) -> Run:
    """What played setups came to as one run: one alone, or some that followed each other.

    Args:
        pieces: in order of time, each begun with the equity the last one left; parameters may differ.
        material: of which they are parts.
        path: how they were played.
        known: beside them.
    """
    course, trades, still_open = _all(pieces, material)
    deposit = pieces[0].played.limits.risk.deposit
    span = (int(course.at_ms[0]), int(course.at_ms[-1]))
    grounds = _grounds(pieces[-1], material, known, span)
    figures = measure(trades, course, deposit, from_ms=span[0], to_ms=span[1], grounds=grounds)
    verdict, why = judged(trades, figures, chosen_until_ms=known.chosen_until_ms)
    notes = _notes(material, pieces[0].played, known, still_open)
    summary = RunSummary(
        kind=RunKind.BACKTEST,
        made_ms=wall_ns() // _MS,
        path=path,
        from_ms=span[0],
        to_ms=span[1],
        deposit=deposit,
        net=float(course.equity[-1]) - deposit,
        **_of_material(material),
        **_of_pieces(pieces),
        **_counted(trades, figures),
        verdict=verdict,
        why=why,
        notes=[*notes, *_halted(pieces)],
    )
    return Run(
        summary=summary,
        trades=trades,
        curve=thinned(course),
        performance=figures,
        economics=_economics(pieces[0].setup, pieces[0].played, prices_of(material.tape)[1]),
        months=months(course, deposit, *span),
        trials=known.trials,
    )


def _all(pieces: Sequence[Piece], material: Material) -> tuple[Course, list[RunTrade], int]:
    """The course and trades of all pieces, and how many of them ended with a position open."""
    courses = [course_of(piece.played, piece.setup.material) for piece in pieces]
    course = _joined(courses)
    left = [_left(piece.played, own) for piece, own in zip(pieces, courses, strict=True)]
    trades = [
        trade
        for piece, rest in zip(pieces, left, strict=True)
        for trade in trades_of(piece.played.logs.fills, material.units, piece.setup.strategy, rest)
    ]
    course = msgspec.structs.replace(course, liquidation=liquidation_prices(trades, course.at_ms, pieces[-1].account))
    return course, trades, sum(rest is not None for rest in left)


def _grounds(last: Piece, material: Material, known: Known, span: tuple[int, int]) -> Grounds:
    """What nulls and capacity need."""
    at_ms, price = prices_of(material.tape)
    return Grounds(
        trials=known.trials,
        sharpes=known.sharpes,
        daily=known.daily,
        prices=Prices(at_ms, price),
        impact=_impact(material.tape, price, float(last.played.desk[0]["costs"]["impact"]), span),
        seed=last.setup.seed,
    )


def _of_material(material: Material) -> dict[str, Any]:
    """What a summary has of the data."""
    return {
        "instrument": material.instrument.id,
        "data": material.data,
        "sources": material.sources,
        "data_hash": material.data_hash,
        "coverage": material.coverage,
    }


def _impact(tape: Tape, price: Floats, y: float, span: tuple[int, int]) -> Impact | None:
    """What the cost model says of larger sizes in this market; None where nothing tells what was traded."""
    candles, trades = tape.tables.candles, tape.tables.trades
    traded = candles[:, 3] * candles[:, 4] if candles.size else np.abs(trades[:, 0] * trades[:, 1])
    return impact_of(y, price, traded, (span[1] - span[0]) / _DAY_MS)


def _hash(pieces: Sequence[Piece]) -> str:
    """Of a run: its own, or of its pieces' together."""
    names = [run_hash(piece.setup, piece.played) for piece in pieces]
    return names[0] if len(names) == 1 else hashlib.sha256(" ".join(names).encode()).hexdigest()


def _joined(courses: Sequence[Course]) -> Course:
    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(course, name) for course in courses])

    return Course(at_ms=column("at_ms"), equity=column("equity"), position=column("position"), price=column("price"))


def _of_pieces(pieces: Sequence[Piece]) -> dict[str, Any]:
    """What a summary has of the desks: sums over the pieces."""
    last = pieces[-1].setup
    totals = {name: sum(int(p.account[name]) for p in pieces) / MONEY for name in ("fees", "funding", "slippage")}
    refused: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for piece in pieces:
        refused.update(_refused(piece.played))
        missed.update(_near_misses(piece.played, last.strategy))
    name = _hash(pieces)
    return {
        **totals,
        "id": name[:8],
        "hash": name,
        "seed": last.seed,
        "version": version("perpscope"),
        "strategy": last.strategy.name,
        "parameters": last.numbers,
        "equity_error": max(equity_error(piece.account) for piece in pieces),
        "liquidations": sum(int(piece.account["liquidations"]) for piece in pieces),
        "refused": dict(refused),
        "near_misses": dict(missed),
    }


def _counted(trades: Sequence[RunTrade], figures: Mapping[str, float | None]) -> dict[str, Any]:
    """What a summary has of trades and figures."""
    return {
        "gross": sum(trade.gross for trade in trades),
        "trades": len(trades),
        "wins": sum(trade.net > 0.0 for trade in trades),
        "win_rate": figures["hit_rate"],
        "win_low": figures["hit_low"],
        "win_high": figures["hit_high"],
        "max_drawdown": figures["max_drawdown"] or 0.0,
        "sharpe": figures["sharpe"],
    }


def equity_error(account: np.void) -> float:
    """|cash + margin - (deposit + realised - fees - funding)|, quote units: 0 to the last 10⁻⁸."""
    held = {name: int(account[name]) for name in ("cash", "margin", "deposit", "realised", "fees", "funding")}
    booked = held["deposit"] + held["realised"] - held["fees"] - held["funding"]
    return abs(held["cash"] + held["margin"] - booked) / MONEY


def course_of(played: Played, material: Material) -> Course:
    """Equity, position and price at each candle and fill, from the deposit to what stands at the end."""
    points, units = played.logs.points, material.units
    at_ms = points["ts"] // _MS
    known_at, price = prices_of(material.tape)
    end_ms = max(material.to_ns // _MS, int(at_ms[-1]) if at_ms.size else 0)
    account = played.desk[0]["account"]
    last = int(equity(account, float(price[-1])))
    at_ms = np.concatenate([[material.from_ns // _MS], at_ms, [end_ms]])
    money = np.concatenate([[int(account["deposit"])], points["equity"], [last]])
    held = np.concatenate([[0], points["position"], [int(account["size"])]])
    row = np.clip(np.searchsorted(known_at, at_ms, side="right") - 1, 0, None)
    return Course(
        at_ms=at_ms, equity=money / MONEY, position=held * float(units.step), price=price[row].astype(np.float64)
    )


def prices_of(tape: Tape) -> tuple[NDArray[np.int64], Floats]:
    """What the instrument was worth: closes, else the last trade or mark of each minute; ms UTC, quote per base."""
    tables = tape.tables
    if tables.candles.size:
        return tape.ts_recv[tape.kind == CANDLE] // _MS, tables.candles[:, 3]
    if tables.trades.size:
        at, price = tape.ts_recv[tape.kind == TRADE] // _MS, tables.trades[:, 0]
    else:
        at, price = tape.ts_recv[tape.kind == MARK] // _MS, tables.marks[:, 0]
    if not at.size:
        return tape.ts_recv[:1] // _MS, np.full(1, np.nan)
    is_last = np.concatenate([np.diff(at // _MINUTE_MS) > 0, [True]])
    return at[is_last], price[is_last]


def _left(played: Played, course: Course) -> Left | None:
    """How what is open at the end stands."""
    account = played.desk[0]["account"]
    if int(account["size"]) == 0 or course.price is None:
        return None
    price = float(course.price[-1])
    return Left(
        price=price,
        at_ns=int(course.at_ms[-1]) * _MS,
        unrealised=int(unrealised(account, price)),
        funding=int(account["funding"]),
        best=float(account["best"]),
        worst=float(account["worst"]),
    )


def _refused(played: Played) -> dict[str, int]:
    counts = played.desk[0]["risk"]["refused"]
    return {name: int(counts[number]) for number, name in enumerate(REFUSALS) if counts[number] and name}


def _near_misses(played: Played, strategy: Strategy) -> dict[str, int]:
    """Entries that failed in one rule alone, by rule."""
    decisions = played.logs.decisions
    masks = decisions["failed"][decisions["answer"] == layout.STAY]
    counts = {name: int((masks == 1 << bit).sum()) for bit, name in enumerate(strategy.entry_rules)}
    return {name: count for name, count in counts.items() if count}


def _notes(material: Material, played: Played, known: Known, still_open: int) -> list[str]:
    fees = fees_of(material.instrument.venue)
    notes = [*material.notes, f"fees: {fees.source}{f', {fees.date}' if fees.date else ''}", *played.limits.warnings]
    if not material.has_receipts:
        notes.append("the data do not tell when they were received: they are late by [costs] data_delay_ms")
    for name, every in pace_of(material.tape).items():
        notes.append(f"{name}s are told every {every / 1e9:.3g} s: they count as late only when the next is due")
    if still_open:
        notes.append("a position that is open at the end counts as a trade, valued at the last price")
    return [*notes, *known.notes]


def _usual_stop(played: Played) -> float:
    """Distance of the stop of the entries that were ordered, fraction: their median; 0 without one."""
    decisions = played.logs.decisions
    stops = decisions["stop"][(decisions["order"] > 0) & (decisions["stop"] > 0.0)]
    return float(np.median(stops)) if stops.size else 0.0


def _halted(pieces: Sequence[Piece]) -> list[str]:
    """When risk halted a run for good, and why."""
    found = []
    for piece in pieces:
        risk = piece.played.desk[0]["risk"]
        if risk["halted"]:
            when = datetime.fromtimestamp(int(risk["halted_at"]) / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
            found.append(f"risk halted it at {when}: {REFUSALS[int(risk['halted'])]}; nothing was entered from then on")
    return found


def _economics(setup: Setup, played: Played, prices: Floats) -> dict[str, float | None]:
    """What the plan comes to before anything is traded (METHOD 12.2)."""
    material, costs = setup.material, played.desk[0]["costs"]
    if isnan(float(prices[0])):
        return {}
    plan = plan_of(
        played.limits,
        fee=int(costs["taker"]) / layout.RATE,
        stop=_usual_stop(played),
        slip=float(costs["half_spread"]),
    )
    return economics_of(
        plan,
        min_notional=float(material.instrument.min_notional or 0),
        step=float(material.units.step),
        price=float(prices[0]),
        mmr=material.tiers.rates[0],
    )
