"""The digest of a day: what each coin did, which rules spoke, and how much of the time was seen.

In: a store, the log of alerts and the feeds. Out: a `Digest`; rendering it is a sink's.
"""

from collections.abc import Collection, Mapping
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np

from perpscope.analytics.alerts.alert import Record
from perpscope.analytics.alerts.saying import Digest, DigestCoin, DigestRule
from perpscope.app.alerts import past
from perpscope.app.alerts.past import Stretch
from perpscope.app.status import FeedLine

_DAY_MS: Final = 86_400_000
#: Coins that are told, those with most open interest first.
_MOST: Final = 6


def digest(
    path: Path,
    day: str,
    now_ms: int,
    coins: Collection[str],
    *,
    counts: Mapping[str, tuple[int, int]],
    records: Mapping[str, Record],
    feeds: Collection[FeedLine],
    outages: int,
) -> Digest:
    """The last 24 h of a store.

    Args:
        path: the store.
        day: it is called by.
        now_ms: market time.
        coins: that are watched.
        counts: alerts by rule: all, and those nobody was told of.
        records: what each rule has been worth.
        feeds: as the heart told them.
        outages: silences that were told.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    known = {coin: found for coin, found in past.coins_of(path).items() if coin in coins}
    told = [_coin(past.read_stretch(path, coin, found, now_ms - _DAY_MS, now_ms)) for coin, found in known.items()]
    told.sort(key=lambda pair: -pair[0])
    shares = [feed.coverage_24h for feed in feeds if feed.coverage_24h is not None]
    return Digest(
        day=day,
        coins=[coin for _, coin in told[:_MOST]],
        rules=[
            DigestRule(rule=rule, alerts=n, held_back=held, record=records.get(rule))
            for rule, (n, held) in sorted(counts.items())
        ],
        uptime=sum(shares) / len(shares) if shares else None,
        outages=outages,
    )


def _coin(stretch: Stretch) -> tuple[float, DigestCoin]:
    """A coin's day, with the open interest it is ranked by."""
    held = [(_ends(rows.open_interest), _ends(rows.price), _ends(rows.funding_8h)) for rows in stretch.rows]
    usd = [(interest[1] * price[1], interest, price, funding) for interest, price, funding in held]
    known = [each for each in usd if isfinite(each[0])]
    total = sum(each[0] for each in known)
    best = max(known, key=lambda each: each[0], default=None)
    before = sum(interest[0] * price[1] for _, interest, price, _ in known if isfinite(interest[0]))
    since = sum(usd for usd, interest, _, _ in known if isfinite(interest[0]))
    paid = [(usd, funding[1]) for usd, _, _, funding in known if isfinite(funding[1])]
    weight = sum(usd for usd, _ in paid)
    sides = {side: sum(each.usd for each in stretch.prints if each.side == side) for side in ("long", "short")}
    is_watched = bool(stretch.watched)
    return total, DigestCoin(
        coin=stretch.coin,
        price=None if best is None else best[2][1],
        move_pct=None if best is None else _pct(best[2][1], best[2][0]),
        liquidated_long_usd=sides["long"] if is_watched else None,
        liquidated_short_usd=sides["short"] if is_watched else None,
        funding_8h_pct=100.0 * sum(usd * rate for usd, rate in paid) / weight if weight > 0.0 else None,
        oi_change_pct=_pct(since, before) if before > 0.0 else None,
    )


def _ends(values: past.Floats) -> tuple[float, float]:
    """The first and the last that is known; NaN where none is."""
    known = values[np.isfinite(values)]
    return (float(known[0]), float(known[-1])) if known.size else (float("nan"), float("nan"))


def _pct(now: float, before: float) -> float:
    return (now / before - 1.0) * 100.0
