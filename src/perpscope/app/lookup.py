"""What venues list, asked live for somebody to look at: every contract, a name's meaning, the default set, margin.

In: settings and a question. Out: `Found`, whose fields are those of `perpscope symbols --json`. Every venue is asked
at once; one that does not answer is named, the others are shown.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal

import msgspec

from perpscope.app import venues
from perpscope.app.catalogue import Choice, Listed, ask, choose, margin_tables
from perpscope.app.default_set import DefaultSet
from perpscope.app.margin_tiers import MarginTable
from perpscope.app.symbols import DOLLARS, EVERYTHING
from perpscope.errors import VenueError, VenueUnreachable
from perpscope.feeds.rest import RestClient
from perpscope.model.instrument import Contract, Instrument, InstrumentId
from perpscope.ports import Http, Venue
from perpscope.settings import Settings


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contract as its venue lists it."""

    venue: str
    id: str
    symbol: str
    base: str
    quote: str
    contract: Contract
    expiry: str | None  #: YYMMDD; null for a perpetual
    coin: str
    multiplier: int  #: coins in one base unit
    contract_size: Decimal  #: base units (linear), quote units (inverse)
    tick_size: Decimal | None
    step_size: Decimal | None  #: base units
    min_notional: Decimal | None  #: quote units
    funding_interval_h: float | None
    max_leverage: float | None
    is_trading: bool
    is_crypto: bool
    turnover_usd_24h: float | None  #: null where the venue does not tell, or not in dollars


class Margin(msgspec.Struct, frozen=True):
    """The margin tiers of one contract."""

    venue: str
    id: str
    symbol: str
    table: MarginTable


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a question; what was not asked for is left out."""

    symbols: list[Row]  #: most turnover first
    unreachable: dict[str, str]  #: venue → why
    notes: list[str]  #: what a person should know
    default: DefaultSet | None = None
    margin: list[Margin] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to look up; without names and flags, what `all` would take."""

    names: tuple[str, ...] = ()  #: coins, symbols, ids
    every: bool = False  #: dated, halted and non-crypto contracts too
    default: bool = False  #: the default set
    margin: bool = False  #: the margin tiers of the names, too


async def look_up(settings: Settings, question: Question) -> Found:
    """Ask the venues of the settings.

    Raises:
        ConfigError: a venue or name is unknown.
        VenueError: no venue answered.
    """
    chosen = [venues.find(name) for name in dict.fromkeys(settings.collect.venues)]
    async with AsyncExitStack() as stack:
        clients = {venue.name: await stack.enter_async_context(_client(venue, settings)) for venue in chosen}
        asked = [ask(venue, clients[venue.name], turnover=True) for venue in chosen]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        listed, failed = _sorted_out([venue.name for venue in chosen], answers)
        choice = _chosen(question, listed, [*failed])
        margin = await _margin(chosen, clients, choice) if question.margin else None
    rows = [
        _row(instrument, listed[venue].turnover)
        for venue, instruments in choice.instruments.items()
        for instrument in instruments
    ]
    rows.sort(key=lambda row: (-(row.turnover_usd_24h or 0.0), row.coin, row.venue, row.symbol))
    unreachable = {venue: error.message for venue, error in failed.items()}
    return Found(rows, unreachable, choice.notes, choice.default, margin)


def _client(venue: Venue, settings: Settings) -> RestClient:
    return venues.rest_client(venue, venues.settings(venue.name, settings.venue), settings)


def _sorted_out(
    names: Sequence[str], answers: Sequence[Listed | BaseException]
) -> tuple[dict[str, Listed], dict[str, VenueError]]:
    """Those that answered and those that did not; raises where none did, and whatever is no venue's fault."""
    listed: dict[str, Listed] = {}
    failed: dict[str, VenueError] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Listed):
            listed[name] = answer
        elif isinstance(answer, VenueError):
            failed[name] = answer
        else:
            raise answer
    if len(failed) == 1 and not listed:
        raise next(iter(failed.values()))
    if failed and not listed:
        told = "; ".join(error.message for error in failed.values())
        raise VenueUnreachable(f"no venue answered: {told}", venue=", ".join(failed), hint="check the network")
    return listed, failed


def _chosen(question: Question, listed: Mapping[str, Listed], unheard: Sequence[str]) -> Choice:
    if question.default:
        return choose((), listed)
    if question.names:
        return choose(question.names, listed, unheard)
    if question.every:
        return Choice({venue: answer.instruments for venue, answer in listed.items()}, [])
    return choose((EVERYTHING,), listed)


async def _margin(chosen: Sequence[Venue], clients: Mapping[str, Http], choice: Choice) -> list[Margin]:
    here = [venue for venue in chosen if choice.instruments.get(venue.name)]
    asked = [margin_tables(venue, clients[venue.name], choice.instruments[venue.name]) for venue in here]
    tables: dict[InstrumentId, MarginTable] = {}
    for answer in await asyncio.gather(*asked):
        tables |= answer
    instruments = [instrument for venue in here for instrument in choice.instruments[venue.name]]
    return [Margin(i.venue, i.id, i.symbol, tables[i.id]) for i in instruments]


def _row(instrument: Instrument, turnover: Mapping[str, float] | None) -> Row:
    told = (turnover or {}).get(instrument.symbol) if instrument.quote in DOLLARS else None
    return Row(
        venue=instrument.venue,
        id=instrument.id,
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        contract=instrument.contract,
        expiry=instrument.expiry,
        coin=instrument.asset,
        multiplier=instrument.multiplier,
        contract_size=instrument.contract_size,
        tick_size=instrument.tick_size,
        step_size=instrument.step_size,
        min_notional=instrument.min_notional,
        funding_interval_h=instrument.funding_interval_h,
        max_leverage=instrument.max_leverage,
        is_trading=instrument.is_trading,
        is_crypto=instrument.is_crypto,
        turnover_usd_24h=told,
    )
