"""The two forms of the backtest beside plain loops, other programs, and each other: CPU a bar or event, in one run.

Peers run in environments of their own (`peers/`), a whole backtest whenever they are asked. Their fills are not
modelled as ours are: what is compared is the same rule over the same prices. Ours charges fees, funding, margin,
latency, spread and impact, watches risk and keeps a log of every fill; the plain loops do nothing of it but the fee.
"""

import contextlib
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
from market_columns import START_NS, Changes, Floats, Minutes, changes, minutes
from measure import Figure, cpu_ns, interleaved, judge, ratio, tell
from sma_rule import ANY_SMA, EACH_SECOND, SMA, AnyParameters

from perpscope.analytics.liqmap.compiling import loops
from perpscope.analytics.margin_tiers import tier_table
from perpscope.app.backtest.bars import Bars
from perpscope.engine.trader import Trader
from perpscope.model.instrument import Instrument, MarginTier, instrument_id
from perpscope.model.market import Candle
from perpscope.settings import Costs, Risk
from perpscope.trading.desk import Desk, opened
from perpscope.trading.fees import costs_of
from perpscope.trading.kernel import kernel
from perpscope.trading.risk import limited
from perpscope.trading.strategy import Strategy
from perpscope.trading.tape import Tape, tape_of_candles, tape_of_levels
from perpscope.trading.units import Units

_ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).parent
_MINUTE_NS = 60_000_000_000
_FAST, _SLOW, _FEE = 20, 50, 0.0005
#: Backtests of ours in a round beside another program's one: a hundredth of a second alone would be half warming up.
_TIMES = 10
_PEERS = ("backtesting", "nautilus", "basana", "hftbacktest", "vectorbt")
_CONTRACT = Instrument(
    id=instrument_id("binance", "BTC", "USDT"),
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    step_size=Decimal("0.001"),
    min_notional=Decimal(100),
)
_UNITS = Units.of(_CONTRACT)
_TIERS = tier_table([MarginTier(floor=0.0, cap=None, mmr=0.004, max_leverage=125.0)])


