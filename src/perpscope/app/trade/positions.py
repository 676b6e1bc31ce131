"""What each run of a database holds and does: its page, and its fills of today.

In: a database, whose journals lie beside it. Out: `Positions`, for the command line and for chats.
"""

from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.trade import FillTold, ModeNow, RunNow, read_fills, read_trade
from perpscope.errors import PerpscopeError
from perpscope.settings import Trade

_DAY_MS: Final = 86_400_000
#: Fills of a run that are looked through for those of today.
_MOST_FILLS: Final = 1000


class RunHolds(msgspec.Struct, frozen=True, kw_only=True):
    """One run, with what it did today."""

    now: RunNow
    fills_today: list[FillTold]  #: of the market's day in UTC, newest first


class Positions(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded from one database."""

    runs: list[RunHolds]  #: that run, or left something behind; all of them where all were asked for
    mode: ModeNow
    faults: list[str]  #: journals that cannot be read, and why


def read_positions(database: Path, trade: Trade, now_ms: int, *, is_all: bool = False) -> Positions:
    """What the runs of a database hold.

    Args:
        database: whose journals.
        trade: `[trade]`.
        now_ms: real time, epoch ms.
        is_all: runs that are over and hold nothing, too.
    """
    found = read_trade(database, trade, now_ms)
    faults = list(found.faults)
    runs = []
    for now in found.runs:
        if not (is_all or now.is_running or now.status.held.side is not None or now.status.working):
            continue
        try:
            fills = read_fills(database, now.status.run, _MOST_FILLS)
        except PerpscopeError as error:
            fills = []
            faults.append(error.message)
        today = now.status.market_ms // _DAY_MS
        runs.append(RunHolds(now=now, fills_today=[fill for fill in fills if fill.at_ms // _DAY_MS == today]))
    return Positions(runs=runs, mode=found.mode, faults=faults)
