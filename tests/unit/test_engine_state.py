"""The state of the market and the two caches the documents describe."""

from datetime import UTC, datetime

import pytest

from perpscope.engine.state import InstrumentState, MarketState
from perpscope.engine.tally import Tally
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice, Quote

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")
NOON = 1_704_110_400_000_000_000  # 2024-01-01 12:00 UTC


@pytest.fixture
def state() -> InstrumentState:
    """A known instrument without events."""
    found = MarketState(Tally()).admit(BTC)
    assert found is not None
    return found


def test_the_caches_are_empty_at_first(state: InstrumentState) -> None:
    """No event, no figures."""
    assert state.quote_cache is None
    assert state.mark_cache is None


def test_the_quote_cache_has_the_documents_keys_and_example(state: InstrumentState) -> None:
    """36049.0 / 36050.0 is a spread of 1.0 and 0.28 bps of mid. Keeps S2-34, S2-36, S4-45."""
    state.last_quote = Quote(BTC, NOON, NOON, 7, 36049.0, 10.5, 36050.0, 8.2)
    cache = state.quote_cache
    assert cache is not None
    assert cache.__struct_fields__ == ("bid", "bid_qty", "ask", "ask_qty", "spread", "spread_bps", "updated_at")
    assert (cache.bid, cache.bid_qty, cache.ask, cache.ask_qty, cache.spread) == (36049.0, 10.5, 36050.0, 8.2, 1.0)
    assert round(cache.spread_bps, 2) == 0.28
    assert cache.updated_at == datetime(2024, 1, 1, 12, tzinfo=UTC)


def test_the_mark_cache_has_the_documents_keys(state: InstrumentState) -> None:
    """Mark, index, funding rate, next funding time, time of update. Keeps S2-32."""
    state.last_mark = MarkPrice(BTC, NOON, NOON, 36050.0, 36045.0, 0.0001, NOON + 4 * 3600 * 1_000_000_000)
    cache = state.mark_cache
    assert cache is not None
    fields = ("mark_price", "index_price", "funding_rate", "next_funding_time", "updated_at")
    assert cache.__struct_fields__ == fields
    assert [getattr(cache, field) for field in fields] == [
        36050.0,
        36045.0,
        0.0001,
        datetime(2024, 1, 1, 16, tzinfo=UTC),
        datetime(2024, 1, 1, 12, tzinfo=UTC),
    ]


def test_a_dated_contract_has_no_funding(state: InstrumentState) -> None:
    """What a venue does not publish is None, never 0."""
    state.last_mark = MarkPrice(BTC, NOON, NOON, 36050.0, None, None, None)
    cache = state.mark_cache
    assert cache is not None
    assert (cache.index_price, cache.funding_rate, cache.next_funding_time) == (None, None, None)


def test_named_instruments_are_the_only_ones() -> None:
    """A mutated symbol finds no room in the state."""
    market = MarketState(Tally(), [BTC])
    assert market.admit(BTC) is market.get(BTC)
    assert market.admit(ETH) is None
    assert [state.instrument for state in market] == [BTC]


def test_learnt_instruments_are_bounded() -> None:
    """Without a list, the first so many are known and the rest are not."""
    market = MarketState(Tally(), capacity=1)
    assert market.get(BTC) is None
    assert market.admit(BTC) is market.admit(BTC)
    assert market.admit(ETH) is None
    assert len(list(market)) == 1
