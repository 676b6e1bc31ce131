"""OKX v5 perpetual swaps: `/ws/v5/public` and `/ws/v5/business`, sizes in contracts, books by `seqId`; REST /api/v5.

Topics are channel and object, parted by a colon: `trades:BTC-USDT-SWAP`, `books:BTC-USDT-SWAP`,
`candle1m:BTC-USDT-SWAP`, `index-tickers:BTC-USDT` (an index), `liquidation-orders:SWAP`, `instruments:SWAP` (a type of
instrument), `status:`. The paths are called `public` and `business`; a channel asked for on the wrong one is refused.
Channels the lab has nothing to tell on (spreads, options, blocks, price limits, bars of days) are refused as unknown.
"""

from perpscope.lab.dialect import Dialect
from perpscope.lab.wire.okx.dialogue import RULES, dialogue
from perpscope.lab.wire.okx.listings import instrument, listing
from perpscope.lab.wire.okx.rest import OkxRest
from perpscope.lab.wire.okx.telling import OkxTeller

DIALECT = Dialect(
    venue="okx",
    paths=("/ws/v5/public", "/ws/v5/business"),
    rules=RULES,
    instrument=instrument,
    listing=listing,
    dialogue=dialogue,
    teller=OkxTeller,
    rest=OkxRest,
)
