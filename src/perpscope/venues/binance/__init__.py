"""Binance USD-M futures: stream names and routes out, events in.

`stream` turns frames into events by way of the message shapes in `wire`, `plan` says which sockets to open and what
to send on them, `rest` builds calls and reads replies, `symbols` reads an instrument off its name. COIN-M contracts,
which share Binance's all-market streams, are recognised and passed over: their sizes are contracts, not base units.
"""

from collections.abc import Mapping, Sequence

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest
from perpscope.ports import Venue
from perpscope.venues.binance import plan, rest, symbols
from perpscope.venues.binance.plan import TradeStream
from perpscope.venues.binance.stream import Decoder

__all__ = ["VENUE", "Binance", "Decoder", "TradeStream"]


class Binance:
    """Binance USD-M futures.

    Args:
        trade_stream: what `Channel.TRADES` means: "aggTrade" (documented: fills of one taker order at one price as
            one event, ids contiguous), or "trade" (every fill, ids contiguous, not documented for USD-M).
    """

    name = symbols.VENUE
    websocket_url = "wss://fstream.binance.com"
    rest_url = "https://fapi.binance.com"
    channels = frozenset(Channel)

    def __init__(self, trade_stream: TradeStream = "aggTrade") -> None:
        self.trade_stream: TradeStream = trade_stream

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; no instruments = liquidations of the whole market, if asked for."""
        return plan.connections(instruments, channels, self.trade_stream)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = every symbol that can be read by name."""
        return Decoder(catalogue)

    def catalogue_request(self) -> HttpRequest:
        """List every instrument."""
        return rest.catalogue_request()

    def instruments(self, raw: bytes) -> list[Instrument]:
        """Decode the answer to `catalogue_request`; raises FrameError."""
        return rest.instruments(raw)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest:
        """Ask for 1,000 levels of an instrument's book."""
        return rest.depth_request(instrument.symbol)

    def snapshot(self, raw: bytes, instrument: InstrumentId, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `snapshot_request`; raises FrameError."""
        return rest.snapshot(raw, instrument, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol; None if it is not a USD-M one."""
        return symbols.instrument_named(symbol)


VENUE: Venue = Binance()
