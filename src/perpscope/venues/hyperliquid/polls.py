"""What has to be asked for again and again: the positions of the accounts followed.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals (clearinghouseState)
Anybody may ask for any account; the reply names the price the venue itself would liquidate each position at.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import MarketEvent, PositionSide, PublicPosition
from perpscope.model.stream import Channel, Poll, Stream
from perpscope.venues.hyperliquid.rest import LIGHT, info, read_reply, reply_error
from perpscope.venues.hyperliquid.symbols import VENUE, instrument_named
from perpscope.venues.hyperliquid.wire import MS, Millis, NotNegative, Positive

EVERY_S = 60.0
_NAME = f"{VENUE}/positions/"
_Signed = Annotated[float, msgspec.Meta(gt=-1e15, lt=1e15)]


class _Leverage(msgspec.Struct):
    type: Literal["cross", "isolated"]
    value: Positive


class _Position(msgspec.Struct):
    coin: str
    szi: _Signed  #: base units, negative = short
    leverage: _Leverage
    marginUsed: NotNegative
    entryPx: Positive | None = None
    liquidationPx: _Signed | None = None

    def __post_init__(self) -> None:
        """What is held was entered at some price."""
        if self.szi and self.entryPx is None:
            raise ValueError("Expected `entryPx` where `szi` is not 0")


class _Held(msgspec.Struct):
    position: _Position


class _State(msgspec.Struct):
    assetPositions: list[_Held]
    time: Millis


_read_state = msgspec.json.Decoder(_State, strict=False)


def polls(channels: Sequence[Channel], accounts: Sequence[str]) -> list[Poll]:
    """One call a minute for each account, whatever its instruments: weight 2 of 1,200."""
    if Channel.POSITIONS not in channels:
        return []
    streams = (Stream(Channel.POSITIONS, None),)
    return [
        Poll(
            name=f"{_NAME}{account}",
            request=info(LIGHT, type="clearinghouseState", user=account),
            streams=streams,
            every_s=EVERY_S,
        )
        for account in accounts
    ]


def polled_events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """The positions of the account the poll is named after; one that is gone is simply not among them.

    Raises:
        FrameError: not the documented shape, or a poll we do not make.
    """
    account = poll.removeprefix(_NAME)
    if account == poll:
        raise reply_error(f"no poll is called {poll[:60]!r}", raw)
    state = read_reply(_read_state, raw)
    events: list[MarketEvent] = []
    for held in state.assetPositions:
        position = held.position
        instrument = _identify(position.coin, catalogue)
        if instrument is None or not position.szi or position.entryPx is None:
            continue
        liquidation = position.liquidationPx
        events.append(
            PublicPosition(
                instrument=instrument,
                ts_event=state.time * MS,
                ts_recv=ts_recv,
                account=account,
                position_side=PositionSide.LONG if position.szi > 0 else PositionSide.SHORT,
                size=abs(position.szi),
                entry_price=position.entryPx,
                leverage=position.leverage.value,
                is_cross=position.leverage.type == "cross",
                margin_usd=position.marginUsed,
                # null where none would; a price that cannot be reached would say the same.
                liquidation_price=liquidation if liquidation is not None and liquidation > 0 else None,
            )
        )
    return events


def _identify(coin: str, catalogue: Mapping[str, Instrument]) -> InstrumentId | None:
    known = catalogue.get(coin) if catalogue else instrument_named(coin)
    return known.id if known is not None else None
