"""What a liquidation map is asked for, and the venues' bars and empty maps it is made of.

In: a store and a `Question`. Out: a `Gathered`: for each venue that has prices and open interest its bars, its margin
tiers as ladders, and a map that has taken nothing yet.
"""

from math import isfinite, sinh
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics import margin_venues
from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS, MINUTE_NS
from perpscope.analytics.liqmap.ladder import MAP_PROFILES, Ladder, distance_ladder, leverage_ladder
from perpscope.analytics.liqmap.venue_map import State, VenueMap
from perpscope.app.liqmap.arithmetic import arithmetic
from perpscope.app.liqmap.bars import ROUGH, Feed, read_feed
from perpscope.app.liqmap.baselines import FORMULAS
from perpscope.app.liqmap.borrowed import Borrower, find_lender
from perpscope.app.liqmap.measured import Seen, leaning, read_positions
from perpscope.app.margin_tables import find_table
from perpscope.app.margin_tiers import MarginTable
from perpscope.app.perpetuals import perpetuals
from perpscope.app.status import market_now
from perpscope.app.totals.causal import Estimator
from perpscope.app.totals.feeds import coin_of
from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

MOST_BINS: Final = 2_000
#: How far from the price bins go, log price.
REACH: Final = 0.25
#: Bins if no width is asked for: about so much of the price each, rounded to 1, 2 or 5.
_WIDTH: Final = 0.004


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to make."""

    name: str  #: a coin (all venues together), a symbol or an id, in any case
    profile: str = "calibrated"
    lookback_h: float = 72.0  #: positions are followed from so long ago
    horizon_min: float = 60.0  #: the blend with distance that is published is for this horizon; 0 = the map alone
    width: float | None = None  #: of a bin, quote units; None = chosen by the price
    bins: int | None = None  #: or about so many of one width
    venues: tuple[str, ...] = ()  #: none = every one that is stored
    formula: str = "method"  #: or "seed" (the documents'), "public" (another's rule)
    top: int = 5  #: clusters
    prices: tuple[float, ...] = ()  #: what if the price goes there, quote per base
    moves: tuple[float, ...] = (-0.03, 0.03)  #: or by so much, fractions above −1
    explained: float | None = None  #: explain the bin at this price
    is_raw: bool = False  #: tell the levels the bins are summed from, too


class Part(msgspec.Struct, frozen=True):
    """One venue while the map is made."""

    feed: Feed
    ladders: tuple[Ladder, ...]
    map: VenueMap
    table: MarginTable
    seen: Seen | None = None  #: public positions; None where none are, or where they were not asked for

    @property
    def open_interest(self) -> float:
        """Newest open interest, base units; 0 where none was told."""
        return self.feed.open_interest

    @property
    def state(self) -> State:
        """Of its map, which has taken open interest."""
        assert self.map.state is not None  # noqa: S101 -- a part has open interest, and its bars were taken
        return self.map.state


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What a map is made of."""

    kind: StoreKind
    now: int  #: ns UTC, market time
    start: int  #: ns UTC, where the bars begin
    as_of: int  #: ns UTC, what the ladders, the reference and the bars' lengths go by
    parts: list[Part]  #: venues that have what it takes
    borrowers: list[Borrower]  #: venues of which only open interest is known
    notes: list[str]  #: why others are left out

    @property
    def reference(self) -> Part:
        """The venue with most open interest: its mark is the map's."""
        return max(self.parts, key=lambda part: part.open_interest)

    @property
    def reference_then(self) -> Part:
        """The same at `as_of`."""
        return max(self.parts, key=lambda part: open_interest_at(part.feed, self.as_of))


def check(question: Question) -> None:
    """Refuse what cannot be made.

    Raises:
        ConfigError: a profile or formula that is none, or a figure out of its range.
    """
    if question.profile not in MAP_PROFILES:
        like = nearest(question.profile, MAP_PROFILES)
        raise ConfigError(
            "option-value",
            f"--profile {question.profile} is none of {', '.join(MAP_PROFILES)}",
            hint=f"did you mean {like!r}?" if like else None,
        )
    if question.formula not in FORMULAS:
        raise ConfigError("option-value", f"--formula {question.formula} is none of {', '.join(FORMULAS)}")
    for flag, value, least in (("lookback", question.lookback_h, 1.0), ("horizon", question.horizon_min, 0.0)):
        if not least <= value < float("inf"):
            raise ConfigError("option-value", f"--{flag} {value:g} must be {least:g} or more")
    if question.top < 1:
        raise ConfigError("option-value", f"--top {question.top} must be 1 or more")
    if question.bins is not None and not 1 <= question.bins <= MOST_BINS:
        raise ConfigError("option-value", f"bins {question.bins} must be 1 to {MOST_BINS:,}")
    if question.width is not None and not 0.0 < question.width < float("inf"):
        raise ConfigError("option-value", f"--width {question.width:g} must be above 0", hint="e.g. --width 500")
    for move in question.moves:
        if not -1.0 < move < float("inf"):
            raise ConfigError("option-value", f"--at {move * 100:g}% must be above −100 %")
    for price in (*question.prices, *([] if question.explained is None else [question.explained])):
        if not 0.0 < price < float("inf"):
            raise ConfigError("option-value", f"a price of {price:g} must be above 0")


