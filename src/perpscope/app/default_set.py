"""The default set: the coins that turn over most, chosen from what the venues list and say they traded.

In: catalogues and the turnover of 24 hours. Out: at most thirty coins with their figures, and a sentence on how they
were chosen. Coins are ranked, not symbols: kPEPE, 1000PEPE and PEPE are one, and a coin's dollar perpetuals add up.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from perpscope.app.symbols import DOLLARS, Names, is_common
from perpscope.model.instrument import Instrument

#: Most coins in the set.
LARGEST = 30
#: Coins that are dollars themselves: their perpetuals trade against what they are worth, and nobody is liquidated.
STABLECOINS = frozenset(
    "USDT USDC USD1 FDUSD TUSD BUSD DAI USDE USDS USDP GUSD PYUSD FRAX LUSD USDD RLUSD XUSD USDH U".split()
)
#: Where no venue tells its turnover: thirty liquid coins, chosen by hand.
BY_HAND = (
    "BTC ETH SOL XRP BNB DOGE ADA AVAX LINK LTC TRX DOT BCH SUI NEAR APT ARB OP FIL ATOM UNI AAVE ETC XLM HBAR "
    "INJ TIA SEI WLD ENA"
).split()


class CoinTurnover(msgspec.Struct, frozen=True):
    """A coin of the default set, and what earned it its place."""

    coin: str
    turnover_usd_24h: float | None  #: dollars, over every venue that told; None if chosen by hand
    venues: list[str]  #: that trade it


class DefaultSet(msgspec.Struct, frozen=True):
    """Coins listened to when none are named, most traded first."""

    coins: list[CoinTurnover]
    how: str  #: the rule, with the venues it was applied to

    @property
    def names(self) -> list[str]:
        """The coins alone."""
        return [entry.coin for entry in self.coins]


def default_set(
    catalogues: Mapping[str, Iterable[Instrument]], turnovers: Mapping[str, Mapping[str, float] | None]
) -> DefaultSet:
    """Choose the default set. Equal turnovers are ordered by name.

    Args:
        catalogues: venue → what it lists; a coin must trade on two of several, on the one if there is one.
        turnovers: venue → symbol → quote units traded in 24 h; a dollar is a dollar. None where it could not be had.
    """
    listed = {venue: [*instruments] for venue, instruments in catalogues.items()}
    homes = _homes(listed)
    told = {venue: figures for venue in listed if (figures := turnovers.get(venue))}
    if not told:
        by_hand = [CoinTurnover(coin, None, homes.get(coin, [])) for coin in BY_HAND]
        return DefaultSet(by_hand, "chosen by hand: no venue told what was traded in 24 h")
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for venue, figures in told.items():
        for instrument in filter(_counts, listed[venue]):
            parts[instrument.asset.upper()].append(figures.get(instrument.symbol, 0.0))
    needed = min(2, len(listed))
    eligible = [coin for coin, venues in homes.items() if len(venues) >= needed and coin not in STABLECOINS]
    ranked = sorted((-math.fsum(parts[coin]), coin) for coin in eligible)
    chosen = [CoinTurnover(coin, -turnover, homes[coin]) for turnover, coin in ranked[:LARGEST]]
    return DefaultSet(chosen, _how(len(chosen), needed, listed, told))


def _homes(listed: Mapping[str, list[Instrument]]) -> dict[str, list[str]]:
    """Coin → the venues that trade it under the bare coin's name."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for venue, instruments in sorted(listed.items()):
        names = Names(instruments)
        for coin in {i.asset.upper() for i in instruments if is_common(i)}:
            meant = names.coin(coin)
            if meant is not None and meant.is_trading:
                homes[coin].append(venue)
    return homes


def _counts(instrument: Instrument) -> bool:
    """True for an instrument whose turnover is its coin's, in dollars."""
    return instrument.is_perpetual and instrument.is_crypto and instrument.is_trading and instrument.quote in DOLLARS


def _how(count: int, needed: int, listed: Mapping[str, object], told: Mapping[str, object]) -> str:
    among = f"traded on at least two of {', '.join(listed)}" if needed > 1 else f"on {', '.join(listed)}"
    silent = [venue for venue in listed if venue not in told]
    without = f"; {', '.join(silent)} did not tell" if silent else ""
    return f"the {count} coins with the largest turnover in 24 h {among}{without}"
