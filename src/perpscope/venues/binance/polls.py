"""What Binance has to be asked for again and again, how often, and whose reply is whose.

Open interest of an instrument each minute; ratios and taker volume each five, as often as there is a new period. The
last two periods are asked for: the newest may not be over, and one that came late is not missed. A period told twice
is the same event twice. Names read `binance/<channel>[/<kind>]/<symbol>`.
"""

from collections.abc import Mapping, Sequence

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent, RatioKind
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.venues.binance import figures
from perpscope.venues.binance.symbols import VENUE, instrument_named

POLLED = frozenset({Channel.OPEN_INTEREST, Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME})
OPEN_INTEREST_EVERY_S = 60.0
PERIODS_ASKED = 2

_OPEN_INTEREST = f"{VENUE}/{Channel.OPEN_INTEREST.value}"
_TAKERS = f"{VENUE}/{Channel.TAKER_VOLUME.value}"
_RATIOS = {f"{VENUE}/{Channel.ACCOUNT_RATIOS.value}/{kind.value}": kind for kind in figures.RATIOS}


def polls(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
    """Calls to repeat for the polled ones of these channels; each once, always the same for the same question."""
    asked = POLLED.intersection(channels)
    unique = {instrument.id: instrument for instrument in instruments}
    return [
        poll for instrument in unique.values() for poll in _polls_of(instrument) if poll.streams[0].channel in asked
    ]


def _polls_of(instrument: Instrument) -> list[Poll]:
    def poll(prefix: str, channel: Channel, request: HttpRequest, every_s: float = float(figures.PERIOD_S)) -> Poll:
        stream = Stream(channel, instrument.id)
        return Poll(name=f"{prefix}/{instrument.symbol}", request=request, streams=(stream,), every_s=every_s)

    symbol = instrument.symbol
    interest = figures.open_interest_request(symbol)
    takers = figures.period_request(figures.TAKERS, symbol, limit=PERIODS_ASKED)
    ratios = [
        poll(prefix, Channel.ACCOUNT_RATIOS, figures.period_request(figures.RATIOS[kind], symbol, limit=PERIODS_ASKED))
        for prefix, kind in _RATIOS.items()
    ]
    return [
        poll(_OPEN_INTEREST, Channel.OPEN_INTEREST, interest, OPEN_INTEREST_EVERY_S),
        *ratios,
        poll(_TAKERS, Channel.TAKER_VOLUME, takers),
    ]


def polled_events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """What a reply tells; nothing of an instrument that is not in the catalogue, or cannot be read off its name.

    Raises:
        FrameError: a refusal, not the documented shape, or no poll of that name.
    """
    prefix, _, symbol = poll.rpartition("/")
    instrument = catalogue.get(symbol) if catalogue else instrument_named(symbol)
    kind: RatioKind | None = _RATIOS.get(prefix)
    if prefix not in (_OPEN_INTEREST, _TAKERS) and kind is None:
        raise FrameError(f"binance has no poll named {poll[:60]}", venue=VENUE)
    if instrument is None:
        return []
    if kind is not None:
        return [*figures.account_ratios(raw, instrument, kind, ts_recv)]
    if prefix == _TAKERS:
        return [*figures.taker_volumes(raw, instrument, ts_recv)]
    return [figures.open_interest(raw, instrument, ts_recv)]
