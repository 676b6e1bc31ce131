"""Whole runs of a strategy on a lab in the test's own process, as `perpscope paper` and `trade` start them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

from msgspec.structs import replace

from perpscope.app.lab_process import Address, pointed
from perpscope.app.trade import asking
from perpscope.app.trade.lab import KEYS
from perpscope.app.trade.run import Answer, TradeRun
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import LAB_KEY
from perpscope.lab.accounts.orders import Held
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.run import RunKind
from perpscope.settings import Feed, Limits, Risk, Settings, Trade

START = 1_795_219_200_000_000_000
#: Market seconds per real second at which a desk of plain Python keeps up.
RATE = 120.0

_BUSY = '''
    """`busy`: in for some candles, out for some: it has no idea, and gives the tests something to do."""

    from typing import Annotated

    from msgspec import Meta, Struct

    from perpscope.trading.compiling import loops
    from perpscope.trading.layout import EXIT, LONG, NOTE_STOP, NOTE_TAKE, NOTE_WHY, SHORT, STAY
    from perpscope.trading.strategy import Needs, Strategy


    class Busy(Struct, frozen=True, kw_only=True):
        held: Annotated[int, Meta(ge=1, le=600, description="candles a position is held")] = 2
        stop: Annotated[float, Meta(ge=0, lt=1, description="stop, fraction; 0 = none")] = 0.02
        take: Annotated[float, Meta(ge=0, lt=1, description="take-profit, fraction; 0 = none")] = 0.0


    @loops
    def rule(w, account, p, notes):
        if w.is_bar == 0:
            return STAY
        if account.size != 0:
            if w.bars - account.opened_bar >= p[0]:
                notes[NOTE_WHY] = 2
                return EXIT
            return STAY
        notes[NOTE_WHY], notes[NOTE_STOP], notes[NOTE_TAKE] = 1, p[1], p[2]
        return LONG if w.bars % 2 == 0 else SHORT


    STRATEGY = Strategy(
        name="busy",
        summary="In and out by the clock.",
        parameters=Busy,
        needs=Needs.CANDLES,
        reasons=("", "time-to-enter", "time-to-leave"),
        entry_rules=(),
        rule=rule,
    )
'''


def busy(folder: Path) -> str:
    """The file of a strategy that enters and leaves every few minutes."""
    file = folder / "busy.py"
    if not file.exists():
        file.write_text(dedent(_BUSY).lstrip())
    return str(file)


@asynccontextmanager
async def lab_of(
    seed: int = 7,
    rate: float = RATE,
    *,
    venue: str = "binance",
    ts_start: int = START,
    symbols: tuple[str, ...] = ("BTC",),
) -> AsyncIterator[Lab]:
    """A seeded exchange with BTC alone, or more."""
    async with await serve_market(seed, rate, venue=venue, symbols=symbols, ts_start=ts_start, activity=4.0) as lab:
        yield lab


def tree_of(lab: Lab, venue: str = "binance", **trade: object) -> Settings:
    """Settings that speak to this lab and to nobody else."""
    own = {"reconcile_s": 0.5, **trade}
    return Settings(
        venue=pointed({venue: Address(lab.rest_url, lab.websocket_url)}),
        limits=Limits(folder=""),
        feed=Feed(backoff_first_s=0.1, backoff_max_s=0.5),
        risk=Risk(cooldown_s=0.0),
        trade=Trade(**own),  # type: ignore[arg-type]  # named by the tests
    )


def run_of(
    kind: RunKind,
    tree: Settings,
    folder: Path,
    *,
    named: str = "",
    venue: str = "binance",
    seed: int = 1,
    adopts: bool = False,
    **given: object,
) -> TradeRun:
    """A run that can be started; parameters by name."""
    wanted = asking.wanted(
        kind,
        named or busy(folder),
        tree,
        folder / "market.db",
        venue=venue,
        symbol="BTC",
        given={name: str(value) for name, value in given.items()},
        seed=seed,
        adopts=adopts,
    )
    return asking.made(wanted, KEYS if kind is RunKind.LIVE else None)


async def until(run: TradeRun, holds: Callable[[TradeRun], bool], within_s: float = 60.0) -> Answer:
    """Let it trade until a condition holds, and end in order.

    Raises:
        AssertionError: it did not come to hold in time.
    """
    held: list[bool] = []

    def look(running: TradeRun) -> None:
        if not held and holds(running):
            held.append(True)
            running.stop()

    answer = await run.run(within_s, look)
    assert held, f"not within {within_s:g} s: {answer}"
    return answer


def without_stop(tree: Settings) -> Settings:
    """The same with a policy of flattening at the end."""
    return replace(tree, trade=replace(tree.trade, on_exit="flatten"))


def account_of(lab: Lab) -> Account:
    """The exchange's own books."""
    return lab.accounts.by_key[LAB_KEY]


def held_at(lab: Lab) -> Decimal:
    """What the exchange itself holds for us: base units, signed."""
    return account_of(lab).position("BTCUSDT", Held.BOTH).size
