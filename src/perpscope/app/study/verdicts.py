"""`study verdicts`: what each strategy that comes with perpscope came to on real data, kept and shipped with it.

In: a folder of recordings (docs/strategies.md names them). Out: one row a run, and for each strategy the least
favourable of its verdicts. Parameters are the defaults, chosen before and never fitted to these files; both directions
of `magnet` count as trials.
"""

import functools
import importlib.resources
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import strategies
from perpscope.app.backtest import gather
from perpscope.app.backtest.asking import asked_of
from perpscope.app.backtest.derived import with_derived
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.run import backtest
from perpscope.errors import DataError
from perpscope.feeds.clock import wall_ns
from perpscope.model.run import Verdict
from perpscope.settings import Risk, Settings

#: The file they ship in, beside the strategies.
FILE: Final = "verdicts.json"
#: A tenth of the deposit in each position, so that what is lost does not shrink what comes after, and no run is ended
#: early by a loss. All else as it ships.
SETTINGS: Final = Settings(risk=Risk(target=1_000.0, drawdown=1.0, daily_loss=1.0))
#: Least favourable first, of runs with trades enough.
_ORDER: Final = (Verdict.LOSES, Verdict.FAILS_NULLS, Verdict.IN_SAMPLE, Verdict.HOLDS)
_FEW_DAYS: Final = 3.0  # fewer are told in hours
_SMALL: Final = 100.0  # less is told to the cent
_DAY_MS: Final = 86_400_000
_BOOKS: Final = ("btc_20260611", "eth_20260611", "sol_20260611", "doge_20260614")


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One run that is made."""

    strategy: str
    data: str  #: in words
    paths: tuple[str, ...]  #: below the folder of recordings
    symbol: str | None = None
    venue: str | None = None
    given: dict[str, str] = {}  #: parameters beside the defaults
    trials: int = 1
    until: str | None = None  #: ISO date its data end at; None = all are taken


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    data: str
    paths: list[str]
    given: dict[str, str]
    days: float
    trades: int
    win_rate: float | None
    win_low: float | None  #: Wilson, 95 %
    win_high: float | None
    gross: float  #: quote units, of positions of 1,000
    fees: float
    funding: float
    net: float
    max_drawdown: float  #: fraction of the peak
    near_misses: dict[str, int]
    refused: dict[str, int]
    coverage: float
    verdict: Verdict
    why: str
    hash: str


class StrategyVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a strategy."""

    verdict: Verdict
    why: str  #: one sentence with its figures
    data: str  #: what it was run on
    as_of: str  #: ISO date
    runs: list[Judged]


def plan() -> list[Planned]:
    """Every run there is a verdict of: `burst` on books, the others on candles."""
    made = [
        Planned(
            strategy="burst",
            data=f"Hyperliquid {name.split('_')[0].upper()} books and trades, {_date(name)}",
            paths=tuple(f"books/hyperliquid_{name}_{kind}.jsonl.gz" for kind in ("trades", "l2", "ctx")),
        )
        for name in _BOOKS
    ]
    for words, paths, symbol, venue in _candles():
        held = Planned(strategy="hold", data=words, paths=paths, symbol=symbol, venue=venue)
        toward = msgspec.structs.replace(held, strategy="magnet", trials=2)
        made += [toward, msgspec.structs.replace(toward, given={"toward": "0"}), held]
    return [*made, piece()]


def piece() -> Planned:
    """The run that a test makes again: two weeks of the longest."""
    name = "Binance ETHUSDT 15m, 2023-01 to 2025-12"
    whole = next(paths for words, paths, _, _ in _candles() if words == name)
    return Planned(
        strategy="magnet",
        data="Binance ETHUSDT 15m, 2023-01-01 to 14 alone",
        paths=whole,
        symbol="ETHUSDT",
        venue="binance",
        trials=2,
        until="2023-01-15",
    )


def made(
    folder: Path, names: Sequence[str], said: Callable[[str], None] = lambda _: None
) -> dict[str, StrategyVerdict]:
    """Make the runs again, with `SETTINGS` and no configuration.

    Args:
        folder: of the recordings.
        names: of strategies.
        said: hears of each run that is done.

    Raises:
        DataError: a recording is not there ("backtest-missing").
    """
    today = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date().isoformat()
    rows: dict[str, list[Judged]] = {name: [] for name in names}
    for one in plan():
        if one.strategy in rows:
            rows[one.strategy].append(judged(folder, one))
            said(_said(one, rows[one.strategy][-1]))
    return {name: verdict_of(name, runs, today) if runs else unjudged(name, today) for name, runs in rows.items()}


def judged(folder: Path, one: Planned, settings: Settings = SETTINGS) -> Judged:
    """Make one run.

    Args:
        folder: of the recordings.
        one: of `plan`.
        settings: costs, risk and deposit.
    """
    strategy = strategies.find(one.strategy)
    parameters = strategies.parameters(strategy, settings, one.given)
    material = _material(folder, one.strategy, one.paths, (one.venue, one.symbol, one.until))
    told = backtest(strategy, parameters, material, settings, trials=one.trials).summary
    own = {"data", "paths", "given", "days"}
    same = {name: getattr(told, name) for name in Judged.__struct_fields__ if name not in own}
    days = (told.to_ms - told.from_ms) / _DAY_MS
    return Judged(data=one.data, paths=list(one.paths), given=one.given, days=days, **same)


def _length(days: float) -> str:
    return f"{days:,.0f} days" if days >= _FEW_DAYS else f"{days * 24.0:,.0f} hours"


def _money(amount: float) -> str:
    return _signed(amount, 0 if abs(amount) >= _SMALL else 2)


def _signed(amount: float, places: int) -> str:
    """With its sign, a real minus."""
    return f"{amount:+,.{places}f}".replace("-", "−")


