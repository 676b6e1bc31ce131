"""A map or heatmap that was read, as the page that shows it: its figures put into words and tables."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import heat
from perpscope.app.liqmap.answer import Bin, HeatAnswer, MapAnswer, cells
from perpscope.app.liqmap.venues import VenueTold
from perpscope.errors import ConfigError
from perpscope.reports import numerals
from perpscope.reports.liqmap_page import Drawn, Panel, Sheet, heat_page, map_page
from perpscope.stores.status import StoreKind

#: Bins of the newest column that the page lists.
_LARGEST: Final = 20
_SEEN: Final = ["venue", "open interest", "mark", "age", "minutes with a price", "bars with open interest"]
_LIQUIDATIONS: Final = ["liquidations watched", "published", "margin tiers"]


def map_html(found: MapAnswer) -> bytes:
    """The page of a map."""
    mark = found.summary.price
    sheet = Sheet(
        title=f"{found.name.upper()} liquidation map",
        subject=f"{_moment(found.at_ms)} UTC · profile {found.profile} · formula {found.formula}",
        data=found.data,
        facts=_facts(found),
        panels=[_clusters(found), _what_ifs(found), _coverage(found.venues), _bins(found)],
        notes=found.notes,
        body=msgspec.json.encode(found),
    )
    return map_page(_drawn(found.bins), mark, [(one.peak, one.usd) for one in found.clusters], sheet)


def heat_html(found: HeatAnswer) -> bytes:
    """The page of a heatmap.

    Raises:
        ConfigError: it has fewer than two columns.
    """
    if len(found.prices) < 2:
        raise ConfigError(
            "option-value", "a page needs two columns or more", hint="take more --hours or a smaller --every"
        )
    shown = found.heatmap
    edges, times = shown.edges, [int(ts) // 1_000_000 for ts in shown.times]
    codes = np.zeros((len(shown.columns), edges.size - 1), np.uint16)
    for row, column in zip(codes, shown.columns, strict=True):
        row[column.at] = column.codes
    prices = [(low, high, close) for _, low, high, close in found.prices]
    sheet = Sheet(
        title=f"{found.name.upper()} liquidation heatmap",
        subject=f"{numerals.window(times[0], times[-1])} · profile {found.profile} · {', '.join(found.venues)}",
        data=found.data,
        facts=[
            ("price", numerals.price(prices[-1][2])),
            ("columns", f"{len(times):,}"),
            ("bins", f"{edges.size - 1:,} of {numerals.price(float(edges[1] - edges[0]))}"),
        ],
        panels=[_newest(found, prices[-1][2]), _columns(found)],
        notes=[*found.notes, "each column knows only what came before it; both sides together, each within 1 %"],
        body=_body(found),
    )
    return heat_page(times, codes, (float(edges[0]), float(edges[1] - edges[0]), heat.RATIO), prices, sheet)


def _facts(found: MapAnswer) -> list[tuple[str, str]]:
    told, pull = found.summary, found.direction
    sigma = "—" if told.sigma_4h is None else numerals.percent(told.sigma_4h)
    return [
        ("price", numerals.price(told.price)),
        ("open interest", numerals.usd(told.total_oi_usd)),
        ("funding 8 h", "—" if told.funding_8h is None else _minus(f"{told.funding_8h * 100:+.4f} %")),
        ("σ 4 h", sigma),
        ("leans", _minus(f"{pull.bias.value} {pull.balance:+.2f} [{pull.low:+.2f}, {pull.high:+.2f}], descriptive")),
        ("held out of reach", " / ".join(numerals.usd(value) for value in found.beyond_usd)),
    ]


def _drawn(bins: list[Bin]) -> list[Drawn]:
    """Both sides of each bin together; holes are filled with bins that hold nothing."""
    sides: dict[tuple[float, float], dict[str, Bin]] = {}
    for one in bins:
        sides.setdefault((one.low, one.high), {})[one.side] = one
    found = []
    places = sorted(sides)
    for place, after in [*pairwise(places), (places[-1], places[-1])] if places else []:
        found.append(_both(place, sides[place]))
        if after[0] > place[1]:
            found.append(Drawn(low=place[1], high=after[0]))
    return found


def _both(place: tuple[float, float], sides: Mapping[str, Bin]) -> Drawn:
    long, short = sides.get("LONG"), sides.get("SHORT")
    return Drawn(
        low=place[0],
        high=place[1],
        long_usd=long.usd if long else 0.0,
        short_usd=short.usd if short else 0.0,
        long_status=long.status if long else "EMPTY",
        short_status=short.status if short else "EMPTY",
        measured_usd=sum(one.measured_usd for one in sides.values()),
    )


def _clusters(found: MapAnswer) -> Panel:
    rows = [
        [
            "▼ longs" if one.is_long else "▲ shorts",
            numerals.price(one.peak),
            f"{numerals.price(one.low)} – {numerals.price(one.high)}",
            _minus(f"{one.distance_pct:+.2f} %"),
            "—" if one.distance_sigma is None else _minus(f"{one.distance_sigma:+.1f} σ"),
            numerals.usd(one.usd),
            "yes" if one.is_validated else "no, far",
        ]
        for one in found.clusters
    ]
    return Panel("Clusters", False, ["side", "peak", "from – to", "distance", "in 4 h σ", "USD", "validated"], rows)


def _what_ifs(found: MapAnswer) -> Panel:
    rows = [
        [
            f"{'falls' if one.is_long else 'rises'} to {numerals.price(one.price)}",
            _minus(f"{one.distance_pct:+.2f} %"),
            f"about {numerals.usd(one.usd)} of {'longs' if one.is_long else 'shorts'}",
            numerals.usd(one.gross_usd),
            f"{one.share_of_open_interest:.2%}" + ("" if one.is_covered else ", beyond the map"),
        ]
        for one in found.what_if
    ]
    return Panel("If the price …", False, ["to", "distance", "forced", "held there", "of open interest"], rows)


def _coverage(venues: list[VenueTold]) -> Panel:
    rows = [
        [
            one.venue + (" (STALE)" if one.is_stale else ""),
            numerals.short(one.open_interest),
            numerals.price(one.mark),
            numerals.seconds(one.age_ms / 1000.0),
            numerals.percent(one.price_share),
            numerals.percent(one.open_interest_share),
            numerals.percent(one.liquidations_share),
            one.completeness.value,
            one.tiers if one.tiers.startswith(one.tiers_quality) else f"{one.tiers_quality}: {one.tiers}",
        ]
        for one in venues
    ]
    return Panel("What it rests on", True, [*_SEEN, *_LIQUIDATIONS], rows)


def _bins(found: MapAnswer) -> Panel:
    rows = [
        [
            f"{numerals.price(one.low)} – {numerals.price(one.high)}",
            "▼ longs" if one.side == "LONG" else "▲ shorts",
            numerals.usd(one.usd),
            numerals.usd(one.gross_usd),
            one.status,
            f"{one.remaining_pct:.0f} %",
            _minus(f"{one.distance_pct:+.2f} %"),
            numerals.usd(one.measured_usd) if one.measured_usd else "",
        ]
        for one in found.bins
    ]
    head = ["bin", "side", "forced", "held", "status", "remaining", "distance", "measured"]
    return Panel("Every bin", False, head, rows, is_open=False)


def _newest(found: HeatAnswer, mark: float) -> Panel:
    usd, edges = found.heatmap.usd[-1], found.heatmap.edges
    largest = [int(at) for at in np.argsort(usd)[::-1][:_LARGEST] if usd[at] > 0.0]
    rows = [
        [
            f"{numerals.price(float(edges[at]))} – {numerals.price(float(edges[at + 1]))}",
            numerals.usd(float(usd[at])),
            _minus(f"{((edges[at] + edges[at + 1]) / 2.0 / mark - 1.0) * 100.0:+.2f} %"),
        ]
        for at in largest
    ]
    return Panel("Largest bins of the newest column", False, ["bin", "USD", "distance"], rows)


def _columns(found: HeatAnswer) -> Panel:
    usd, edges = found.heatmap.usd, found.heatmap.edges
    rows = []
    for (ts, low, high, close), column in zip(found.prices, usd, strict=True):
        at = int(column.argmax())
        rows.append(
            [
                _moment(ts // 1_000_000),
                *(numerals.price(value) for value in (low, high, close)),
                f"{numerals.price(float(edges[at]))} – {numerals.price(float(edges[at + 1]))}",
                numerals.usd(float(column[at])),
                numerals.usd(float(column.sum())),
            ]
        )
    return Panel(
        "Every column", False, ["UTC", "low", "high", "close", "brightest", "USD", "all bins"], rows, is_open=False
    )


def _body(found: HeatAnswer) -> bytes:
    """What the command line prints, without the matrix that the page has as codes."""
    told = {name: array.tolist() for name, array in cells(found).items() if name != "usd"}
    kind: StoreKind = found.data
    about = {"name": found.name, "data": kind.value, "basis": "estimated", "profile": found.profile}
    return msgspec.json.encode({**about, **told, "venues": found.venues, "notes": found.notes})


def _minus(text: str) -> str:
    """With real minus signs."""
    return text.replace("-", "−")


def _moment(ms: int) -> str:
    return numerals.moment(ms, "%d %b %Y %H:%M")
