"""Bitget USDT-M perpetuals, both generations at once: v3 (unified account) and v2 (classic), sockets and REST.

Sockets: `/v3/ws/public` and `/v2/ws/public`, called `v3/public` and `v2/public`. Topics begin with the generation, then
the venue's own words: `v3:publicTrade:BTCUSDT`, `v3:books:BTCUSDT` (also `books1`, `books5`, `books50`),
`v3:ticker:BTCUSDT`, `v3:kline:1m:BTCUSDT`, `v3:liquidation` (all symbols); `v2:trade:BTCUSDT`, `v2:books:BTCUSDT` (also
`books1`, `books5`, `books15`), `v2:ticker:BTCUSDT`, `v2:candle1m:BTCUSDT`. A contract asked for under another kind of
futures is acknowledged and silent: `v3:usdc-futures:books:BTCUSDT`. What sources contradict each other on: `disputed`.
"""

from perpscope.lab.dialect import Dialect
from perpscope.lab.wire.bitget.dialogue import RULES, dialogue
from perpscope.lab.wire.bitget.listings import instrument, listing
from perpscope.lab.wire.bitget.rest import BitgetRest
from perpscope.lab.wire.bitget.telling import BitgetTeller

DIALECT = Dialect(
    venue="bitget",
    paths=("/v3/ws/public", "/v2/ws/public"),
    rules=RULES,
    instrument=instrument,
    listing=listing,
    dialogue=dialogue,
    teller=BitgetTeller,
    rest=BitgetRest,
)
