"""What venues list, turn over and ask as margin, asked by REST; and what is listened to of it.

In: a venue, its REST client, the names a person gave. Out: instruments by venue with notes, and margin tables. Names
are resolved in `symbols`, the default set is chosen in `default_set`, tiers nobody tells come from `margin_tiers`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from perpscope.app.default_set import DefaultSet, default_set
from perpscope.app.margin_tiers import MarginTable, Quality, tiers_for
from perpscope.app.symbols import resolve, take_coins
from perpscope.errors import FrameError, VenueError
from perpscope.feeds.clock import wall_ns
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.stream import HttpRequest
from perpscope.ports import FundingTold, Http, Venue

#: Most pages a catalogue may have: a venue whose pages never end would be asked forever.
_MOST_PAGES = 100
#: Calls for margin tiers that may fail in a row.
_MOST_FAILURES = 3

_log = structlog.get_logger()


class Listed(msgspec.Struct, frozen=True):
    """What a venue answered."""

    instruments: list[Instrument]
    turnover: dict[str, float] | None = None  #: symbol → quote units in 24 h; None if not asked or not told


class Choice(msgspec.Struct, frozen=True):
    """What is listened to."""

    instruments: dict[str, list[Instrument]]  #: by venue; a venue may have none
    notes: list[str]  #: what a person should know
    default: DefaultSet | None = None  #: how the coins were chosen, where nobody named any


async def ask(venue: Venue, http: Http, *, turnover: bool) -> Listed:
    """A venue's whole catalogue, and what was traded if that is wanted; a turnover that cannot be had is None.

    Raises:
        VenueError: the catalogue cannot be had.
    """
    instruments: list[Instrument] = []
    after: str | None = None
    for _ in range(_MOST_PAGES):
        page = venue.instruments(await http.get(venue.catalogue_request(after)))
        instruments += page.instruments
        after = page.after
        if after is None:
            break
    else:
        raise FrameError(f"{venue.name} lists its instruments on more than {_MOST_PAGES} pages", venue=venue.name)
    if isinstance(venue, FundingTold):
        instruments = await _with_funding(venue, http, instruments)
    return Listed(instruments, await _turnover(venue, http) if turnover else None)


def choose(
    wanted: Sequence[str],
    listed: Mapping[str, Listed],
    unheard: Collection[str] = (),
    default: DefaultSet | None = None,
) -> Choice:
    """What to listen to: the names given, else the default set.

    Args:
        wanted: names, or `all`; empty for the default set.
        listed: what each venue answered.
        unheard: venues that have not answered: a name that the others do not know may be theirs.
        default: a default set chosen before, to be kept when a venue answers late.

    Raises:
        ConfigError: a name that no venue knows, or that trades nowhere.
    """
    catalogues = {venue: answer.instruments for venue, answer in listed.items()}
    if wanted:
        found = resolve(wanted, catalogues, unheard)
        return Choice(found.instruments, found.notes)
    kept = default or default_set(catalogues, {venue: answer.turnover for venue, answer in listed.items()})
    found = take_coins(kept.names, catalogues)
    return Choice(found.instruments, [kept.how, *found.notes], kept)


async def margin_tables(venue: Venue, http: Http, instruments: Iterable[Instrument]) -> dict[InstrumentId, MarginTable]:
    """The margin tiers of each of these instruments of a venue: the venue's, else those that ship, else assumed.

    A call that fails costs what it would have told; three in a row end the asking.
    """
    wanted = {instrument.symbol: instrument for instrument in instruments}
    tables = {instrument.id: tiers_for(instrument) for instrument in wanted.values()}
    today = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date().isoformat()
    failed = 0
    for request, about in _tier_requests(venue, wanted):
        try:
            answer = venue.tiers(await http.get(request), about)
        except VenueError as error:
            _log.warning("margin tiers not told", venue=venue.name, why=error.message)
            failed += 1
            if failed == _MOST_FAILURES:
                break
            continue
        failed = 0
        for symbol, tiers in answer.items():
            if tiers:
                source = f"{venue.name} {request.path}"
                tables[about[symbol].id] = MarginTable(tiers, source, today, Quality.PUBLISHED)
    return tables


def _tier_requests(
    venue: Venue, wanted: Mapping[str, Instrument]
) -> list[tuple[HttpRequest, Mapping[str, Instrument]]]:
    """Calls for margin tiers, each with the instruments it may tell of.

    Where there are as many calls as instruments each is about its own; Bitget's replies do not even say whose they are.
    """
    requests = venue.tier_requests([*wanted.values()])
    if len(requests) != len(wanted):
        return [(request, wanted) for request in requests]
    return [(request, {symbol: wanted[symbol]}) for request, symbol in zip(requests, wanted, strict=True)]


async def _with_funding(venue: FundingTold, http: Http, instruments: list[Instrument]) -> list[Instrument]:
    """The instruments with their funding intervals; as they were where those cannot be had."""
    try:
        return venue.with_funding(instruments, await http.get(venue.funding_request()))
    except VenueError as error:
        _log.warning("no funding intervals", error=error.message)
        return instruments


async def _turnover(venue: Venue, http: Http) -> dict[str, float] | None:
    try:
        return venue.turnover(await http.get(venue.turnover_request()))
    except VenueError:
        return None
