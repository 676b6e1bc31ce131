"""Binance USD-M futures as it writes since the routes of 2026: stream names, payloads, REST replies.

Topics are the stream names themselves: `btcusdt@aggTrade`, `!forceOrder@arr`. Paths are the routes: `public`, `market`,
`private`, and the un-routed ``.
"""

from perpscope.lab.dialect import Dialect
from perpscope.lab.wire.binance.dialogue import RULES, dialogue
from perpscope.lab.wire.binance.listings import instrument
from perpscope.lab.wire.binance.private import BinancePrivate
from perpscope.lab.wire.binance.rest import BinanceRest
from perpscope.lab.wire.binance.telling import BinanceTeller

DIALECT = Dialect(
    venue="binance",
    paths=("/public/ws", "/public/stream", "/market/ws", "/market/stream", "/private/ws", "/private/stream", "/ws"),
    rules=RULES,
    instrument=instrument,
    dialogue=dialogue,
    teller=BinanceTeller,
    rest=BinanceRest,
    private=BinancePrivate,
)
