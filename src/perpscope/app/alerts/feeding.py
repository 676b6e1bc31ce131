"""What the heart tells, as the measures take it: liquidations and lines of linear perpetuals, each of its coin."""

from collections.abc import Collection
from typing import Final

from perpscope.analytics.alerts.alert import Side
from perpscope.analytics.alerts.measures import Line
from perpscope.analytics.alerts.watch import Watch
from perpscope.app.totals.feeds import coin_of
from perpscope.engine.tally import venue_of
from perpscope.model.bulletin import MarketLine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation, PositionSide

_MS_NS: Final = 1_000_000
_PERP: Final = "-PERP."
_DOLLARS: Final = ("-USDT-", "-USDC-", "-USD-")


class Feeding:
    """Hands on what belongs to coins that are watched.

    Args:
        watch: takes it.
        coins: that are wanted, in capitals; none = all.
    """

    def __init__(self, watch: Watch, coins: Collection[str] = ()) -> None:
        self._watch = watch
        self._coins = {coin.upper() for coin in coins}
        self._known: dict[InstrumentId, str | None] = {}

    def coin(self, instrument: InstrumentId) -> str | None:
        """The coin of an instrument; None where it is not watched: dated, settled in coins, or not wanted."""
        if instrument not in self._known:
            is_ours = _PERP in instrument and any(quote in instrument for quote in _DOLLARS)
            coin = coin_of(instrument) if is_ours else None
            self._known[instrument] = coin if coin and (not self._coins or coin in self._coins) else None
        return self._known[instrument]

    def take_line(self, line: MarketLine) -> None:
        """An instrument as it stands."""
        coin = self.coin(line.instrument)
        if coin is None:
            return
        price = line.mark if line.mark is not None else line.last
        rate, hours = line.funding_rate, line.funding_interval_h
        told = Line(
            instrument=line.instrument,
            at_ms=line.ts_market // _MS_NS,
            price=price,
            funding_8h=None if rate is None or not hours else rate * 8.0 / hours,
            open_interest=line.open_interest,
        )
        self._watch.take_line(coin, told)

    def take_liquidation(self, event: Liquidation) -> None:
        """A position was closed by force."""
        coin = self.coin(event.instrument)
        if coin is not None:
            side: Side = "long" if event.position_side is PositionSide.LONG else "short"
            usd, venue = event.notional_usd, venue_of(event.instrument)
            self._watch.take_liquidation(coin, event.ts_event // _MS_NS, side, usd, venue)
