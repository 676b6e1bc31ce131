"""From what a person asks for to a run: the strategy proven, its parameters read, and the heart's settings narrowed.

The heart of a run listens to one contract, books and all, and does nothing that its strategy does not need.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from perpscope.app import strategies, venues
from perpscope.app.trade.account import Account
from perpscope.app.trade.credentials import keys_of
from perpscope.app.trade.opening import Wanted
from perpscope.app.trade.run import TradeRun
from perpscope.app.venues import VenueSettings
from perpscope.config import convert
from perpscope.errors import ConfigError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.private_calls import Keys
from perpscope.model.run import RunKind
from perpscope.settings import Archive, Ccxt, Settings
from perpscope.trading.strategy import Needs

#: What an order's id has room for beside the run's id and the number: 36 - len("12345678--x99999").
_LONGEST_NAME: Final = 20
#: Days of the past that maps and forecasts begin with.
_PAST_DAYS: Final = 2.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def wanted(
    kind: RunKind,
    named: str,
    tree: Settings,
    database: Path,
    *,
    venue: str,
    symbol: str,
    given: Mapping[str, str],
    seed: int = 1,
    adopts: bool = False,
) -> Wanted:
    """A run, checked as far as it can be before the venue is asked.

    Args:
        kind: paper or live.
        named: the strategy's name, or its file.
        tree: the settings.
        database: beside which journal, mode and runs are.
        venue: where.
        symbol: what, as people write it.
        given: parameters, value by key.
        seed: of latencies that are drawn on paper.
        adopts: a position that no run opened is taken over.

    Raises:
        ConfigError: no such strategy, a parameter that is none, or a name too long for an order's id.
    """
    strategy = strategies.find(named, tree)
    parameters = strategies.parameters(strategy, tree, given)
    _refuse_long(strategy.name)
    if is_on_lab := is_lab(tree, venue):  # there is no money to be lost
        tree = replace(tree, trade=replace(tree.trade, live_enabled=True))
    return Wanted(
        kind=kind,
        strategy=strategies.proven(strategy),
        named=_found_again(named, tree),
        parameters=parameters,
        settings=narrowed(tree, strategy.needs, venue, symbol),
        database=database,
        is_lab=is_on_lab,
        data=_data(tree, venue),
        seed=seed,
        adopts=adopts,
    )


def _refuse_long(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise ConfigError(
            "strategy-name-long",
            f"{name!r} has {len(name)} characters, and an order's id has room for {_LONGEST_NAME}",
            hint="give the file a shorter name",
        )


def made(run: Wanted, keys: Keys | None = None, *, announce: Callable[[str], None] = lambda _: None) -> TradeRun:
    """A run that can be started.

    Args:
        run: as `wanted` made it.
        keys: of the account; None = those that are set.
        announce: told what a person should know, one line at a time.

    Raises:
        ConfigError: nobody trades at this venue, or no keys are set.
    """
    clock = MarketClock()
    account = None
    if run.kind is RunKind.LIVE:
        venue = run.settings.collect.venues[0]
        account = Account(venue, keys or keys_of(run.settings.trade), run.settings, clock)
    return TradeRun(run, account, clock=clock, announce=announce)


def narrowed(tree: Settings, needs: Needs, venue: str, symbol: str) -> Settings:
    """The settings of a heart that listens to one contract for one strategy."""
    is_derived = bool(needs & (Needs.MAP | Needs.FORECAST))
    return replace(
        tree,
        collect=replace(tree.collect, venues=(venue,), symbols=(symbol,), books=True),
        ccxt=Ccxt(),
        archive=Archive(),
        backfill=replace(tree.backfill, days=min(tree.backfill.days, _PAST_DAYS) if is_derived else 0.0),
        map=replace(tree.map, enabled=Needs.MAP in needs, symbols=(), share=""),
        inference=replace(tree.inference, enabled=Needs.FORECAST in needs, symbols=(symbol,)),
        strategy={
            name: {key: value for key, value in table.items() if key != "enabled"}
            for name, table in tree.strategy.items()
        },
    )


def is_lab(tree: Settings, venue: str) -> bool:
    """Whether a venue is a lab on this machine: its market has a clock of its own, and every address is loopback."""
    own = convert(tree.venue.get(venue, {}), VenueSettings, f"venue.{venue}")
    urls = (own.clock_url, own.rest_url, own.websocket_url)
    return all(urlsplit(url).hostname in _LOOPBACK for url in urls)


def _data(tree: Settings, venue: str) -> str:
    """What is traded: "observed", or "demo" where market and money are made up, on a lab or on a testnet."""
    own = venues.settings(venue, tree.venue)
    return "demo" if own.clock_url or venues.is_testnet(venue, own) else "observed"


def _found_again(named: str, tree: Settings) -> str:
    """What finds a strategy without these settings: its name, or where its file is."""
    file = tree.strategy.get(named, {}).get(strategies.FILE)
    if isinstance(file, str):
        return str(Path(file).expanduser().resolve())
    return str(Path(named).expanduser().resolve()) if named.endswith(".py") else named
