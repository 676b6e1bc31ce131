"""The look at the journals of traders: each second, in a thread of its own, whether or not alerts are watched.

In: the journals beside a store. Out: sayings, to the `Post`, with what was told written down first.
"""

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import structlog

from perpscope.app.alerts import life as lives
from perpscope.app.alerts import trades
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.post import Post
from perpscope.app.alerts.trades import Trades
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns

_log = structlog.get_logger()


class TradeRounds:
    """Tells people what becomes of trading.

    Args:
        store: the database beside which the journals are.
        post: writes down what was told, and tells it.
        reading: the thread that reads.
    """

    def __init__(self, store: Path, post: Post, reading: Beside) -> None:
        self._store = store
        self._post = post
        self._reading = reading
        self._trouble: str | None = None

    async def looks(self) -> None:
        """Look each real second, until cancelled."""
        found = Trades(await self._post.written(self._post.ledger.trades_told))
        while True:
            now_ms = wall_ns() // 1_000_000
            before = found.told.fills
            try:
                seen = await self._reading.run(trades.read, self._store, before, now_ms)
            except PerpscopeError as error:
                if error.message != self._trouble:
                    _log.warning("a trader's journal cannot be read", code=error.code, why=error.message)
                self._trouble = error.message
            else:
                self._trouble = None
                said = found.look(seen, now_ms)
                if said or found.told.fills != before:
                    body = msgspec.msgpack.encode(found.told)
                    self._post.say(said, partial(self._post.ledger.keep_trades, body))
            await asyncio.sleep(lives.LOOK_S)
