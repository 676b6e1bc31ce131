"""Hyperliquid perpetuals: one socket (`/ws`, called `ws`), one route (`POST /info`), any account in view.

Topics: `trades:BTC`, `bbo:BTC`, `l2Book:BTC` (`l2Book:BTC:fast`; with nSigFigs and mantissa `l2Book:BTC:5:2`),
`candle:BTC:1m`, `activeAssetCtx:BTC`, `allMids`, `allDexsAssetCtxs`, `fastAssetCtxs`, `userFills:0x…`,
`userEvents:0x…`, `clearinghouseState:0x…`. Liquidations show in the fills of those who took part, whoever that is:
`accounts.MAKERS` and `accounts.TRADERS` can be watched. Where the venue's page is older than public probes of its wire
of August and September 2026, after those: books each 5 s, `fast` ones of 5 levels each 0.5 s; no `webData2`.
"""

from perpscope.lab.dialect import Dialect
from perpscope.lab.wire.hyperliquid.dialogue import RULES, dialogue
from perpscope.lab.wire.hyperliquid.listings import FUNDING_INTERVAL_H, instrument, listing
from perpscope.lab.wire.hyperliquid.rest import HyperliquidRest
from perpscope.lab.wire.hyperliquid.telling import HyperliquidTeller

DIALECT = Dialect(
    venue="hyperliquid",
    paths=("/ws",),
    rules=RULES,
    instrument=instrument,
    listing=listing,
    dialogue=dialogue,
    teller=HyperliquidTeller,
    rest=HyperliquidRest,
    funding_interval_h=FUNDING_INTERVAL_H,
)
