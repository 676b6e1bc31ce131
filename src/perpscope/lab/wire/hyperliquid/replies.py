"""Parts of `info` replies, as plain objects or ready JSON: the catalogue, margin tables, fundings.

Numbers are strings, times integer milliseconds; nothing is wrapped in an envelope.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Funding
from perpscope.lab.wire.hyperliquid.listings import ASSETS, TABLES, written

Json: TypeAlias = object  # whatever msgspec encodes
Fields: TypeAlias = dict[str, object]

_NS_PER_MS = 1_000_000
_HOUR_MS = 3_600_000
_TIERED_FROM = 51  # ids below are the leverage of the only tier
_SETTLED_WITHIN_MS = 118  # after the whole hour
_ELSEWHERE_H = 8
_COLLATERAL = 0

SPOT_META: Fields = {
    "universe": [],
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
    ],
}


def written_out(said: Json) -> bytes:
    """As JSON."""
    return msgspec.json.encode(said)


def raws(rows: Iterable[str]) -> list[msgspec.Raw]:
    """Rows that are JSON already."""
    return [msgspec.Raw(row.encode()) for row in rows]


def meta(listings: Sequence[Listing]) -> Fields:
    """The catalogue: `universe` in the order that numbers the assets, tables, collateral."""
    tables = sorted({ASSETS[listing.symbol].table for listing in listings})
    return {
        "universe": [_asset(listing) for listing in listings],
        "marginTables": [[number, margin_table(number)] for number in tables],
        "collateralToken": _COLLATERAL,
    }


def _asset(listing: Listing) -> Fields:
    asset = ASSETS[listing.symbol]
    row: Fields = {"szDecimals": asset.sz_decimals, "name": listing.symbol, "maxLeverage": asset.max_leverage}
    return row | {"marginTableId": asset.table} | ({} if listing.instrument.is_trading else {"isDelisted": True})


def margin_table(number: int) -> Fields | None:
    """One table; None if there is none of this id."""
    if 0 < number < _TIERED_FROM:
        return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": number}]}
    if number not in TABLES:
        return None
    description, tiers = TABLES[number]
    rows = [{"lowerBound": written(tier.lower_bound, 1), "maxLeverage": tier.max_leverage} for tier in tiers]
    return {"description": description, "marginTiers": rows}


class Settled(msgspec.Struct):
    """One row of `fundingHistory`."""

    coin: str
    fundingRate: str
    premium: str
    time: int


def funding(coin: str, row: Funding) -> Settled:
    """As settled, a few milliseconds after the hour."""
    late = 1 + zlib.crc32(f"{coin}/{row.ts}".encode()) % _SETTLED_WITHIN_MS
    return Settled(coin, written(row.rate, 10), written(row.premium, 10), row.ts // _NS_PER_MS + late)


def predicted(coin: str, rate: float, now_ms: int) -> list[object]:
    """One row of `predictedFundings`. `HlPerp` names the hour that has just been settled, as seen on the wire."""
    settled = now_ms // _HOUR_MS * _HOUR_MS
    elsewhere = {
        "fundingRate": written(rate * _ELSEWHERE_H, 10),
        "nextFundingTime": now_ms // (_ELSEWHERE_H * _HOUR_MS) * _ELSEWHERE_H * _HOUR_MS + _ELSEWHERE_H * _HOUR_MS,
        "fundingIntervalHours": _ELSEWHERE_H,
    }
    here = {"fundingRate": written(rate, 10), "nextFundingTime": settled, "fundingIntervalHours": 1}
    return [coin, [["BinPerp", elsewhere], ["HlPerp", here], ["BybitPerp", elsewhere]]]
