"""The look at the journals of traders beside a watch over alerts: each second, in a thread of its own.

In: the journals beside a store. Out: sayings in the outboxes of a life, with what was told written down first.
"""

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import structlog

from perpscope.app.alerts import life as lives
from perpscope.app.alerts import trades
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.ledger import Ledger
from perpscope.app.alerts.life import Life
from perpscope.app.alerts.trades import Trades
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns

_log = structlog.get_logger()


class TradeRounds:
    """Tells people what becomes of trading.

    Args:
        store: the database beside which the journals are.
        life: says what is found.
        ledger: keeps what was told; written by the life's thread alone.
        reading: the thread that reads.
    """

    def __init__(self, store: Path, life: Life, ledger: Ledger, reading: Beside) -> None:
        self._store = store
        self._life = life
        self._ledger = ledger
        self._reading = reading
        self._trouble: str | None = None

    async def looks(self) -> None:
        """Look each real second, until cancelled."""
        found = Trades(await self._life.written(self._ledger.trades_told))
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
                    self._life.say(said, partial(self._ledger.keep_trades, body))
            await asyncio.sleep(lives.LOOK_S)
