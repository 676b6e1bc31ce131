"""The rule of the benches: long while the mean of the last 20 closes is above that of the last 50, else short.

Its sums run along in its notes, as those of the loops it is compared with do.
"""

import msgspec

from perpscope.trading.compiling import loops
from perpscope.trading.layout import BARS, EXIT, LONG, NOTE_OWN, NOTE_STOP, SHORT, STAY
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy

FAST = 20
SLOW = 50


class SmaParameters(msgspec.Struct, frozen=True):
    """What it is told."""

    stop: float = 0.0  #: distance of a protective stop, fraction; 0 = none


@loops
def rule(w: Record, _account: Record, parameters: Numbers, notes: Numbers) -> int:
    """Always in the market, on the side of the faster mean; METHOD 12 knows nothing of it."""
    bars = w.bars
    close = w.closes[(bars - 1) % BARS]
    fast, slow = notes[NOTE_OWN] + close, notes[NOTE_OWN + 1] + close
    if bars > FAST:
        fast -= w.closes[(bars - 1 - FAST) % BARS]
    if bars > SLOW:
        slow -= w.closes[(bars - 1 - SLOW) % BARS]
    notes[NOTE_OWN], notes[NOTE_OWN + 1] = fast, slow
    if bars < SLOW:
        return STAY
    notes[NOTE_STOP] = parameters[0]
    return LONG if fast / FAST > slow / SLOW else SHORT


SMA = Strategy(
    name="sma",
    summary="Long above, short below, by two moving averages; for benches.",
    parameters=SmaParameters,
    needs=Needs.CANDLES,
    reasons=("", "cross"),
    entry_rules=(),
    rule=rule,
)


class AnyParameters(msgspec.Struct, frozen=True):
    """Lengths of a sweep."""

    fast: int = FAST
    slow: int = SLOW


@loops
def any_rule(w: Record, _account: Record, parameters: Numbers, notes: Numbers) -> int:
    """As `rule`, with lengths that are parameters."""
    bars, fast, slow = w.bars, int(parameters[0]), int(parameters[1])
    close = w.closes[(bars - 1) % BARS]
    notes[NOTE_OWN] += close
    notes[NOTE_OWN + 1] += close
    if bars > fast:
        notes[NOTE_OWN] -= w.closes[(bars - 1 - fast) % BARS]
    if bars > slow:
        notes[NOTE_OWN + 1] -= w.closes[(bars - 1 - slow) % BARS]
    if bars < slow:
        return STAY
    return LONG if notes[NOTE_OWN] / fast > notes[NOTE_OWN + 1] / slow else SHORT


ANY_SMA = Strategy(
    name="any-sma",
    summary="As sma, with any two lengths; for benches.",
    parameters=AnyParameters,
    needs=Needs.CANDLES,
    reasons=("", "cross"),
    entry_rules=(),
    rule=any_rule,
)


@loops
def flipping_rule(_w: Record, account: Record, _parameters: Numbers, _notes: Numbers) -> int:
    """In while it is out, and out while it is in: an order each second."""
    return LONG if account["size"] == 0 else EXIT


EACH_SECOND = Strategy(
    name="each-second",
    summary="An order each second; for benches.",
    parameters=SmaParameters,
    needs=Needs.BOOK,
    reasons=("", "turn"),
    entry_rules=(),
    rule=flipping_rule,
    is_asked_each_second=True,
)
