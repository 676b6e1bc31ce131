"""nautilus_trader 1.221.0: the message handler of its Binance futures adapter, on a stand-in for the client around it.

Only the kinds it makes events of at once: it waits for closed candles, and knows no public forced orders.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from collections.abc import Sequence

import msgspec
from nautilus_trader.adapters.binance.common.enums import BinanceAccountType
from nautilus_trader.adapters.binance.common.schemas.market import (
    BinanceAggregatedTradeMsg,
    BinanceDataMsgWrapper,
    BinanceQuoteMsg,
)
from nautilus_trader.adapters.binance.futures.data import BinanceFuturesDataClient
from nautilus_trader.adapters.binance.futures.schemas.market import BinanceFuturesMarkPriceMsg
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.identifiers import InstrumentId, Venue
from rounds import Counter, answer


class Client:
    """What the adapter's handlers ask of their client: decoders, a table of handlers, a clock, a cache, a consumer."""

    def __init__(self, counter: Counter) -> None:
        self.venue = Venue("BINANCE")
        self._binance_account_type = BinanceAccountType.USDT_FUTURES
        self._instrument_ids: dict[str, InstrumentId] = {}
        self._clock = LiveClock()
        self._handle_data = counter.hand_on
        self._decoder_data_msg_wrapper = msgspec.json.Decoder(BinanceDataMsgWrapper)
        self._decoder_quote_msg = msgspec.json.Decoder(BinanceQuoteMsg)
        self._decoder_agg_trade_msg = msgspec.json.Decoder(BinanceAggregatedTradeMsg)
        self._decoder_futures_mark_price_msg = msgspec.json.Decoder(BinanceFuturesMarkPriceMsg)
        adapter = BinanceFuturesDataClient
        self._ws_handlers = {
            "@bookTicker": self._of(adapter._handle_book_ticker),
            "@ticker": self._of(adapter._handle_ticker),
            "@kline": self._of(adapter._handle_kline),
            "@trade": self._of(adapter._handle_trade),
            "@aggTrade": self._of(adapter._handle_agg_trade),
            "@depth@": self._of(adapter._handle_book_diff_update),
            "@depth5": self._of(adapter._handle_book_partial_update),
            "@depth10": self._of(adapter._handle_book_partial_update),
            "@depth20": self._of(adapter._handle_book_partial_update),
            "@markPrice": self._of(adapter._handle_mark_price),
            "!markPrice@arr": self._of(adapter._handle_mark_price_all),
        }

    def _of(self, method: "object") -> "object":
        return method.__get__(self)  # type: ignore[attr-defined]  # a function of the adapter's, bound to this

    _get_cached_instrument_id = BinanceFuturesDataClient._get_cached_instrument_id
    _handle_mark_price_data = BinanceFuturesDataClient._handle_mark_price_data
    handle = BinanceFuturesDataClient._handle_ws_message


if __name__ == "__main__":
    counting = Counter()
    client = Client(counting)

    def run(frames: Sequence[bytes]) -> None:
        """One round."""
        for frame in frames:
            client.handle(frame)

    answer(run, ("bookTicker", "aggTrade", "markPrice"), counting, 15_000)
