"""REST replies of Binance USD-M about who holds what: open interest, ratios, taker volume, fundings.

The rows of `/futures/data` are stamped at the end of their period, taker volumes at its start (the venue's own trap).
"""

from collections.abc import Sequence

import msgspec

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Funding, Stand
from perpscope.lab.wire.binance.payloads import ONBOARDED_MS

_NS_PER_MS = 1_000_000
_SUPPLY = "20000000.00000000"  # of every coin alike; made up


def open_interest(stand: Stand, now_ms: int) -> bytes:
    """`/fapi/v1/openInterest`."""
    held = stand.listing.size(stand.open_interest)
    return msgspec.json.encode({"symbol": stand.listing.symbol, "openInterest": held, "time": now_ms})


def open_interest_history(listing: Listing, rows: Sequence[Census]) -> bytes:
    """`/futures/data/openInterestHist`."""
    return msgspec.json.encode(
        [
            {
                "symbol": listing.symbol,
                "sumOpenInterest": f"{row.open_interest:.8f}",
                "sumOpenInterestValue": f"{row.open_interest * row.mark:.8f}",
                "CMCCirculatingSupply": _SUPPLY,
                "timestamp": row.ts // _NS_PER_MS,
            }
            for row in rows
        ]
    )


def ratios(listing: Listing, rows: Sequence[Census], whose: str) -> bytes:
    """One of the three long/short ratios.

    Args:
        listing: of what.
        rows: oldest first.
        whose: the field of `Census` that has the long fraction.
    """
    return msgspec.json.encode([_ratio(listing, row.ts, getattr(row, whose)) for row in rows])


def _ratio(listing: Listing, ts: int, long_fraction: float) -> dict[str, str | int]:
    long_account = round(long_fraction, 4)
    return {
        "symbol": listing.symbol,
        "longShortRatio": f"{long_account / (1 - long_account):.4f}",
        "longAccount": f"{long_account:.4f}",
        "shortAccount": f"{1 - long_account:.4f}",
        "timestamp": ts // _NS_PER_MS,
    }


def taker_volumes(rows: Sequence[Census], period_ns: int) -> bytes:
    """`/futures/data/takerlongshortRatio`; a period without trades is left out."""
    return msgspec.json.encode(
        [
            {
                "buySellRatio": f"{row.taker_buy / row.taker_sell:.4f}",
                "buyVol": f"{row.taker_buy:.4f}",
                "sellVol": f"{row.taker_sell:.4f}",
                "timestamp": (row.ts - period_ns) // _NS_PER_MS,
            }
            for row in rows
            if row.taker_sell > 0
        ]
    )


def funding_rates(rows: Sequence[tuple[Listing, Funding]]) -> bytes:
    """`/fapi/v1/fundingRate`, oldest first."""
    return msgspec.json.encode(
        [
            {
                "symbol": listing.symbol,
                "fundingRate": f"{row.rate:.8f}",
                "fundingTime": row.ts // _NS_PER_MS,
                "markPrice": f"{row.mark:.8f}",
                "rateType": "Regular",
            }
            for listing, row in rows
        ]
    )


def funding_info(listings: Sequence[Listing]) -> bytes:
    """`/fapi/v1/fundingInfo`."""
    return msgspec.json.encode(
        [
            {
                "symbol": listing.symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": int(listing.instrument.funding_interval_h or 8),
                "disclaimer": False,
                "updateTime": ONBOARDED_MS,
            }
            for listing in listings
        ]
    )
