"""Fees that were paid in another coin than the quote: what they were worth, or that nobody knows.

In: fills as the exchange tells them. Out: the same with their fee in the quote, reckoned at a price that was asked for,
with its time; where none can be had the fee counts as not known, and is told so, never as nothing. Such a fee is a cost
that the quote's wallet does not show: `elsewhere` is what lies between the two.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec
import structlog

from perpscope.errors import VenueError
from perpscope.model.exchange import TradeReport
from perpscope.model.instrument import Instrument
from perpscope.ports.broker import Broker, Caller

#: Real seconds for which a price is taken as it is, until which it is better than none, and between two questions.
_FRESH_S, _KNOWN_S, _AGAIN_S = 60.0, 3600.0, 5.0
#: Real seconds a fill waits for a price: who holds a position has to know soon.
_PATIENCE_S: Final = 0.5
_SMALLEST: Final = Decimal("1e-8")

_log = structlog.get_logger()


class _Worth(msgspec.Struct, frozen=True):
    """What a coin is worth."""

    rate: Decimal  #: quote units
    ts: int  #: ns UTC
    at: float  #: real seconds, when it was asked for


class Fees:
    """The fees of one run.

    Args:
        broker: the venue's dialect.
        instrument: what is traded; its quote is what everything is reckoned in.
        caller: makes calls, within the venue's limits.
        monotonic: real seconds.
    """

    def __init__(self, broker: Broker, instrument: Instrument, caller: Caller, monotonic: Callable[[], float]) -> None:
        self.elsewhere = Decimal(0)  #: quote units that were paid in other coins, as far as that is known
        self.unknown: dict[str, Decimal] = defaultdict(Decimal)  #: by coin, what was paid of a worth that is not known
        self.unknown_fills = 0
        self._broker = broker
        self._instrument = instrument
        self._caller = caller
        self._monotonic = monotonic
        self._known: dict[str, _Worth] = {}
        self._asked_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def notices(self) -> list[str]:
        """What is not in the figures, for people."""
        if not self.unknown_fills:
            return []
        paid = ", ".join(f"{amount.normalize():f} {asset}" for asset, amount in sorted(self.unknown.items()))
        words = f"fees of {self.unknown_fills} fills are in no figure: {paid}"
        return [f"{words}, of which nobody knew what it was worth in {self._instrument.quote}"]

    def expect(self, asset: str) -> None:
        """Fees may be paid in a coin: know what it is worth before the first one is."""
        self._ask_soon(asset)

    async def priced(self, trade: TradeReport) -> TradeReport:
        """A fill with its fee in the quote; waits half a second for a price at most."""
        other = trade.other
        if other is None or other.rate is not None:
            return trade
        known = self._known.get(other.asset)
        if known is None or self._monotonic() - known.at > _FRESH_S:
            await self._asked(other.asset)
            known = self._known.get(other.asset)
        if known is None or self._monotonic() - known.at > _KNOWN_S:
            return trade
        fee = (other.amount * known.rate).quantize(_SMALLEST)
        other = msgspec.structs.replace(other, rate=known.rate, ts_rate=known.ts)
        return msgspec.structs.replace(trade, fee=fee, other=other)

    def count(self, trade: TradeReport) -> None:
        """A fill was booked, now or by an earlier process; once each."""
        if trade.other is None:
            return
        if trade.is_fee_known:
            self.elsewhere += trade.fee
        else:
            self.unknown[trade.other.asset] += trade.other.amount
            self.unknown_fills += 1

    async def aclose(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _asked(self, asset: str) -> None:
        self._ask_soon(asset)
        task = self._asking.get(asset)
        if task is not None:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await asyncio.shield(task)
            except TimeoutError:
                _log.warning("what a coin is worth is not told in time", asset=asset)

    def _ask_soon(self, asset: str) -> None:
        now = self._monotonic()
        if asset not in self._asking and now - self._asked_at.get(asset, float("-inf")) >= _AGAIN_S:
            self._asked_at[asset] = now
            self._asking[asset] = asyncio.get_running_loop().create_task(self._ask(asset))

    async def _ask(self, asset: str) -> None:
        try:
            rate, ts = self._broker.worth(await self._caller(self._broker.worth_request(asset, self._instrument)))
            self._known[asset] = _Worth(rate, ts, self._monotonic())
        except VenueError as error:
            _log.warning("what a coin is worth could not be asked for", asset=asset, why=str(error))
        finally:
            del self._asking[asset]
