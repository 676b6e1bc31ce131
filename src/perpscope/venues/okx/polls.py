"""What OKX does not stream and has to be asked for: three long/short ratios and what takers bought and sold.

https://www.okx.com/docs-v5/en/#trading-statistics-rest-api
Rows are `[ts, ratio]` and `[ts, SELL, BUY]`, newest first, of 5 minutes each. OKX's pages do not say which end of the
period `ts` is, but call the periods bars of a chart, and its bars are named by their beginning: so is `ts` read here.
If it were the end, figures would be stamped 5 minutes late, and never before they could be known. A period that is
not over by `ts_recv` is left out; it is asked for again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import AccountRatio, MarketEvent, RatioKind, TakerVolume
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.venues.okx.rest import Reply, read
from perpscope.venues.okx.symbols import VENUE, instrument_named
from perpscope.venues.okx.wire import MS, Millis, NotNegative

CHANNELS = frozenset((Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME))
PERIOD_S = 300
#: The one that is forming, the one just over, and the one before in case a call failed.
_ROWS = "3"
#: These paths are limited per address *and* instrument, 5 calls in 2 s; each is called once in 5 minutes. The weight
#: only keeps a hundred instruments from being asked for at once.
_WEIGHT = 1

_PATH = "/api/v5/rubik/stat"
#: What a poll is named, between the venue and the symbol → whose longs and shorts, and the path.
_RATIOS = {
    f"account_ratios/{kind.value}": (kind, f"{_PATH}/contracts/{path}")
    for kind, path in (
        (RatioKind.ALL_ACCOUNTS, "long-short-account-ratio-contract"),
        (RatioKind.TOP_ACCOUNTS, "long-short-account-ratio-contract-top-trader"),
        (RatioKind.TOP_POSITIONS, "long-short-position-ratio-contract-top-trader"),
    )
}
_TAKER_VOLUME = "taker_volume"


class _RatioRow(msgspec.Struct, array_like=True):
    ts: Millis
    ratio: NotNegative  #: longs ÷ shorts


class _TakerRow(msgspec.Struct, array_like=True):
    ts: Millis
    sell: NotNegative  #: base units, with `unit` 0
    buy: NotNegative


_read_ratios = msgspec.json.Decoder(Reply[_RatioRow], strict=False)
_read_takers = msgspec.json.Decoder(Reply[_TakerRow], strict=False)
_Reader: TypeAlias = Callable[[bytes, InstrumentId, int], list[MarketEvent]]


def polls(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
    """Calls to repeat for these channels of these instruments, each once."""
    wanted = [channel for channel in dict.fromkeys(channels) if channel in CHANNELS]
    named = {instrument.id: instrument for instrument in instruments}.values()
    return [poll for instrument in named for channel in wanted for poll in _polls(instrument, channel)]


def _polls(instrument: Instrument, channel: Channel) -> list[Poll]:
    if channel is Channel.TAKER_VOLUME:
        return [_poll(_TAKER_VOLUME, f"{_PATH}/taker-volume-contract", (("unit", "0"),), instrument, channel)]
    return [_poll(name, path, (), instrument, channel) for name, (_, path) in _RATIOS.items()]


def _poll(name: str, path: str, extra: tuple[tuple[str, str], ...], instrument: Instrument, channel: Channel) -> Poll:
    params = (("instId", instrument.symbol), ("period", "5m"), ("limit", _ROWS), *extra)
    return Poll(
        name=f"{VENUE}/{name}/{instrument.symbol}",
        request=HttpRequest(path=path, params=params, weight=_WEIGHT),
        streams=(Stream(channel, instrument.id),),
        every_s=float(PERIOD_S),
    )


def events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """What a reply to the poll of that name tells, oldest first; nothing of an instrument that is not known.

    Raises:
        FrameError: a refusal, not the documented shape, or no poll of ours.
    """
    venue, _, rest = poll.partition("/")
    name, _, symbol = rest.rpartition("/")
    if venue != VENUE or name not in (*_RATIOS, _TAKER_VOLUME):
        raise FrameError(f"okx has no poll {poll[:120]!r}", venue=VENUE)
    instrument = catalogue.get(symbol) if catalogue else instrument_named(symbol)
    if instrument is None:
        return []
    if name == _TAKER_VOLUME:
        return _taker_volumes(raw, instrument.id, ts_recv)
    return _ratios(raw, instrument.id, _RATIOS[name][0], ts_recv)


def _ratios(raw: bytes, instrument: InstrumentId, kind: RatioKind, ts_recv: int) -> list[MarketEvent]:
    return [
        AccountRatio(instrument, ts_end, ts_recv, kind, PERIOD_S, row.ratio / (1.0 + row.ratio))
        for row in sorted(read(_read_ratios, raw), key=lambda row: row.ts)
        if (ts_end := _end(row.ts)) <= ts_recv
    ]


def _taker_volumes(raw: bytes, instrument: InstrumentId, ts_recv: int) -> list[MarketEvent]:
    return [
        TakerVolume(instrument, ts_end, ts_recv, PERIOD_S, row.buy, row.sell)
        for row in sorted(read(_read_takers, raw), key=lambda row: row.ts)
        if (ts_end := _end(row.ts)) <= ts_recv
    ]


def _end(ts_ms: int) -> int:
    """End of the period that begins at `ts_ms` (ms UTC), ns UTC."""
    return ts_ms * MS + PERIOD_S * 1_000_000_000
