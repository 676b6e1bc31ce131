"""What becomes of trading, told to people: fills, stops, liquidations, and whatever asks for a look at once.

In: each second, the journals beside a store: the page of each run and the fills that are new. Out: sayings, those of
something that passes taken back when it has passed. What was told is kept, so that a restart tells nothing twice; what
happened before anybody watched is not told.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

import msgspec

from perpscope.analytics.alerts.saying import Saying, Traded
from perpscope.app.answers.trade import RunNow, label_of, run_now
from perpscope.model.market import Side
from perpscope.model.run import RunKind
from perpscope.stores.journal import JournalReader, JournalRun, place
from perpscope.stores.journal_rows import NumberedFill

#: Its name in the log.
NAME: Final = "trades"
#: Real seconds without a stop that are told: a stop takes a moment to be confirmed after each entry.
NAKED_TOLD_S: Final = 2.0
#: Real seconds without a word of a trader that holds something.
GONE_TOLD_MS: Final = 15_000
_KINDS: Final = (RunKind.LIVE, RunKind.PAPER)
What = Literal["naked", "covered", "mismatch", "agrees", "gone", "back"]
_LOUD: Final = frozenset({"stop", "liquidated", "naked", "mismatch", "halted", "gone"})
_OF_ROLE: Final[dict[str, Literal["fill", "stop", "profit", "liquidated"]]] = {
    "stop": "stop",
    "take-profit": "profit",
    "liquidation": "liquidated",
    "": "liquidated",
}


class RunTold(msgspec.Struct, kw_only=True):
    """What was told of a run and still holds: ids of sayings, empty = nothing."""

    naked: str = ""
    mismatch: str = ""
    gone: str = ""
    halted: str = ""  #: the why that was told
    has_run: bool = False  #: somebody watched while it ran


class TradesTold(msgspec.Struct, kw_only=True):
    """Where telling stands."""

    fills: dict[str, int] = {}  #: by kind of run: the place in its journal up to which fills are told
    runs: dict[str, RunTold] = {}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the journals said at a look."""

    pages: list[RunNow]
    runs: dict[str, JournalRun]
    fills: list[NumberedFill]  #: new ones
    upto: dict[str, int]  #: by kind of run, for the next look


def read(store: Path, upto: dict[str, int], now_ms: int) -> Seen:
    """The journals beside a store, and the fills after a place in each; a journal seen first has no new ones.

    Raises:
        StoreError: a journal cannot be read or trusted.
    """
    pages: list[RunNow] = []
    runs: dict[str, JournalRun] = {}
    fills: list[NumberedFill] = []
    after = dict(upto)
    with ExitStack() as stack:
        for kind in _KINDS:
            reader = stack.enter_context(JournalReader(place(store, kind)))
            pages += [run_now(status, now_ms) for status in reader.statuses()]
            runs |= {run.id: run for run in reader.runs()}
            found = reader.fills_after(upto[kind.value]) if kind.value in upto else []
            fills += found
            after[kind.value] = found[-1].number if found else after.get(kind.value, reader.last_fill())
    return Seen(pages=pages, runs=runs, fills=fills, upto=after)


class Trades:
    """Everything there is to tell of trading.

    Args:
        told: by an earlier life; None = nobody watched before.
    """

    def __init__(self, told: TradesTold | None = None) -> None:
        self.told = told or TradesTold()

    def look(self, seen: Seen, now_ms: int) -> list[Saying]:
        """What is to be said now.

        Args:
            seen: at this look.
            now_ms: real time, epoch ms.
        """
        said = [saying for found in _by_order(seen.fills) if (saying := _filled(found, seen.runs, now_ms)) is not None]
        for page in seen.pages:
            said += self._judged(page, now_ms)
        self.told.fills = seen.upto
        self.told.runs = {name: told for name, told in self.told.runs.items() if name in seen.runs}
        return said

    def _judged(self, page: RunNow, now_ms: int) -> list[Saying]:
        """What holds of a run and was not told, and what was told and holds no more."""
        status, told = page.status, self.told.runs.setdefault(page.status.run, RunTold())
        if not told.has_run and not page.is_running:
            return []
        told.has_run = True
        contact = status.contact
        naked, mismatched = status.naked_seconds_now, contact is not None and contact.is_mismatched
        is_gone = not status.is_over and page.age_ms > GONE_TOLD_MS and status.held.side is not None
        said: list[Saying] = []

        def turned(name: Literal["naked", "mismatch", "gone"], holds: bool, over: What, **more: float | str) -> None:
            before: str = getattr(told, name)
            if holds and not before:
                setattr(told, name, f"{name}:{status.run}:{now_ms}")
                said.append(_saying(getattr(told, name), page, name, now_ms, more))
            elif before and not holds:
                setattr(told, name, "")
                said.append(_saying(f"{over}:{before}", page, over, now_ms, {}, edits=before))

        turned("gone", is_gone, "back", seconds=page.age_ms / 1e3)
        if page.is_running or status.is_over:
            turned("naked", naked >= NAKED_TOLD_S, "covered", seconds=naked)
            turned("mismatch", mismatched, "agrees", why="" if contact is None else contact.why)
            said += self._halting(page, told, now_ms)
        return said

    def _halting(self, page: RunNow, told: RunTold, now_ms: int) -> list[Saying]:
        status = page.status
        if status.halted == told.halted or status.is_over:
            return []
        told.halted = status.halted
        what: Literal["halted", "lifted"] = "halted" if status.halted else "lifted"
        return [_saying(f"{what}:{status.run}:{now_ms}", page, what, now_ms, {"why": status.halted})]


def _by_order(fills: Iterable[NumberedFill]) -> list[list[NumberedFill]]:
    """Fills of one order that came together, together."""
    return [list(found) for _, found in groupby(fills, key=lambda one: (one.fill.run, one.fill.order))]


def _filled(found: Sequence[NumberedFill], runs: dict[str, JournalRun], now_ms: int) -> Saying | None:
    first = found[0]
    run = runs.get(first.fill.run)
    if run is None:
        return None
    trades = [one.fill.trade for one in found]
    size = sum((trade.size for trade in trades), Decimal(0))
    worth = sum((trade.size * trade.price for trade in trades), Decimal(0))
    what: Literal["fill", "stop", "profit", "liquidated"] = _OF_ROLE.get(first.role, "fill")
    label = label_of(run.kind, run.data)
    told = Traded(
        what=what,
        label=label,
        run=run.id,
        strategy=run.strategy,
        instrument=run.instrument,
        side="buy" if trades[0].side is Side.BUY else "sell",
        size=float(size),
        price=float(worth / size) if size else None,
        fee=float(sum((trade.fee for trade in trades), Decimal(0))),
        realised=float(sum((trade.realised for trade in trades), Decimal(0))),
    )
    return Saying(
        id=f"fill:{run.id}:{found[-1].number}",
        at_ms=now_ms,
        told=told,
        data="demo" if run.data == "demo" else "observed",
        is_silent=what not in _LOUD and label != "LIVE",
        kind="traded",
    )


def _saying(
    name: str,
    page: RunNow,
    what: What | Literal["halted", "lifted"],
    now_ms: int,
    more: dict[str, float | str],
    edits: str | None = None,
) -> Saying:
    status = page.status
    plain = Traded(what=what, label=page.label, run=status.run, strategy=status.strategy, instrument=status.instrument)
    return Saying(
        id=name,
        at_ms=now_ms,
        told=msgspec.structs.replace(plain, **more),
        data="demo" if status.data == "demo" else "observed",
        is_silent=what not in _LOUD,
        edits=edits,
        kind="traded",
    )
