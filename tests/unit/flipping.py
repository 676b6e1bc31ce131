"""A strategy for tests: long at a candle, out at the next, short at the one after, whatever the market does."""

from typing import Annotated

import msgspec

from perpscope.trading.compiling import loops
from perpscope.trading.layout import EXIT, LONG, NOTE_OWN, NOTE_STOP, NOTE_WHY, SHORT
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy


class Flipping(msgspec.Struct, frozen=True):
    """What it is told."""

    stop: Annotated[float, msgspec.Meta(ge=0, le=0.5, description="distance of the stop, fraction")] = 0.02


@loops
def flip_rule(_w: Record, account: Record, parameters: Numbers, notes: Numbers) -> int:
    """In, out, the other way."""
    notes[NOTE_OWN] += 1.0
    notes[NOTE_WHY] = 1.0
    if account.size != 0:
        return EXIT
    notes[NOTE_STOP] = parameters[0]
    return LONG if int(notes[NOTE_OWN]) % 4 < 2 else SHORT


STRATEGY = Strategy(
    name="flipping",
    summary="Goes in and out at every candle.",
    parameters=Flipping,
    needs=Needs.CANDLES,
    reasons=("", "flipped"),
    entry_rules=(),
    rule=flip_rule,
)
