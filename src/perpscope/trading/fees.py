"""What venues charge, as far as it is public: fees of somebody who just signed up, with their date and source.

In: the venue, `[costs]` of the configuration. Out: the record of `layout.COSTS` a desk reckons with. Whoever trades
more pays less: then `[costs] taker` and `maker` say so.
"""

from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.model.instrument import Instrument
from perpscope.settings import Costs
from perpscope.trading.compiling import blank
from perpscope.trading.layout import COSTS, RATE

_TABLE: Final = "fee table for accounts without a VIP level, as third parties printed it"
#: Liquidation engines without a fee of their own take what margin is left; the taker's fee is assumed to be the least.
_NO_OWN: Final = "no fee of its own is published: the taker's is assumed, the rest of the margin goes with the price"


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue charges for linear perpetuals: fractions of notional."""

    taker: Decimal
    maker: Decimal
    liquidation: Decimal  #: taken by the liquidation engine out of the margin that is left
    date: str  #: year of the source
    source: str
    liquidation_source: str = _NO_OWN
    is_assumed: bool = False  #: nothing is known of this venue


def _fees(taker: str, maker: str, date: str, source: str) -> Fees:
    return Fees(taker=Decimal(taker), maker=Decimal(maker), liquidation=Decimal(taker), date=date, source=source)


FEES: Final = MappingProxyType(
    {
        "binance": Fees(
            taker=Decimal("0.0005"),
            maker=Decimal("0.0002"),
            liquidation=Decimal("0.0125"),
            date="2026",
            source=f"{_TABLE}; without the rebate for paying in BNB",
            liquidation_source="exchangeInfo.liquidationFee, median of 50 recorded contracts (0.01 to 0.025)",
        ),
        "bybit": _fees("0.00055", "0.0002", "2026", _TABLE),
        "okx": _fees("0.0005", "0.0002", "2026", _TABLE),
        "bitget": _fees("0.0006", "0.0002", "2026", _TABLE),
        "hyperliquid": _fees(
            "0.00045", "0.00015", "2026", "perps, tier 0: fee table as third parties printed it, and `userFees`"
        ),
    }
)
#: The dearest of those that are known.
UNKNOWN: Final = Fees(
    taker=Decimal("0.0006"),
    maker=Decimal("0.0002"),
    liquidation=Decimal("0.0006"),
    date="",
    source="nothing is known of this venue: the dearest of the others is assumed",
    is_assumed=True,
)

#: In `[costs]`: what the venue charges.
OF_VENUE: Final = -1.0
_MS: Final = 1_000_000


def fees_of(venue: str) -> Fees:
    """What a venue charges whoever just signed up; `UNKNOWN` where nothing is known of it."""
    return FEES.get(venue, UNKNOWN)


def costs_of(instrument: Instrument, costs: Costs, seed: int = 0) -> NDArray[np.void]:
    """Costs of trading a contract: one record of `layout.COSTS`.

    Args:
        instrument: the contract.
        costs: what the configuration says; what it leaves unset is the venue's.
        seed: of the latencies that are drawn.
    """
    fees = fees_of(instrument.venue)
    told = ((costs.taker, fees.taker), (costs.maker, fees.maker), (costs.liquidation, fees.liquidation))
    spread_bps = costs.spread_bps
    if spread_bps == OF_VENUE:
        spread_bps = 1.0 if instrument.asset == "BTC" else 3.0  # METHOD 12.4
    record = blank(COSTS)
    c = record[0]
    c["taker"], c["maker"], c["liquidation"] = (
        round((shipped if own == OF_VENUE else Decimal(repr(own))) * RATE) for own, shipped in told
    )
    c["half_spread"] = spread_bps / 2e4
    c["impact"] = costs.impact
    c["latency_median"] = round(costs.latency_ms * _MS)
    c["latency_p99"] = round(max(costs.latency_ms, costs.latency_p99_ms) * _MS)
    c["latency_tail"] = costs.latency_tail
    c["data_delay"] = round(costs.data_delay_ms * _MS)
    c["seed"] = seed
    return record
