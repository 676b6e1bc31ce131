"""Bybit V5 linear perpetuals: `/v5/public/linear`, snapshot and delta topics, every liquidation; REST under /v5/market.

Topics are the venue's own: `publicTrade.BTCUSDT`, `orderbook.50.BTCUSDT`, `tickers.BTCUSDT`, `kline.1.BTCUSDT`,
`allLiquidation.BTCUSDT`. The path is called `linear`.
"""

from perpscope.lab.dialect import Dialect
from perpscope.lab.wire.bybit.dialogue import RULES, dialogue
from perpscope.lab.wire.bybit.listings import instrument
from perpscope.lab.wire.bybit.rest import BybitRest
from perpscope.lab.wire.bybit.telling import BybitTeller

DIALECT = Dialect(
    venue="bybit",
    paths=("/v5/public/linear",),
    rules=RULES,
    instrument=instrument,
    dialogue=dialogue,
    teller=BybitTeller,
    rest=BybitRest,
)
