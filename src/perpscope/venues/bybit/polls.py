"""What Bybit does not stream and is asked for again and again: how many accounts are long.

https://bybit-exchange.github.io/docs/v5/market/long-short-ratio
Open interest is streamed; top traders' ratios and taker volumes are not published at all.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import AccountRatio, MarketEvent, RatioKind
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.venues.bybit.replies import LINEAR, SHOWN, Answer, Rows, read
from perpscope.venues.bybit.symbols import VENUE, instrument_named
from perpscope.venues.bybit.wire import MS, Millis

POLLED = frozenset({Channel.ACCOUNT_RATIOS})
RATIO_PERIOD_S = 300
RATIO_PERIOD = "5min"
#: Rows asked for: the newest and two before it, so that one missed call leaves no hole.
RATIO_ROWS = 3
_RATIOS = f"{VENUE}/{Channel.ACCOUNT_RATIOS.value}/"


class _Ratio(msgspec.Struct):
    symbol: str
    buyRatio: Annotated[float, msgspec.Meta(ge=0, le=1)]  #: accounts net long, of all that hold any
    sellRatio: Annotated[float, msgspec.Meta(ge=0, le=1)]
    timestamp: Millis


_read_ratios = msgspec.json.Decoder(Answer[Rows[_Ratio]], strict=False)


def polls(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
    """Account ratios; the page has them for perpetuals in USDT only."""
    if Channel.ACCOUNT_RATIOS not in channels:
        return []
    asked = {one.symbol: one.id for one in instruments if one.quote == "USDT" and one.is_perpetual}
    return [
        Poll(
            name=_RATIOS + symbol,
            request=HttpRequest(
                path="/v5/market/account-ratio",
                params=(LINEAR, ("symbol", symbol), ("period", RATIO_PERIOD), ("limit", str(RATIO_ROWS))),
            ),
            streams=(Stream(Channel.ACCOUNT_RATIOS, identity),),
            every_s=float(RATIO_PERIOD_S),
        )
        for symbol, identity in asked.items()
    ]


def polled_events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """Account ratios of a reply, oldest first; none of an instrument we do not know.

    Raises:
        FrameError: a refusal, not the documented shape, another instrument's, or no poll of ours.
    """
    if not poll.startswith(_RATIOS):
        raise FrameError(f"bybit has no poll {poll[:SHOWN]}", venue=VENUE)
    symbol = poll.removeprefix(_RATIOS)
    instrument = catalogue.get(symbol) if catalogue else instrument_named(symbol)
    return [*account_ratios(raw, symbol, None if instrument is None else instrument.id, ts_recv)]


def account_ratios(raw: bytes, symbol: str, instrument: InstrumentId | None, ts_recv: int) -> list[AccountRatio]:
    """Decode an account-ratio reply, oldest first. No accounts on either side is no ratio, and is left out.

    Which end of the period the venue stamps is documented nowhere. Its example was asked for at 03:25 and its newest
    day is stamped 00:00 of the same day, a count that is over: the stamp is taken for the end.

    Raises:
        FrameError: a refusal, not the documented shape, or another instrument's.
    """
    rows = read(_read_ratios, raw).list
    stray = next((row.symbol for row in rows if row.symbol != symbol), None)
    if stray is not None:
        raise FrameError(f"bybit sent the account ratio of {stray[:SHOWN]} for {symbol[:SHOWN]}", venue=VENUE)
    if instrument is None:
        return []
    return [
        AccountRatio(instrument, row.timestamp * MS, ts_recv, RatioKind.ALL_ACCOUNTS, RATIO_PERIOD_S, row.buyRatio)
        for row in sorted(rows, key=lambda row: row.timestamp)
        if row.buyRatio or row.sellRatio
    ]
