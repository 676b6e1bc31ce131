"""Cross margin: what of a wallet is left to one instrument when the account's other positions are where they are.

In: a wallet and positions in several instruments, with their marks. Out: the balance `margin.triggers` takes, and the
liquidation price of each position while every other mark stands still; it moves with them, and is no more than that.
"""

from collections.abc import Sequence

import msgspec

from perpscope.analytics.margin import Leg, Terms, Trigger, Triggers, margin_excess, triggers, unrealised_profit
from perpscope.analytics.margin_tiers import TierTable


class Holding(msgspec.Struct, frozen=True):
    """What an account holds of one instrument: one leg, or a long and a short one in hedge mode."""

    legs: tuple[Leg, ...]
    mark: float  #: quote per base
    table: TierTable
    terms: Terms = Terms()


def free_balance(wallet: float, others: Sequence[Holding]) -> float:
    """What a wallet leaves to one position: wallet + profit of the others - their maintenance margin and closing fees.

    `WB + UPNL1 - TMM1` of Binance's formula. Every holding settles in the wallet's coin.

    Args:
        wallet: cross wallet balance, without unrealised profit, in the coin it settles in.
        others: the other holdings, at their marks.
    """
    left = wallet
    for held in others:
        left += margin_excess(held.legs, 0.0, [held.table] * len(held.legs), held.terms, held.mark)
    return left


def cross_triggers(wallet: float, held: Holding, others: Sequence[Holding] = ()) -> Triggers:
    """The prices below and above its mark at which an account is liquidated for one instrument; see `margin.triggers`.

    Raises:
        ValueError: a figure is out of its range.
    """
    tables = [held.table] * len(held.legs)
    return triggers(held.legs, free_balance(wallet, others), tables, held.terms, held.mark)


def account_triggers(wallet: float, holdings: Sequence[Holding]) -> list[Triggers]:
    """For each instrument of an account its prices, the others at their marks; in the order given."""
    return [
        cross_triggers(wallet, held, [*holdings[:place], *holdings[place + 1 :]]) for place, held in enumerate(holdings)
    ]


def margin_ratio(wallet: float, holdings: Sequence[Holding]) -> float:
    """Maintenance margin and closing fees ÷ equity: liquidated at 1; infinite where no equity is left."""
    equity, needed = wallet, 0.0
    for held in holdings:
        profit = unrealised_profit(held.legs, held.terms, held.mark)
        equity += profit
        needed += profit - margin_excess(held.legs, 0.0, [held.table] * len(held.legs), held.terms, held.mark)
    return needed / equity if equity > 0.0 else float("inf")


def nearest(found: Triggers, mark: float) -> Trigger | None:
    """The nearer of two prices, by ratio to the mark; None where neither is reached."""
    prices = [trigger for trigger in (found.below, found.above) if trigger is not None]
    return min(prices, key=lambda trigger: max(trigger.price / mark, mark / trigger.price), default=None)
