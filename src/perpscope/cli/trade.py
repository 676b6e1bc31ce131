"""`paper` and `trade`: a strategy on a live market, on paper or with real orders; on the lab with its own money."""

import asyncio
import getpass
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Duration, Json, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.trade.lab import LabMarket
    from perpscope.app.trade.run import Answer, TradeRun
    from perpscope.config import Loaded
    from perpscope.feeds.private_calls import Keys
    from perpscope.model.run import RunKind
    from perpscope.model.trade_status import TradeStatus
    from perpscope.settings import Settings

_Strategy = Annotated[str, typer.Argument(metavar="STRATEGY", help="Name of a strategy, or a file of your own.")]
_StrategyOrArm = Annotated[
    str, typer.Argument(metavar="STRATEGY|arm", help="Name of a strategy, or a file; or arm: let one trade live.")
]
_Symbol = Annotated[str, typer.Option("--symbol", help="Coin, symbol or id of the contract.")]
_Venue = Annotated[str, typer.Option("--venue", help="Whose market.")]
_Lab = Annotated[bool, typer.Option("--lab", help="The lab as exchange, everything in a folder thrown away. DEMO.")]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the lab's market, and of latencies on paper.")]
_Speed = Annotated[str, typer.Option("--speed", help="Market seconds per real second, on the lab.")]
_Param = Annotated[
    list[str] | None, typer.Option("--param", "--set", help="Parameter of the strategy, key=value; may be repeated.")
]
#: The word that is no strategy.
_ARM = "arm"
#: Real seconds between two lines where people look.
_LINE_EVERY_S = 1.0


def paper(
    strategy: _Strategy,
    symbol: _Symbol = "BTC",
    venue: _Venue = "binance",
    lab: _Lab = False,
    seed: _Seed = 7,
    speed: _Speed = "60x",
    duration: Duration = None,
    param: _Param = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Trade on paper: a live market, the simulated exchange of the backtests, no keys."""
    from perpscope.model.run import RunKind

    loaded = settings(config=config, db=db)
    _start(_Asked(RunKind.PAPER, strategy, symbol, venue, lab, seed, speed, duration, param or [], db, json), loaded)


def trade(
    strategy: _StrategyOrArm,
    what: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="arm: the contract, typed by hand.")] = None,
    symbol: _Symbol = "BTC",
    venue: _Venue = "binance",
    lab: _Lab = False,
    live: Annotated[bool, typer.Option("--live", help="Real orders, real money; armed before: trade arm.")] = False,
    seed: _Seed = 7,
    speed: _Speed = "60x",
    duration: Duration = None,
    param: _Param = None,
    armed: Annotated[str | None, typer.Option("--strategy", help="arm: the strategy that may trade.")] = None,
    override: Annotated[
        str, typer.Option("--override", metavar="WHY", help="arm: though paper has not shown enough; kept on record.")
    ] = "",
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over a position that no run opened.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Trade with real orders: on the lab, or with --live once armed."""
    from perpscope.model.run import RunKind

    loaded = settings(config=config, db=db)
    if strategy == _ARM:
        _arm(loaded, venue, what, armed, is_live=live, override=override, json=json)
        return
    if what is not None:
        raise ConfigError("option-value", f"{what!r} is too much", hint=f"--symbol {what}")
    asked = _Asked(RunKind.LIVE, strategy, symbol, venue, lab, seed, speed, duration, param or [], db, json, adopt)
    if not lab:
        _refuse_careless(loaded, venue, is_live=live)
    _start(asked, loaded)


def _arm(
    loaded: "Loaded", venue: str, typed: str | None, strategy: str | None, *, is_live: bool, override: str, json: bool
) -> None:
    """Let a strategy trade live on a contract, for as long as the settings say."""
    from perpscope.app.trade.arming import Asked
    from perpscope.app.trade.arming_asked import armed

    if typed is None or strategy is None:
        raise ConfigError(
            "option-value", "arm needs a contract and a strategy", hint="trade arm BTCUSDT --strategy burst --live"
        )
    who = f"{getpass.getuser()} by command"
    asked = Asked(strategy=strategy, typed=typed, is_live=is_live, override=override, who=who)
    path = database(loaded)
    found = asyncio.run(armed(path, loaded.settings, venue, typed, asked))
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for words in found.warnings:
        _say(f"warning: {words}")
    for name in found.overridden:
        _say(f"overridden, on record: {name}")
    until = 0 if found.state.armed is None else found.state.armed.until_ms
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(until / 1e3))
    label = "DEMO" if found.is_testnet else "LIVE"
    print(f"{label} is armed: {strategy} on {typed} until {at}")
    print(f"  perpscope trade {strategy} --symbol {typed} --live begins; perpscope halt ends everything")


