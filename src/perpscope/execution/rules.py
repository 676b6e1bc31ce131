"""What orders in a contract have to keep to, as the exchange said last: tick, step, sizes, values, and prices.

In: refusals, and fills that do not fit what we know. Out: the rules asked for anew (RELIABILITY D14), orders made to
fit them, and fills in the units a run counts in. Those are the units of its beginning: where the new ones are no whole
multiples of them nothing is opened any more, and what is held is kept, protected and closed by the new rules.
"""

import asyncio
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec
import structlog

from perpscope.errors import VenueError
from perpscope.model.exchange import Reply
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import LARGEST, Fill, OrderKind, OrderRequest, SmallerOrder
from perpscope.ports.broker import Broker, Caller

#: Real seconds an order that was refused waits for the rules: the time a position may be without a stop runs.
_PATIENCE_S: Final = 1.0
#: Real seconds between two questions, where they are answered and where they are not.
_AGAIN_S, _FAILED_S = 10.0, 1.0
_ZERO: Final = Decimal(0)
_TO_THE_MARKET: Final = {
    (OrderKind.STOP, Side.SELL): ROUND_CEILING,
    (OrderKind.STOP, Side.BUY): ROUND_FLOOR,
    (OrderKind.TAKE, Side.SELL): ROUND_FLOOR,
    (OrderKind.TAKE, Side.BUY): ROUND_CEILING,
    (OrderKind.LIMIT, Side.BUY): ROUND_FLOOR,  # never worse than what was wished
    (OrderKind.LIMIT, Side.SELL): ROUND_CEILING,
}

_log = structlog.get_logger()