def verdict_of(name: str, runs: Sequence[Judged], as_of: str) -> StrategyVerdict:
    """The least favourable of its runs' verdicts, of those that had trades enough to say anything."""
    telling = [run for run in runs if run.verdict is not Verdict.TOO_FEW]
    said = next((v for v in _ORDER if any(run.verdict is v for run in telling)), Verdict.TOO_FEW)
    whole = [run for run in runs if run.data != piece().data]
    trades, net = sum(run.trades for run in whole), sum(run.net for run in whole)
    gross, costs = sum(run.gross for run in whole), sum(run.fees + run.funding for run in whole)
    of = f"{sum(run.verdict is said for run in whole)} of {len(whole)} runs say so"
    words = f"{trades:,} trades in {_length(sum(run.days for run in whole))} of runs"
    money = f"gross {_money(gross)}, fees and funding {_money(-costs)}, net {_money(net)}"
    why = f"{words}, positions of {SETTINGS.risk.target:,.0f}: {money}; {of}."
    if name == "hold":
        why = f"The baseline: it buys once a run, so nothing can be said of its skill. {why}"
    return StrategyVerdict(
        verdict=said, why=why, data="; ".join(dict.fromkeys(run.data for run in runs)), as_of=as_of, runs=list(runs)
    )


def unjudged(name: str, as_of: str) -> StrategyVerdict:
    """Of a strategy that has nothing to act on: no model that ships was promoted."""
    return StrategyVerdict(
        verdict=Verdict.TOO_FEW,
        why=f"{name} acts on promoted models alone, and none ships that was promoted: it stays flat. 0 trades.",
        data="none",
        as_of=as_of,
        runs=[],
    )


def shipped(path: Path | None = None) -> dict[str, StrategyVerdict]:
    """The verdicts that come with perpscope.

    Raises:
        DataError: the file is not what it should be ("verdicts-file").
    """
    file = path or importlib.resources.files("perpscope.strategies").joinpath(FILE)
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, StrategyVerdict])
    except (OSError, msgspec.DecodeError) as error:
        raise DataError("verdicts-file", f"{file} cannot be read: {error}", hint="install perpscope again") from error


def written(found: dict[str, StrategyVerdict]) -> bytes:
    """As the file holds them."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def page(found: dict[str, StrategyVerdict]) -> str:
    """What the document shows between its marks: a line a strategy, then the runs."""
    lines = [f"- **`{name}`: {told.verdict.value}** ({told.as_of}). {told.why}" for name, told in found.items()]
    return "\n".join([*lines, "", table(found)])


def table(found: dict[str, StrategyVerdict]) -> str:
    """The runs as a table of Markdown, a row each."""
    head = (
        "strategy",
        "data",
        "days",
        "trades",
        "won [95 %]",
        "gross",
        "fees",
        "funding",
        "net",
        "bp a trade",
        "verdict",
    )
    rows = [head, tuple("---" for _ in head)]
    for name, told in found.items():
        rows += [_cells(name, run) for run in told.runs]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(name: str, run: Judged) -> tuple[str, ...]:
    given = " ".join(f"{key}={value}" for key, value in run.given.items())
    won = "–" if run.win_rate is None else f"{run.win_rate:.0%} [{run.win_low or 0:.0%}, {run.win_high or 0:.0%}]"
    money = (_signed(amount, 0) for amount in (run.gross, -run.fees, -run.funding, run.net))
    each = _signed(run.net / run.trades / SETTINGS.risk.target * 1e4, 1) if run.trades else "–"
    label = f"`{name}`" + (f" `{given}`" if given else "")
    return (*(label, run.data, f"{run.days:,.1f}", f"{run.trades:,}", won, *money, each, run.verdict.value),)


def _said(one: Planned, row: Judged) -> str:
    given = "".join(f" {key}={value}" for key, value in one.given.items())
    return f"{one.strategy}{given} on {one.data}: {row.trades:,} trades, net {row.net:+,.2f}, {row.verdict.value}"


@functools.lru_cache(maxsize=1)
def _material(
    folder: Path, name: str, paths: tuple[str, ...], asked: tuple[str | None, str | None, str | None]
) -> Material:
    """What a strategy runs on; both directions of one on the same."""
    (venue, symbol, until), strategy = asked, strategies.find(name)
    wanted = asked_of(venue, symbol, None, until, strategy.needs)
    return with_derived(gather.gathered([folder / path for path in paths], wanted, database=None), strategy)


def _candles() -> Iterable[tuple[str, tuple[str, ...], str, str]]:
    klines = "history/klines"
    may = tuple(f"{klines}/binance_usdm_1m_2025-05{part}" for part in ("", "_06"))
    for coin in ("BTC", "ETH", "SOL"):
        yield f"Binance {coin}USDT 1m, 2025-05-04 to 06-24", may, f"{coin}USDT", "binance"
    yield "Binance BTCUSDT 1m, 2025-07-13 to 08-12", (f"{klines}/binance_usdm_1m_2025-07_08",), "BTCUSDT", "binance"
    for coin in ("BTC", "ETH"):
        files = tuple(
            f"{klines}/binance_usdm_2023_2025/{coin}_USDT_USDT-{kind}.feather"
            for kind in ("15m-futures", "8h-funding_rate", "8h-mark")
        )
        yield f"Binance {coin}USDT 15m, 2023-01 to 2025-12", files, f"{coin}USDT", "binance"
    yield "OKX BTC-USDT-SWAP 1m, 2026-01", (f"{klines}/okx_swap_1m_2026-01",), "BTC-USDT-SWAP", "okx"


def _date(name: str) -> str:
    return datetime.strptime(name.split("_")[1], "%Y%m%d").replace(tzinfo=UTC).date().isoformat()
