"""Why an entry is not made, or what is held is given up: words and their numbers. docs/risk.md explains each."""

from typing import Final

__all__ = ["REFUSALS", "TOLD"]

OBSERVING: Final = 1
KILL_SWITCH: Final = 2
DAILY_LOSS: Final = 3
DRAWDOWN: Final = 4
LOSS_STREAK: Final = 5
COOLDOWN: Final = 6
GAP: Final = 7
MARK_STALE: Final = 8
BOOK_STALE: Final = 9
CLOCK_SKEW: Final = 10
SPREAD_WIDE: Final = 11
FUNDING_ABOVE_EDGE: Final = 12
LIQUIDATION_NEAR: Final = 13
NO_STOP: Final = 14
NO_PRICE: Final = 15
NO_MARGIN: Final = 16
BELOW_MINIMUM: Final = 17
ABOVE_RISK: Final = 18
NO_EDGE: Final = 19
EXCHANGE_ERRORS: Final = 20
ORDERS_REJECTED: Final = 21
POSITION_MISMATCH: Final = 22
DATA_OLD: Final = 23

#: By number; a desk counts them in `RISK.refused`, which has room for 32.
REFUSALS: Final[tuple[str, ...]] = (
    "",
    "observing",
    "kill-switch",
    "daily-loss",
    "drawdown",
    "loss-streak",
    "cooldown",
    "gap",
    "mark-stale",
    "book-stale",
    "clock-skew",
    "spread-wide",
    "funding-above-edge",
    "liquidation-near",
    "no-stop",
    "no-price",
    "no-margin",
    "below-minimum",
    "above-risk",
    "no-edge",
    "exchange-errors",
    "orders-rejected",
    "position-mismatch",
    "data-old",
)

#: Limits on money: with the documents' own numbers (`is_strict` 0) they are counted and told, and bind nobody.
TOLD: Final[frozenset[int]] = frozenset(
    {DAILY_LOSS, DRAWDOWN, LOSS_STREAK, FUNDING_ABOVE_EDGE, LIQUIDATION_NEAR, NO_STOP, ABOVE_RISK}
)
