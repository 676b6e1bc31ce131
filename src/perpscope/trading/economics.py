"""What numbers come to before anything is traded: what can be opened, what a stop costs, what has to be won.

METHOD 12.2. In: a plan (capital, leverage, fee, stop, size) and the contract's minimum. Out: figures by name. Money is
in one unit, the plan's own. The documents' plan is `SEED`; it is shown as it is, with what it comes to beside it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil, floor, inf
from typing import Final

import msgspec

_EPOCH: Final = date(1970, 1, 1)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody means to trade."""

    capital: float  #: > 0
    leverage: float  #: multiple
    fee: float  #: of one fill, fraction of notional
    stop: float  #: distance, fraction of price; 0 = none
    notional: float = 0.0  #: of a position; 0 = as much as risk allows
    take: float = 0.0  #: distance of the take-profit, fraction; 0 = none
    risk: float = 0.0  #: fraction of capital that may be lost at the stop; 0 = not limited
    slip: float = 0.0  #: of one fill, fraction
    funding: float = 0.0  #: paid over a trade, fraction of notional; below 0 = received


class Minimum(msgspec.Struct, frozen=True, kw_only=True):
    """The least an exchange takes."""

    notional: float  #: in the plan's money
    step: float  #: base units
    price: float  #: the plan's money per base


#: 100,000 KRW at 10x with a position of 1,000,000 KRW, a stop at 5 % and a fee of 0.05 % (S4-10…14).
SEED: Final = Plan(capital=100_000.0, leverage=10.0, fee=0.0005, stop=0.05, notional=1_000_000.0)


def largest(plan: Plan, *, is_closing_fee_kept: bool = False) -> float:
    """Largest notional that can be opened: N/L + f·N ≤ E, or with the closing fee kept aside N/L + 2f·N ≤ E.

    >>> f"{largest(SEED):.2f} {largest(SEED, is_closing_fee_kept=True):.2f}"
    '995024.88 990099.01'
    """
    return plan.capital / (1.0 / plan.leverage + plan.fee * (2.0 if is_closing_fee_kept else 1.0))


def position(plan: Plan) -> float:
    """Notional of a trade: what is wanted, as far as it can be opened with its closing fee kept, and risked."""
    wanted = plan.notional if plan.notional > 0.0 else inf
    return min(wanted, largest(plan, is_closing_fee_kept=True), at_risk(plan))


def at_risk(plan: Plan) -> float:
    """Notional whose stop loses what a trade may lose: r·E/(stop + 2f + 2 slip); infinite without a limit or a stop.

    >>> round(at_risk(msgspec.structs.replace(SEED, risk=0.02, slip=0.0002)), -2)
    38900.0
    """
    if plan.risk == 0.0 or plan.stop == 0.0:
        return inf
    return plan.risk * plan.capital / (plan.stop + round_trip(plan))


def round_trip(plan: Plan) -> float:
    """What going in and out costs, fraction of notional."""
    return 2.0 * plan.fee + 2.0 * plan.slip


def break_even_move(plan: Plan) -> float:
    """How far the price has to go in favour until nothing is lost: fees, slippage and funding, fraction of price."""
    return round_trip(plan) + plan.funding


def stop_loss(plan: Plan, notional: float) -> float:
    """What a stopped trade loses, fraction of capital.

    >>> round(stop_loss(SEED, largest(SEED, is_closing_fee_kept=True)), 3)
    0.505
    """
    return notional * (plan.stop + round_trip(plan)) / plan.capital


def left_after(plan: Plan, stops: int) -> float:
    """What is left of capital after stops in a row, sized to what is left each time: fraction.

    >>> round(left_after(SEED, 2), 3)
    0.245
    """
    return float(max(0.0, 1.0 - stop_loss(plan, position(plan))) ** stops)


def stops_to_ruin(plan: Plan) -> int | None:
    """Stops in a row that take everything where the size stays the same; None where a stop costs nothing.

    >>> stops_to_ruin(SEED)
    2
    """
    lost = stop_loss(plan, plan.notional if plan.notional > 0.0 else position(plan))
    return ceil(1.0 / lost - 1e-12) if lost > 0.0 else None


def liquidation_move(leverage: float, mmr: float) -> float:
    """How far a long may fall until it is liquidated, fraction: (1 - 1/L)/(1 - m) - 1 (METHOD 1.1, no deduction).

    >>> round(liquidation_move(10.0, 0.004), 4)
    -0.0964
    """
    return (1.0 - 1.0 / leverage) / (1.0 - mmr) - 1.0