class Rules:
    """The rules of one contract, for one run.

    Args:
        broker: the venue's dialect.
        instrument: as it was when the run began.
        caller: makes calls, within the venue's limits.
        monotonic: real seconds.
    """

    def __init__(self, broker: Broker, instrument: Instrument, caller: Caller, monotonic: Callable[[], float]) -> None:
        self.instrument = instrument  #: by the rules as they are now
        self.notices: list[str] = []  #: what has changed, for people, in order
        self.halted = ""  #: why nothing may be opened; empty = it may
        self.changed_at = monotonic()  #: real seconds
        self.clipped = 0  #: orders that were larger than any may be
        self.off_band = 0  #: orders that were not sent: no such price is taken so far from the mark
        self._broker = broker
        self._begun = instrument
        self._caller = caller
        self._monotonic = monotonic
        self._again_at = self.changed_at
        self._asking: asyncio.Task[None] | None = None
        self._odd, self._odd_fee = _ZERO, _ZERO  # filled and not told: less than a step of the run's

    # asking -----------------------------------------------------------------------------------------------------------

    async def refused(self, reply: Reply) -> None:
        """An order was refused: where the rules may be why, they are asked for, and are known once this returns."""
        if not self._broker.is_off_rules(reply):
            return
        self._ask_soon()
        if self._asking is not None:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await asyncio.shield(self._asking)
            except TimeoutError:
                _log.warning("the contract's rules are not told in time", symbol=self.instrument.symbol)

    async def aclose(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _ask_soon(self) -> None:
        if self._asking is None and self._monotonic() >= self._again_at:
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        try:
            self._take(self._broker.ruled(await self._caller(self._broker.rules_request()), self._begun))
            self._again_at = self._monotonic() + _AGAIN_S
        except VenueError as error:
            self._again_at = self._monotonic() + _FAILED_S
            _log.warning("the contract's rules could not be asked for", why=str(error))
        finally:
            self._asking = None

    def _take(self, found: Instrument) -> None:
        before, self.instrument = self.instrument, found
        if found == before:
            return
        self.changed_at = self._monotonic()
        words = f"{found.symbol} has other rules now: {_in_words(found)}; they were {_in_words(before)}"
        self.notices.append(words)
        _log.warning(words)
        self.halted = ""
        if not _fits(self._begun, found):
            self.halted = f"contract-changed: {_in_words(found)}; this run counts in {_in_words(self._begun)}"

    # orders and fills -------------------------------------------------------------------------------------------------

    def fit(self, request: OrderRequest, mark: Decimal | None) -> OrderRequest | None:
        """An order as the exchange takes it now; None for an entry that it would not take at all.

        None is larger than the largest there may be: the rest of an exit is another order's.
        A price moves by less than a tick: a condition's to the side of the market, a limit never to a worse one. An
        entry becomes smaller, what reduces larger: that closes no more than is held.

        Args:
            request: as it was wished.
            mark: quote per base; None = not known.
        """
        fitted = request if self.instrument is self._begun else self._on_steps(request, mark)
        most = None if fitted is None else largest(self.instrument, fitted.kind)
        if fitted is None or most is None or fitted.size <= most:
            return fitted
        self.clipped += 1
        words = f"orders are made smaller: the largest is {most.normalize():f} {self.instrument.base}"
        if words not in self.notices:
            self.notices.append(words)
        _log.warning("an order is made smaller", order=request.id, wished=str(request.size), largest=str(most))
        told = msgspec.structs.asdict(fitted) | {"size": most, "wished": request.size, "bound": LARGEST}
        return SmallerOrder(**told)

    def is_off_band(self, request: OrderRequest, mark: Decimal | None) -> bool:
        """Whether its limit is so far from the mark that the exchange does not take it; counted if so."""
        band, price = self.instrument.price_band, request.price
        if band is None or not mark or price is None or request.kind is not OrderKind.LIMIT:
            return False
        lowest, highest = (mark * share for share in band)
        is_off = price > highest if request.side is Side.BUY else price < lowest
        self.off_band += is_off
        return is_off

    def _on_steps(self, request: OrderRequest, mark: Decimal | None) -> OrderRequest | None:
        """On the tick and step of now, and worth enough."""
        rules, price, size = self.instrument, request.price, request.size
        tick, step = _steps(rules)
        if price is not None:
            price = _multiple(price, tick, _TO_THE_MARKET[request.kind, request.side])
        if request.kind in (OrderKind.MARKET, OrderKind.LIMIT):
            size = _multiple(size, step, ROUND_CEILING if request.is_reducing else ROUND_FLOOR)
        if not request.is_reducing:
            worth = size * (price or mark or _ZERO)
            is_too_small = not size or (worth > 0 and worth < (rules.min_notional or _ZERO))
            if is_too_small or not rules.is_trading:
                return None
        return msgspec.structs.replace(request, price=price, size=size)

    def counted(self, fill: Fill) -> Fill | None:
        """A fill in whole steps of the run's; None of less than one: that is told with the next.

        One that does not fit what we know is news of the rules, and has them asked for.
        """
        tick, step = _steps(self.instrument)
        if fill.price % tick or fill.size % step:
            self._ask_soon()
        step = _steps(self._begun)[1]
        if not self._odd and not fill.size % step:
            return fill
        sign = 1 if fill.side is Side.BUY else -1
        there = fill.size * sign + self._odd
        told = _multiple(there * sign, step, ROUND_HALF_EVEN)
        if told <= 0:
            self._odd, self._odd_fee = there, self._odd_fee + fill.fee
            return None
        self._odd, fee, self._odd_fee = there - told * sign, fill.fee + self._odd_fee, _ZERO
        return msgspec.structs.replace(fill, size=told, fee=fee)


def largest(rules: Instrument, kind: OrderKind) -> Decimal | None:
    """Base units an order may have, whole steps; None = not known, or a condition's, which closes what is held."""
    known = (rules.max_size,) if kind is OrderKind.LIMIT else (rules.max_size, rules.max_market_size)
    told = [size for size in known if size]
    if not told or kind not in (OrderKind.MARKET, OrderKind.LIMIT):
        return None
    return _multiple(min(told), _steps(rules)[1], ROUND_FLOOR)


def _steps(rules: Instrument) -> tuple[Decimal, Decimal]:
    """Tick and step; what a run is made on has both, and `Broker.ruled` tells no other."""
    assert rules.tick_size is not None and rules.step_size is not None  # noqa: S101, PT018
    return rules.tick_size, rules.step_size


def _multiple(value: Decimal, of: Decimal, rounding: str) -> Decimal:
    return (value / of).to_integral_value(rounding) * of


def _fits(begun: Instrument, now: Instrument) -> bool:
    """Whether whole ticks and steps of now are such of the beginning."""
    return not any(after % before for after, before in zip(_steps(now), _steps(begun), strict=True))


def _in_words(rules: Instrument) -> str:
    smallest = "none known" if rules.min_notional is None else f"{rules.min_notional.normalize():f} {rules.quote}"
    state = "" if rules.is_trading else ", closing only"
    tick, step = _steps(rules)
    sizes = [size for size in (rules.max_size, rules.max_market_size) if size]
    largest = f", largest {min(sizes).normalize():f} {rules.base}" if sizes else ""
    return f"tick {tick.normalize():f}, step {step.normalize():f}, smallest order {smallest}{largest}{state}"
