"""Who speaks in a recording: the venue of each of its parts, the instruments they know, and those asked for.

In: a tape and what the user said of it. Out: a `Cast`, from which feeds over that tape are made. What the user says
outranks everything; else the frames tell, and a name (a header's, a file's) decides where they do not.
"""

import asyncio
import re
from collections.abc import Callable

import msgspec

from perpscope.app import others, venues
from perpscope.app.symbols import resolve
from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError, FrameError
from perpscope.feeds.attribution import attribute, samples, venue_in
from perpscope.feeds.replay import ReplayFeed
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.ports import Venue


class Cast(msgspec.Struct, frozen=True):
    """A tape, and how it is to be read."""

    tape: Tape
    home: Venue  #: whose words they are where nothing in the recording says otherwise
    catalogue: dict[str, Instrument]  #: of `home`
    venue_named: Callable[[str], Venue | None]
    rows_of: Instrument | None = None
    only: frozenset[InstrumentId] = frozenset()

    @property
    def is_certain(self) -> bool:
        """True if the recording is perpscope's own and taken at its word: bad frames are bad, not another venue's."""
        return self.tape.form == "perpscope" and self.venue_named is not _nobody

    def feed(self) -> ReplayFeed:
        """A feed over the whole tape."""
        return ReplayFeed(
            *(self.tape, self.home, self.catalogue, self.venue_named), rows_of=self.rows_of, only=self.only
        )


def cast(tape: Tape, venue: str | None, symbol: str | None, announce: Callable[[str], None]) -> Cast:
    """Find out who speaks in a recording; arguments as for `replay_tape`.

    Raises:
        DataError: nothing tells whose frames or rows they are.
        ConfigError: an unknown venue or instrument.
    """
    if tape.form == "rows":
        return _cast_of_rows(tape, venue, symbol)
    home, venue_named = _speakers(tape, venue, announce)
    found = Cast(tape, home, _catalogue(tape, home), venue_named)
    if symbol is None:
        return found
    return Cast(tape, home, found.catalogue, venue_named, only=_chosen(found, symbol))


def _speakers(
    tape: Tape, venue: str | None, announce: Callable[[str], None]
) -> tuple[Venue, Callable[[str], Venue | None]]:
    """The venue at home in the recording, and how to find the others."""
    if venue is not None:
        return venues.find(venue), _nobody
    known = {name: venues.find(name) for name in venues.names()}
    if tape.form == "perpscope":
        return venues.find(tape.venue or ""), lambda name: known.get(name) or others.venue_named(name)
    parts: dict[str, Venue] = {}
    for part, frames in samples(tape).items():
        named = venue_in(part or tape.venue or "", known) or venue_in(tape.path.name, known)
        told = attribute(frames, named, known)
        if told is not None:
            parts[part] = known[told]
        if told is not None and named not in (told, None):
            announce(f"{part or tape.path.name}: named after {named}, but these are {told}'s frames")
        if told is None and tape.is_mixed:
            announce(f"{part}: no venue we know speaks so")
    if not parts:
        raise DataError(
            "recording-venue",
            f"{str(tape.path)!r}: nothing tells whose frames these are",
            hint=f"name the venue with --venue: {', '.join(known)}",
        )
    home = next(iter(parts.values()))
    return home, parts.get if tape.is_mixed else _nobody


def _nobody(_: str) -> Venue | None:
    """Of a recording that is one venue's, whatever its connections are called."""
    return None


def _catalogue(tape: Tape, venue: Venue) -> dict[str, Instrument]:
    """What the venue listed when it was recorded: every reply that is a catalogue, a later one above an earlier."""
    listed: dict[str, Instrument] = {}
    for body in tape.replies():
        try:
            page = venue.instruments(body).instruments
        except FrameError:
            continue
        listed.update({instrument.symbol: instrument for instrument in page})
    return listed


def _chosen(found: Cast, symbol: str) -> frozenset[InstrumentId]:
    """The instruments of this name among all that the recording tells of."""
    feed = found.feed()

    async def drain() -> None:
        async for _ in feed.batches():
            pass

    asyncio.run(drain())
    pool: dict[str, list[Instrument]] = {}
    for instrument in feed.instruments:
        pool.setdefault(instrument.venue, []).append(instrument)
    chosen = resolve([symbol], pool).instruments
    return frozenset(instrument.id for here in chosen.values() for instrument in here)


def _cast_of_rows(tape: Tape, venue: str | None, symbol: str | None) -> Cast:
    """Rows name nothing: their file does, `<venue>_<symbol>_….jsonl`, or the user."""
    words = [word for word in re.split(r"[_.]", tape.path.name) if word]
    name = venue or venue_in(tape.path.name, venues.names())
    if name is None:
        raise DataError(
            "recording-venue",
            f"{str(tape.path)!r} holds rows that do not tell their venue, and neither does its name",
            hint=f"name it with --venue: {', '.join(venues.names())}",
        )
    home = venues.find(name)
    subjects = words[words.index(name) + 1 :] if name in words else []
    instrument = _instrument_named(home, symbol) if symbol is not None else None
    if symbol is None and subjects:
        instrument = _instrument_named(home, subjects[0])
    if instrument is None and symbol is not None:
        like = nearest(symbol.upper(), [subjects[0].upper()] if subjects else [])
        hint = f"did you mean {like!r}?" if like else f"give {name}'s own symbol, as the venue writes it"
        raise ConfigError("symbol-unknown", f"unknown symbol {symbol!r} on {name}", hint=hint)
    if instrument is None:
        raise DataError(
            "recording-instrument",
            f"{str(tape.path)!r} holds rows that do not tell whose they are, and neither does its name",
            hint="name the instrument with --symbol",
        )
    return Cast(tape, home, {instrument.symbol: instrument}, _nobody, rows_of=instrument)


def _instrument_named(venue: Venue, name: str) -> Instrument | None:
    """An instrument by its symbol in whatever case, or by our own name for it."""
    base = name.partition("-")[0]
    for spelled in (name, name.upper(), base, base.upper()):
        instrument = venue.instrument_named(spelled)
        if instrument is not None and name.upper() in (spelled.upper(), instrument.id.upper()):
            return instrument
    return None