def quantised(notional: float, minimum: Minimum) -> float:
    """A notional in whole steps, rounded down; 0 below the exchange's minimum.

    >>> [round(quantised(1e6 / 1400, Minimum(notional=100.0, step=0.001, price=p))) for p in (6e4, 1e5, 1.2e5)]
    [660, 700, 600]
    """
    unit = minimum.step * minimum.price
    found = floor(notional / unit) * unit
    return found if found >= minimum.notional else 0.0


def smallest(minimum: Minimum) -> float:
    """The smallest notional that can be ordered: whole steps, not below the minimum."""
    unit = minimum.step * minimum.price
    return max(1, ceil(minimum.notional / unit - 1e-9)) * unit


def smallest_risk(plan: Plan, minimum: Minimum) -> float:
    """Fraction of capital that the exchange's smallest order loses at the stop.

    >>> least = Minimum(notional=140_000.0, step=0.001, price=140e6)
    >>> round(smallest_risk(msgspec.structs.replace(SEED, slip=0.0002), least), 3)
    0.072
    """
    return stop_loss(plan, smallest(minimum))


class BreakEven(msgspec.Struct, frozen=True):
    """What has to be won between two barriers."""

    needed: float  #: win rate at which nothing is lost
    driftless: float  #: win rate of a price that goes nowhere
    edge: float  #: the difference


def break_even(take: float, stop: float, cost: float) -> BreakEven:
    """Win rates between a take-profit and a stop: (SL + c)/(TP + SL), SL/(TP + SL), c/(TP + SL).

    Args:
        take: distance of the take-profit, any unit.
        stop: of the stop, same unit.
        cost: of going in and out, same unit.

    >>> found = break_even(50, 30, 12)
    >>> round(found.needed, 3), round(found.driftless, 3), round(found.edge, 2)
    (0.525, 0.375, 0.15)
    """
    span = take + stop
    return BreakEven((stop + cost) / span, stop / span, cost / span)


#: Take-profit and stop, basis points, of the table people are shown.
BARRIERS: Final[Sequence[tuple[float, float]]] = ((50.0, 30.0), (100.0, 50.0), (500.0, 500.0))


#: Figures that are the plan itself.
PLAN: Final = ("capital", "leverage", "fee", "slip", "stop", "take", "risk", "notional", "funding")


def plan_of(figures: Mapping[str, float | None]) -> Plan | None:
    """The plan that figures were reckoned of; None where they are not `reckoned`'s."""
    told = {name: figures.get(name) for name in PLAN}
    return None if None in told.values() else msgspec.convert(told, Plan)


def reckoned(plan: Plan, minimum: Minimum, mmr: float) -> dict[str, float | None]:
    """Every figure of a plan by name, as docs/risk.md explains them; `Run.economics` holds them too.

    Args:
        plan: the plan.
        minimum: of its contract.
        mmr: maintenance margin of the lowest tier, fraction.
    """
    taken = quantised(position(plan), minimum)
    barriers = break_even(plan.take, plan.stop, round_trip(plan)) if plan.take > 0.0 and plan.stop > 0.0 else None
    wanted = plan.notional if plan.notional > 0.0 else None
    return {
        **{name: float(getattr(plan, name)) for name in PLAN},
        "largest_notional": largest(plan),
        "largest_notional_closing_fee_kept": largest(plan, is_closing_fee_kept=True),
        "wanted_notional": wanted,
        "is_openable": None if wanted is None else float(wanted <= largest(plan)),
        "risk_notional": None if at_risk(plan) == inf else at_risk(plan),
        "taken_notional": taken,
        "is_feasible": float(taken > 0.0),
        "smallest_notional": smallest(minimum),
        "smallest_risk": smallest_risk(plan, minimum) if plan.stop > 0.0 else None,
        "round_trip_fee": 2.0 * plan.fee * taken / plan.capital,
        "break_even_move": break_even_move(plan),
        "stop_loss": stop_loss(plan, position(plan)) if plan.stop > 0.0 else None,
        "left_after_two_stops": left_after(plan, 2) if plan.stop > 0.0 else None,
        "stops_to_ruin": stops_to_ruin(plan) if plan.stop > 0.0 else None,
        "liquidation_move": liquidation_move(plan.leverage, mmr),
        "liquidation_room": -liquidation_move(plan.leverage, mmr) / plan.stop if plan.stop > 0.0 else None,
        "needed_win_rate": barriers.needed if barriers else None,
        "driftless_win_rate": barriers.driftless if barriers else None,
    }


def rate_age_days(as_of: str, now_ms: int) -> float | None:
    """Days since the begin of the day (UTC) an exchange rate is of; None where no day is told.

    Raises:
        ValueError: it is no day of the calendar, or lies ahead.
    """
    if not as_of:
        return None
    since = now_ms / 86_400_000 - (date.fromisoformat(as_of) - _EPOCH).days
    if since < 0.0:
        raise ValueError(f"an exchange rate of {as_of} is of a day to come")
    return since