class _Bar(msgspec.Struct, gc=False):
    """What a plain loop in Python goes over."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 -- as in the loop this is the floor of
    c: float
    v: float


def backtest() -> bool:
    """Every figure of the backtest."""
    subprocess.run([_ROOT / "tools" / "peers.sh", *_PEERS], check=False)  # one left out is told below
    return all([_events(), _compiled(), *_bar_peers(), *_levels(), _sweep()])


def _desk(strategy: Strategy, *, trades: bool = False, mode: int = 1, given: msgspec.Struct | None = None) -> Desk:
    desk = opened(
        strategy,
        given or strategy.parameters(),
        _UNITS,
        _TIERS,
        costs_of(_CONTRACT, Costs()),
        deposit=Decimal(10_000_000),  # it loses all the time: with less it would end broke, and only be refused
        has_candles=not trades,
    )
    limited(desk, Risk(target=60_000.0, cooldown_s=0.0), mode=mode, is_paced=not trades, is_strict=False)
    return desk


# bars --------------------------------------------------------------------------------------------------------------


def _candles(bars: Minutes) -> Iterator[Candle]:
    """As a backtest of files makes them, each as it is asked for."""
    length = bars.close.size
    ts_open = START_NS + np.arange(length, dtype=np.int64) * _MINUTE_NS
    made = Bars(ts_open=ts_open, **bars._asdict(), taker_buy=np.full(length, np.nan), interval_ns=_MINUTE_NS)
    return made.candles(_CONTRACT.id)


def _tape(bars: Minutes) -> Tape:
    length = bars.close.size
    columns = np.column_stack([*bars, np.full(length, np.nan)])
    return tape_of_candles(START_NS + np.arange(length, dtype=np.int64) * _MINUTE_NS, columns, _MINUTE_NS)


def _through_events(candles: Iterable[Candle], *, mode: int = 1) -> int:
    trader = Trader(SMA, _CONTRACT, _desk(SMA, mode=mode), None)
    process = trader.process
    for candle in candles:
        process(candle)
    return trader.view.fill_count


def _plain(bars: list[_Bar]) -> int:
    """The plain loop: two running means, a position and its fee."""
    fast: deque[float] = deque(maxlen=_FAST)
    slow: deque[float] = deque(maxlen=_SLOW)
    sums = [0.0, 0.0]
    cash = position = 0.0
    trades = 0

    def on_bar(bar: _Bar) -> None:
        nonlocal cash, position, trades
        close = bar.c
        if len(fast) == _FAST:
            sums[0] -= fast[0]
        if len(slow) == _SLOW:
            sums[1] -= slow[0]
        fast.append(close)
        slow.append(close)
        sums[0] += close
        sums[1] += close
        if len(slow) == _SLOW:
            wanted = 1.0 if sums[0] / _FAST > sums[1] / _SLOW else -1.0
            if wanted != position:
                change = wanted - position
                cash -= change * close + abs(change) * close * _FEE
                position = wanted
                trades += 1

    for bar in bars:
        on_bar(bar)
    return trades


def _events() -> bool:
    length = 100_000
    bars = minutes(length)
    candles = list(_candles(bars))
    rows = zip(*(column.tolist() for column in bars), strict=True)
    plain = [_Bar(at, *row) for at, row in enumerate(rows)]
    figures = interleaved(
        {
            "plain Python loop, no fills": lambda: cpu_ns(lambda: _plain(plain), length),
            "event path": lambda: cpu_ns(lambda: _through_events(candles), length),
        }
    )
    tell("backtest, one event at a time: CPU per one-minute bar", figures)
    return judge("event path over the plain loop", ratio(*_pair(figures)), 4.0)


@loops
def _floor(close: Floats, fee: float) -> tuple[float, int]:
    """The same in compiled form."""
    cash = position = fast = slow = 0.0
    trades = 0
    for at in range(close.size):
        fast += close[at]
        slow += close[at]
        if at >= 20:
            fast -= close[at - 20]
        if at >= 50:
            slow -= close[at - 50]
            wanted = 1.0 if fast / 20 > slow / 50 else -1.0
            if wanted != position:
                change = wanted - position
                cash -= change * close[at] + abs(change) * close[at] * fee
                position = wanted
                trades += 1
    return cash + position * close[-1], trades


def _compiled() -> bool:
    length = 1_000_000
    bars = minutes(length)
    tape, walk = _tape(bars), kernel(SMA.rule).run
    figures = interleaved(
        {
            "numba loop, no fills": lambda: cpu_ns(lambda: _floor(bars.close, _FEE), length),
            "compiled path": lambda: cpu_ns(lambda: walk(_desk(SMA), tape), length),
        }
    )
    tell("backtest, compiled: CPU per one-minute bar", figures)
    return judge("compiled path over the numba loop", ratio(*_pair(figures)), 10.0)


def _bar_peers() -> list[bool]:
    length = 20_000
    bars = minutes(length)
    candles = list(_candles(bars))

    def ours(mode: int, peer: str) -> Callable[[], float]:
        def all_of_them() -> None:
            for _ in range(_TIMES):
                made = _candles(bars) if peer == "basana" else candles  # basana makes its bars as it goes
                _through_events(made, mode=mode)

        return lambda: cpu_ns(all_of_them, length * _TIMES)

    asked = (
        ("backtesting.py 0.6.6, with orders", "backtesting", "run_backtesting.py", (), 1, 4.0),
        ("nautilus 1.221.0, bars without orders", "nautilus", "run_nautilus_backtest.py", ("bars",), 0, 3.0),
        ("nautilus 1.221.0, ticks with orders", "nautilus", "run_nautilus_backtest.py", ("ticks",), 1, 20.0),
        ("basana 1.11, with orders", "basana", "run_basana.py", (), 1, 25.0),
    )
    print("\nbacktest, one event at a time: CPU per bar, beside other programs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minutes"
        bars.write(path)
        return [
            _beside(name, peer, [script, str(path), str(length), *words], "event path", ours(mode, peer), goal)
            for name, peer, script, words, mode, goal in asked
        ]


# books and trades --------------------------------------------------------------------------------------------------


def _level_tape(made: Changes) -> Tape:
    is_trade = made.kind == 0
    trades = np.column_stack([made.tick[is_trade] * 0.1, made.size[is_trade] * made.taker[is_trade]])
    rest = ~is_trade
    ticks = np.where(made.kind[rest] == 1, made.tick[rest], -made.tick[rest])
    levels = np.column_stack([ticks, np.round(made.size[rest] * 1000).astype(np.int64)])
    return tape_of_levels(made.time, made.time + 500_000, trades, levels, is_trade)


def _levels() -> list[bool]:
    length = 1_000_000
    made = changes(length)
    tape = _level_tape(made)
    print("\nbacktest over L2 changes and trades, compiled: CPU per event, an order a second or none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changes"
        made.write(path)
        return [
            _beside(
                f"hftbacktest 2.4.4, {words}",
                "hftbacktest",
                ["run_hftbacktest.py", str(path), str(length), words],
                "compiled path",
                lambda mode=mode: cpu_ns(  # type: ignore[misc]
                    lambda: kernel(EACH_SECOND.rule).run(_desk(EACH_SECOND, trades=True, mode=mode), tape), length
                ),
                0.5,
            )
            for words, mode in (("feed", 0), ("orders", 1))
        ]


# a sweep -----------------------------------------------------------------------------------------------------------


def _sweep() -> bool:
    """A thousand backtests of the same bars, in one process, beside vectorbt's thousand columns at once."""
    length, fast, slow = 10_000, range(5, 30), range(40, 80)
    points = [AnyParameters(one, other) for one in fast for other in slow]
    tape, walk = _tape(minutes(length)), kernel(ANY_SMA.rule).run

    def ours() -> float:
        def all_of_them() -> None:
            for point in points:
                walk(_desk(ANY_SMA, given=point), tape)

        return cpu_ns(all_of_them, length * len(points))

    print("\nsweep of 1,000 points: CPU per bar and point")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minutes"
        minutes(length).write(path)
        words = ["run_vectorbt.py", str(path), str(length), ",".join(map(str, fast)), ",".join(map(str, slow))]
        return _beside("vectorbt 1.2.0", "vectorbt", words, "compiled path", ours, 1.0, rounds=3)


