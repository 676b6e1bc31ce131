"""What the seeded market is made of: the events a pit and its market bring forth, and a teller tells."""

from typing import TypeAlias

from perpscope.model.market import BookDelta, BookSnapshot, Candle, Liquidation, MarkPrice, OpenInterest, Quote, Trade

Happening: TypeAlias = Trade | Quote | BookDelta | BookSnapshot | Candle | MarkPrice | Liquidation | OpenInterest
