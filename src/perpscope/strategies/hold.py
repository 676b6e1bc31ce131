"""`hold`: buys once and holds. What a strategy earned is compared with it: the market's own return, costs and funding.

It wants no stop, and is asked nothing after its entry: whether it survives is the leverage's doing.
"""

from msgspec import Struct

from perpscope.trading.compiling import loops
from perpscope.trading.layout import LONG, NOTE_STOP, NOTE_TAKE, NOTE_WHY, STAY
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy
from perpscope.trading.watch import close


class Hold(Struct, frozen=True, kw_only=True):
    """`[strategy.hold]`: nothing to set."""


_BOUGHT = 1


@loops
def rule(w: Record, account: Record, _p: Numbers, notes: Numbers) -> int:
    """Long from the first candle on; closed by force it stays out."""
    if account.size != 0 or account.trades > 0 or not close(w, 0) > 0.0:
        return STAY
    notes[NOTE_WHY] = _BOUGHT
    notes[NOTE_STOP] = 0.0
    notes[NOTE_TAKE] = 0.0
    return LONG


STRATEGY = Strategy(
    name="hold",
    summary="Buys once and holds: the baseline of every other.",
    parameters=Hold,
    needs=Needs.CANDLES,
    reasons=("", "bought"),
    entry_rules=(),
    rule=rule,
    is_baseline=True,
)