class _Asked(msgspec.Struct, frozen=True):
    """A run as the command line has it."""

    kind: "RunKind"
    strategy: str
    symbol: str
    venue: str
    is_lab: bool
    seed: int
    speed: str
    duration: float | None
    param: list[str]
    db: Path | None
    is_json: bool
    adopts: bool = False


def _refuse_careless(loaded: "Loaded", venue: str, *, is_live: bool) -> None:
    """Real orders are sent only by somebody who says so twice: in the settings and here.

    Raises:
        ConfigError: one of them is missing.
    """
    from perpscope.app.trade.asking import is_lab

    if is_lab(loaded.settings, venue):
        return
    if not loaded.settings.trade.live_enabled:
        raise ConfigError(
            "mode-not-allowed",
            "live is not allowed by the settings (trade.live_enabled)",
            hint="perpscope paper trades without; perpscope trade --lab with the lab's money",
        )
    if not is_live:
        raise ConfigError("live-not-armed", "real orders are sent with --live alone", hint="say --live, knowingly")


def _start(asked: _Asked, loaded: "Loaded") -> NoReturn:
    """Trade, print what came of it, and exit."""
    from perpscope.app import doctor_machine
    from perpscope.app.demo import rate_of
    from perpscope.app.trade import warming
    from perpscope.app.trade.credentials import keys_of
    from perpscope.app.trade.lab import LabMarket
    from perpscope.feeds import event_loop

    doctor_machine.refuse_too_few_open_files()
    market: LabMarket | None = None
    if asked.is_lab:
        market = LabMarket(asked.venue, asked.symbol, seed=asked.seed, speed=rate_of(asked.speed), database=asked.db)
    elif asked.kind.value == "live":
        keys_of(loaded.settings.trade)  # what is missing is told before anything is compiled
    warming.compiled(asked.strategy, loaded.settings, _say)
    raise typer.Exit(event_loop.run(_traded(asked, loaded, market)))


async def _traded(asked: _Asked, loaded: "Loaded", market: "LabMarket | None") -> int:
    from perpscope.app.trade.lab import KEYS

    if market is None:
        return await _run(asked, loaded.settings, database(loaded), None)
    async with market:
        return await _run(asked, market.settings(loaded.settings), market.database, KEYS)


async def _run(asked: _Asked, tree: "Settings", path: Path, keys: "Keys | None") -> int:
    """Trade until it is over; Ctrl-C ends it in order, a second one at once."""
    from perpscope.app import strategies
    from perpscope.app.answers.trade import label_words
    from perpscope.app.trade import asking

    wanted = asking.wanted(
        asked.kind,
        asked.strategy,
        tree,
        path,
        venue=asked.venue,
        symbol=asked.symbol,
        given=strategies.assigned(asked.param),
        seed=asked.seed,
        adopts=asked.adopts,
    )
    run = asking.made(wanted, keys, announce=_say)
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        run.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    lines = _Lines(label_words(wanted.kind, wanted.data), is_shown=not asked.is_json)
    answer = await run.run(asked.duration, on_tick=lines.look)
    if asked.is_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        print_answer(answer, lines.label, out=sys.stdout)
    return 130 if signal.SIGINT in caught else 0


class _Lines:
    """A line a second about a run, and none where nothing has changed but the time."""

    def __init__(self, label: str, *, is_shown: bool) -> None:
        self.label = label
        self._is_shown = is_shown
        self._at = float("-inf")

    def look(self, run: "TradeRun") -> None:
        """Say how it is doing, if it is time."""
        now = time.monotonic()
        if not self._is_shown or now - self._at < _LINE_EVERY_S:
            return
        self._at = now
        told = run.status
        if told is not None:
            _say(_line(self.label, told))


def _line(label: str, told: "TradeStatus") -> str:
    held, money = told.held, told.money
    at = time.strftime("%m-%d %H:%M:%S", time.gmtime(told.market_ms / 1e3))
    what = "flat" if held.side is None else f"{held.side} {held.size:g} at {held.entry_price:g}"
    stop = f", stop {held.stop:g}" if held.stop is not None else ", NO STOP" if held.side is not None else ""
    mark = "–" if held.mark is None else f"{held.mark:g}"
    halted = f" · HALTED: {told.halted}" if told.halted else ""
    return (
        f"{label} {at} · mark {mark} · {what}{stop} · equity {money.equity:,.2f} "
        f"({money.equity - money.deposit:+,.2f}) · {told.orders} orders, {told.fills} fills{halted}"
    )


def print_answer(answer: "Answer", label: str, *, out: TextIO) -> None:
    """Print what a run came to, for people."""
    from perpscope.app.trade.run import words

    print(f"{label} · run {answer.run} · {answer.strategy} on {answer.instrument}", file=out)
    for line in words(answer):
        print(f"  {line}", file=out)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