def gather(path: Path, question: Question, *, is_measured: bool = False, steady_ns: int = 1) -> Gathered:
    """Read the bars of every venue that is meant.

    Args:
        path: the store.
        question: what to make.
        is_measured: with what is known now of public positions; a map of the past must not know that.
        steady_ns: what is gathered goes on from what was gathered before, for so long: where it begins, and what
            hangs on the newest price, goes by the last multiple of it. 1 = by now.

    Raises:
        ConfigError: the store knows no such perpetual.
        DataError: there is no such store, or nothing a map could be made of.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind, now = reader.kind, market_now(reader.heart(), reader.kind)
        as_of = now - now % steady_ns
        start = as_of - round(question.lookback_h * HOUR_NS)
        feeds = _feeds(reader, question, (start, as_of, now))
        seen = [read_positions(reader, feed.instrument, now) if is_measured else None for feed in feeds]
        lenders = [feed.instrument for feed in feeds if feed.open_interest > 0.0]
        lent = {feed.instrument: find_lender(reader, feed.instrument, lenders, now) for feed in feeds if not feed.bars}
    notes = _left_out(question, feeds)
    parts: list[Part] = []
    lean = _lean(feeds, seen, question)
    for feed, positions in zip(feeds, seen, strict=True):
        where = f"{feed.instrument.symbol} on {feed.instrument.venue}"
        if feed.open_interest > 0.0:
            parts.append(_part(feed, question.profile, path, (positions, lean), as_of))
        elif feed.bars:
            notes.append(f"{where}: no open interest is stored of this time, it is left out")
        elif lent[feed.instrument] is None:
            notes.append(f"{where}: no price is stored of this time, it is left out")
    if not parts:
        raise DataError(
            "map-too-little",
            f"no map of {question.name}: {'; '.join(notes)}",
            hint="collect for a while, or take a longer --lookback: the map needs prices and open interest",
        )
    borrowers = [found for found in lent.values() if found is not None]
    return Gathered(kind=kind, now=now, start=start, as_of=as_of, parts=parts, borrowers=borrowers, notes=notes)


def _left_out(question: Question, feeds: list[Feed]) -> list[str]:
    """Venues that are meant and have nothing here."""
    here = {feed.instrument.venue for feed in feeds}
    named = (venue for venue in question.venues if venue not in here)
    return [f"{venue}: nothing of {question.name} is stored, it is left out" for venue in named]


def choose_arithmetic(parts: list[Part]) -> None:
    """Give the maps the arithmetic that suits the bars they are going to take."""
    form = arithmetic(sum(len(part.feed.bars) * len(part.map.models) for part in parts))
    for part in parts:
        part.map.arithmetic = form


def price_at(feed: Feed, ts: int) -> float:
    """The last close up to a moment (ns UTC), or the first after it; of a feed that has bars."""
    return next((bar.close for bar in reversed(feed.bars) if bar.ts <= ts), feed.bars[0].close)


def open_interest_at(feed: Feed, ts: int) -> float:
    """What was told last up to a moment (ns UTC), or first after it, base units; of a feed that was told some."""
    told = [bar for bar in feed.bars if isfinite(bar.open_interest)]
    return next((bar.open_interest for bar in reversed(told) if bar.ts <= ts), told[0].open_interest)


def _feeds(reader: SqliteReader, question: Question, span: tuple[int, int, int]) -> list[Feed]:
    """The bars of each instrument that is meant, from a start to now (ns UTC); fine ones a day before `as_of`."""
    start, as_of, now = span
    listed = [i for i in reader.instruments() if i.venue in margin_venues.VENUES]
    chosen = perpetuals(question.name, listed, multiplied=False)
    if question.venues:
        chosen = [i for i in chosen if i.venue in question.venues]
    coins = {coin_of(instrument.id) for instrument in chosen}
    estimators = {coin: Estimator(reader, coin, start - ROUGH * MINUTE_NS, now) for coin in coins}
    return [read_feed(reader, i, start, now, estimators[coin_of(i.id)], as_of - DAY_NS) for i in chosen]


def _lean(feeds: list[Feed], seen: list[Seen | None], question: Question) -> tuple[Seen, float] | None:
    """The positions that ladders lean to, those of most coverage, with their venue's open interest."""
    if question.profile != "calibrated":
        return None
    held = [(found, feed.open_interest) for feed, found in zip(feeds, seen, strict=True) if found is not None]
    known = [pair for pair in held if pair[1] > 0.0]
    return max(known, key=lambda pair: pair[0].coverage(pair[1]), default=None)


def _part(
    feed: Feed, profile: str, path: Path, known: tuple[Seen | None, tuple[Seen, float] | None], as_of: int
) -> Part:
    instrument, (seen, lean) = feed.instrument, known
    shown, table = find_table(instrument, None, path)
    terms = margin_venues.terms_of(instrument.venue, instrument.contract)
    assumed = (
        distance_ladder(),
        leverage_ladder(table, terms, price=price_at(feed, as_of), profile=profile),
    )
    ladders = assumed if lean is None else leaning(assumed, *lean)
    return Part(feed, ladders, VenueMap(ladders), shown, seen)


def width_of(question: Question, price: float) -> float:
    """The width of bins around a price, quote units."""
    if question.width is not None:
        return question.width
    return round_width(price) if question.bins is None else 2.0 * price * sinh(REACH) / question.bins


def round_width(price: float) -> float:
    """A width of bins near `_WIDTH` of the price: 1, 2 or 5 times a power of ten."""
    wanted = price * _WIDTH
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(power * min((1.0, 2.0, 5.0, 10.0), key=lambda times: abs(times * power - wanted)))
