"""`margin`: the liquidation price of one position, from what a person types to what is printed.

In: a `Question`. Out: an `Answer`, whose fields are those of `perpscope margin --json`. Names are resolved without
asking a venue: from the store where there is one, else off the symbol itself.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from perpscope.analytics import margin, margin_cross, margin_venues
from perpscope.analytics.margin import Leg, Terms, Triggers
from perpscope.analytics.margin_cross import Holding
from perpscope.analytics.margin_tiers import TierTable
from perpscope.app import venues
from perpscope.app.margin_tables import find_table
from perpscope.app.margin_tiers import MarginTable, Quality, tiers_for
from perpscope.app.symbols import Names
from perpscope.errors import ConfigError
from perpscope.model.instrument import Contract, Instrument, instrument_id
from perpscope.model.market import PositionSide
from perpscope.ports import Venue
from perpscope.stores.reader import SqliteReader

FORMULAS = ("exact", "entry", "seed")
_SWAP = re.compile(r"([0-9A-Z]{1,20})-(USDT|USDC)-SWAP")
_PARTS = "SYMBOL:SIDE:SIZE:ENTRY:MARK"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One position, and what stands behind it. Sizes: base units, or quote units of an inverse contract."""

    venue: str
    symbol: str
    side: PositionSide
    entry: float
    size: float
    leverage: float | None = None
    margin: float | None = None  #: isolated: what was put up, with what was added
    wallet: float | None = None  #: cross; None = isolated
    others: tuple[str, ...] = ()  #: cross: `SYMBOL:SIDE:SIZE:ENTRY:MARK` or `PROFIT:MAINTENANCE`
    table: str | None = None
    mark: float | None = None  #: the price now; the entry if not given
    fee: float | None = None  #: closing fee counted in the trigger; the venue's if not given
    inverse: bool = False
    formula: str = "exact"
    funding_rate: float = 0.0  #: of one interval, fraction
    fundings: int = 0  #: how many intervals are paid, at the mark


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in quote per base; margins in quote units, of an inverse contract in base units."""

    venue: str
    symbol: str
    side: str
    mode: str  #: isolated or cross
    liquidation_price: float | None  #: mark price; null where no price liquidates the position
    bankruptcy_price: float | None
    liquidation_below: float | None  #: of everything in the instrument, going down from the mark
    liquidation_above: float | None  #: and going up: both only in hedge mode, or where a table jumps
    tier: int | None  #: at the liquidation price, 1 for the lowest
    maintenance_rate: float | None
    deduction: float | None
    closing_fee: float
    balance: float  #: what stands against the loss
    funding_paid: float
    initial_margin: float | None  #: null without a leverage
    max_leverage: float  #: at the value of the entry
    formula: str
    formula_source: str
    formula_as_of: str
    table_date: str | None
    table_source: str
    table_quality: Quality
    notes: tuple[str, ...]


def ask(question: Question, database: Path | None) -> Answer:
    """The liquidation price of one position.

    Args:
        question: what was typed.
        database: store to look tiers and names up in; None = none.

    Raises:
        ConfigError: something typed is wrong.
        StoreError: the store cannot be read.
    """
    instrument = _instrument(question.venue, question.symbol, database, inverse=question.inverse)
    told, table = find_table(instrument, question.table, database)
    try:
        return _answer(question, instrument, told, table, database)
    except ValueError as error:
        raise ConfigError("option-value", str(error), hint="perpscope margin --help") from error


def _answer(
    question: Question, instrument: Instrument, told: MarginTable, table: TierTable, database: Path | None
) -> Answer:
    terms = margin_venues.terms_of(question.venue, instrument.contract, question.fee)
    leg = Leg(question.side, question.size, question.entry)
    mark = question.entry if question.mark is None else question.mark
    for name, figure in (("--entry", leg.entry), ("--size", leg.size), ("--mark", mark)):
        _positive(name, figure)
    opening = _opening(question, leg, table, terms, told.quality)
    legs, own, free = _balance(question, instrument, leg, opening, database)
    paid = question.fundings * margin.funding_paid(leg.side, leg.size, mark, question.funding_rate, terms)
    found = margin.triggers(legs, free - paid, [table] * len(legs), terms, mark)
    if found.is_deficient:
        raise ValueError(f"at {mark:g} the margin is below maintenance already: such a position is liquidated at once")
    price, tier = _price(question, leg, free - paid, table, terms, found)
    return Answer(
        venue=instrument.venue,
        symbol=instrument.symbol,
        side=question.side.value.lower(),
        mode="isolated" if question.wallet is None else "cross",
        liquidation_price=price,
        bankruptcy_price=margin.shared_bankruptcy_price(legs, own - paid, terms),
        liquidation_below=None if found.below is None else found.below.price,
        liquidation_above=None if found.above is None else found.above.price,
        tier=None if tier is None else tier + 1,
        maintenance_rate=None if tier is None else table.rates[tier],
        deduction=None if tier is None else table.deductions[tier],
        closing_fee=terms.closing_fee,
        balance=free - paid,
        funding_paid=paid,
        initial_margin=opening,
        max_leverage=table.max_leverage(margin.value_at(leg.size, leg.entry, terms), leg.size),
        **_formula(question.formula, instrument),
        table_date=told.as_of,
        table_source=told.source,
        table_quality=told.quality,
        notes=tuple(_notes(instrument, told, table, hedged=len(legs) > 1)),
    )


def _positive(name: str, figure: float) -> None:
    if not 0.0 < figure < float("inf"):
        raise ValueError(f"{name} {figure:g} must be a number above 0")


def _opening(question: Question, leg: Leg, table: TierTable, terms: Terms, quality: Quality) -> float | None:
    """Initial margin, where a leverage is given; what an assumed table allows is not held against anybody."""
    if question.leverage is None:
        return None
    if quality is Quality.ASSUMED and question.leverage >= 1.0:
        return margin.initial_margin(leg, question.leverage, terms)
    return margin_venues.check_opening(leg, question.leverage, table, terms)


def _balance(
    question: Question, instrument: Instrument, leg: Leg, opening: float | None, database: Path | None
) -> tuple[list[Leg], float, float]:
    """The legs that share a price; what stands against a loss, with and without what others need."""
    if question.wallet is None:
        if question.others:
            raise ValueError("--other belongs to a cross position: give --cross and --wallet too")
        if (question.margin is None) is (opening is None):
            raise ValueError("an isolated position wants --leverage or --margin, one of them")
        own = question.margin if question.margin is not None else opening
        assert own is not None  # noqa: S101 - one of them is given
        _positive("--margin", own)
        return [leg], own, own
    if question.margin is not None:
        raise ValueError("--margin is an isolated position's; a cross one's is its --wallet")
    _positive("--wallet", question.wallet)
    legs, own, free = [leg], question.wallet, question.wallet
    for text in question.others:
        match _other(text, question, instrument, database):
            case Leg() as hedge:
                legs.append(hedge)
            case Holding() as held:
                own += margin.unrealised_profit(held.legs, held.terms, held.mark)
                free += margin_cross.free_balance(0.0, [held])
            case profit, maintenance:
                own, free = own + profit, free + profit - maintenance
    return legs, own, free


def _other(
    text: str, question: Question, instrument: Instrument, database: Path | None
) -> Leg | Holding | tuple[float, float]:
    """Another position: a leg of the same instrument, a holding of another, or its profit and maintenance margin."""
    parts = text.split(":")
    if len(parts) == 2:
        return _number(parts[0], text), _number(parts[1], text)
    if len(parts) not in (4, 5) or parts[1].lower() not in ("long", "short"):
        raise ValueError(f"--other {text!r} is not {_PARTS}, nor PROFIT:MAINTENANCE")
    leg = Leg(PositionSide[parts[1].upper()], _number(parts[2], text), _number(parts[3], text))
    _positive(f"size of --other {text}:", leg.size)
    _positive(f"entry of --other {text}:", leg.entry)
    about = _instrument(question.venue, parts[0], database, inverse=instrument.contract is Contract.INVERSE)
    if about.id == instrument.id:
        return leg
    if len(parts) == 4:
        raise ValueError(f"--other {text!r} has no MARK: {_PARTS}")
    if about.contract is Contract.INVERSE and about.base != instrument.base:
        raise ValueError(f"--other {text!r} is margined in {about.base}, this position in {instrument.base}")
    _, table = find_table(about, question.table, database)
    mark = _number(parts[4], text)
    _positive(f"mark of --other {text}:", mark)
    return Holding((leg,), mark, table, margin_venues.terms_of(question.venue, about.contract, question.fee))


def _number(part: str, text: str) -> float:
    try:
        return float(part)
    except ValueError:
        raise ValueError(f"{part!r} in --other {text!r} is no number") from None


def _price(
    question: Question, leg: Leg, free: float, table: TierTable, terms: Terms, found: Triggers
) -> tuple[float | None, int | None]:
    """The price by the formula asked for, and the place of its tier."""
    entry_tier = table.tier(margin.value_at(leg.size, leg.entry, terms), leg.size)
    if question.formula == "entry":
        return margin_venues.entry_value_price(leg, free, table, terms), entry_tier
    if question.formula == "seed":
        if question.leverage is None or terms.contract is Contract.INVERSE:
            raise ValueError("--formula seed wants --leverage and a linear contract")
        return margin_venues.seed_price(leg, question.leverage, table), entry_tier
    nearer = found.below if leg.side is PositionSide.LONG else found.above
    trigger = nearer or margin_cross.nearest(found, question.mark or leg.entry)
    return (None, None) if trigger is None else (trigger.price, trigger.tiers[0])


def _formula(formula: str, instrument: Instrument) -> dict[str, str]:
    venue = margin_venues.VENUES[instrument.venue]
    text = margin_venues.OTHER_FORMULAS.get(formula) or margin_venues.formula_of(instrument.venue, instrument.contract)
    return {"formula": f"{formula}: {text}", "formula_source": venue.source, "formula_as_of": venue.as_of}


def _notes(instrument: Instrument, told: MarginTable, table: TierTable, *, hedged: bool) -> Sequence[str]:
    notes = ["an estimate: every mark but this one stands still, and the table is the one of its date"]
    if told.quality is Quality.ASSUMED:
        rate = f"{table.rates[0] * 100:.4g} %"
        notes.append(f"the tiers of {instrument.symbol} on {instrument.venue} are not known: {rate} is assumed")
    if hedged:
        notes.append("the legs share one margin, and so their prices")
    if not table.is_continuous:
        notes.append("maintenance margin jumps where a tier ends: the venue tells no deduction")
    return notes


def _instrument(venue: str, name: str, database: Path | None, *, inverse: bool) -> Instrument:
    """The instrument of a name: as the store lists it, else read off the name."""
    known = venues.find(venue)
    found = _listed(venue, name, database)
    if found is None and inverse and name:
        return _of_coin(venue, name)
    for spelling in _spellings(name):
        found = found or known.instrument_named(spelling)
    if found is None and (pair := _SWAP.fullmatch(name.upper())) is not None and venue == "okx":
        identity = instrument_id(venue, pair[1], pair[2])
        found = Instrument(id=identity, venue=venue, symbol=name.upper(), base=pair[1], quote=pair[2])
    if found is None or (inverse and found.contract is Contract.LINEAR) or _is_guess(known, found, name):
        kind = "inverse" if inverse else "linear"
        raise ConfigError(
            "symbol-unknown",
            f"{name!r} is no {kind} contract of {venue} that is known here",
            hint="give the venue's symbol, e.g. BTCUSDT; --inverse for one margined in its coin",
        )
    return found


def _listed(venue: str, name: str, database: Path | None) -> Instrument | None:
    if database is None:
        return None
    with SqliteReader.open(database) as reader:
        return Names(reader.instruments(venue)).find(name)


def _of_coin(venue: str, name: str) -> Instrument:
    """An inverse contract that no catalogue at hand has: `BTCUSD_PERP`, `BTCUSD`, `BTC-USD-SWAP`."""
    base = name.upper().replace("-", "").partition("USD")[0] or name.upper()
    identity = instrument_id(venue, base, "USD")
    return Instrument(id=identity, venue=venue, symbol=name, base=base, quote="USD", contract=Contract.INVERSE)


def _is_guess(venue: Venue, found: Instrument, name: str) -> bool:
    """True for a symbol made of a coin that nothing here knows, where a venue's tables would have to ship."""
    is_spelled = name.upper() in (found.symbol.upper(), found.id)
    return not is_spelled and not venue.tier_requests([found]) and tiers_for(found).quality is Quality.ASSUMED


def _spellings(name: str) -> list[str]:
    """The name, and what a coin or an id without a catalogue can mean, best first."""
    pair = name.upper().partition(".")[0].removesuffix("-PERP").removesuffix("-SWAP").split("-")
    base, quote = pair[0], pair[1] if len(pair) > 1 else "USDT"
    return [name, f"{base}{quote}", f"{base}-{quote}-SWAP", base]