# peers -------------------------------------------------------------------------------------------------------------


class _Silent(Exception):
    """A peer's program ended without a figure."""


@contextlib.contextmanager
def _program(peer: str, words: list[str]) -> Iterator[Callable[[], float]]:
    """A peer's process, asked for one backtest after another."""
    python = _ROOT / ".cache" / "peers" / peer / "bin" / "python"
    if not python.exists():
        raise _Silent(f"it could not be installed, see .cache/peers/{peer}.log")
    with subprocess.Popen(
        [str(python), str(_HERE / "peers" / words[0]), *words[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_HERE / "peers")},
    ) as process:
        ask, told, wrong = process.stdin, process.stdout, process.stderr
        assert ask is not None
        assert told is not None
        assert wrong is not None

        def once() -> float:
            with contextlib.suppress(BrokenPipeError):
                ask.write("\n")
                ask.flush()
            line = told.readline()
            if not line:
                raise _Silent((wrong.read().strip().splitlines() or ["it said nothing"])[-1][:200])
            return float(line.split()[0])

        yield once
        with contextlib.suppress(BrokenPipeError):
            ask.close()


def _beside(
    name: str,
    peer: str,
    words: list[str],
    way: str,
    ours: Callable[[], float],
    goal: float,
    rounds: int = 5,
) -> bool:
    try:
        with _program(peer, words) as theirs:
            figures = interleaved({way: ours, name: theirs}, rounds)
    except _Silent as silent:
        print(f"  {name:<46} not measured: {silent}")
        return False
    for figure in figures.values():
        print(f"  {figure.name:<44} {figure.median:>12,.1f} ns   (least {min(figure.rounds):,.1f})")
    return judge(f"{name} over ours", ratio(figures[name], figures[way]), goal, at_least=True)


def _pair(figures: dict[str, Figure]) -> tuple[Figure, Figure]:
    floor, ours = figures.values()
    return ours, floor
