"""What a rule can name, and how each measure of a coin is kept in market time.

In: liquidations, the heart's line of each instrument, and what a model says of the coin now and then. Out: a value for
each name, or None where it is not known: too short a watch, no such feed, a model that is too old.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from perpscope.analytics.alerts.alert import AlertFacts, Cluster, Side
from perpscope.analytics.alerts.expression import Value
from perpscope.analytics.alerts.grammar import Unit
from perpscope.analytics.alerts.history import History
from perpscope.analytics.alerts.windows import WINDOWS, Liquidated

#: Between two points of the price; between two of open interest (counts come once a minute or so).
_PRICE_MS, _INTEREST_MS = 5_000, 60_000
#: A market whose time went back by more is another market: everything is forgotten.
_ANOTHER_MS: Final = 300_000
#: A stamp farther ahead of what was heard is a venue's mistake: the event counts as of now.
_AHEAD_MS: Final = 3_600_000
#: The instrument whose price is the coin's may be silent so long before another takes its place.
_SILENT_MS: Final = 120_000
Kind = Literal["observed", "model"]


class Measure(msgspec.Struct, frozen=True):
    """One name."""

    name: str
    unit: Unit
    kind: Kind
    text: str  #: what it is, for people
    side: Side | None = None  #: whose positions it is about


def _listed() -> Sequence[Measure]:
    found = [Measure("coin", "text", "observed", "the coin, e.g. 'BTC'")]
    sides: tuple[tuple[str, Side | None, str], ...] = (
        ("", None, "both sides"),
        ("long_", "long", "longs"),
        ("short_", "short", "shorts"),
    )
    for window in WINDOWS:
        for prefix, side, words in sides:
            text = f"liquidated in the last {window}, {words}: as venues publish it, a floor where they sample"
            found.append(Measure(f"{prefix}liq_usd_{window}", "usd", "observed", text, side))
            text = f"liquidations in the last {window}, {words}"
            found.append(Measure(f"{prefix}liq_events_{window}", "events", "observed", text, side))
        text = f"change of the price over {window}, 0–100 scale"
        found.append(Measure(f"price_change_pct_{window}", "pct", "observed", text))
    return [
        *found,
        Measure("largest_liq_usd_5m", "usd", "observed", "the largest single liquidation of the last 5m"),
        Measure("price", "price", "observed", "mark price, else last, of the contract with most open interest"),
        Measure("funding_8h_pct", "pct", "observed", "funding per 8 h, weighed by open interest; 0.01 is usual"),
        Measure("oi_usd", "usd", "observed", "open interest of all contracts, one side"),
        Measure(
            "oi_change_pct_1h", "pct", "observed", "its change over 1h at today's price, contracts known then and now"
        ),
        Measure("cluster_above_pct", "pct", "model", "distance up to the nearest cluster of shorts of the map"),
        Measure("cluster_above_usd", "usd", "model", "what that cluster is estimated to hold"),
        Measure("cluster_below_pct", "pct", "model", "distance down to the nearest cluster of longs, above 0"),
        Measure("cluster_below_usd", "usd", "model", "what that cluster is estimated to hold"),
        Measure("pull", "", "model", "where the map leans, −1 down to 1 up; it is no forecast"),
        Measure("sentiment", "", "model", "sentiment index, 0 fear to 100 greed"),
        Measure("risk", "", "model", "liquidation risk, 0 to 100"),
        Measure("cascade", "", "model", "1 while a cascade is on, else 0"),
        Measure("feed_age_s", "s", "observed", "market time since anything was heard of the coin"),
    ]


#: Every measure, in the order of the documents.
MEASURES: Final[Mapping[str, Measure]] = {measure.name: measure for measure in _listed()}
#: What the grammar needs of them; `symbol` is another word for `coin`.
UNITS: Final[Mapping[str, Unit]] = {**{name: each.unit for name, each in MEASURES.items()}, "symbol": "text"}
_FLOWS: Final = tuple(
    (name, name.rpartition("_")[2], measure.side, "_usd_" in name)
    for name, measure in MEASURES.items()
    if name.startswith(("liq_", "long_", "short_"))
)
_MOVES: Final = tuple((f"price_change_pct_{window}", seconds * 1000) for window, seconds in WINDOWS.items())


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as it stands."""

    instrument: str
    at_ms: int
    price: float | None = None  #: quote per base
    funding_8h: float | None = None  #: fraction
    open_interest: float | None = None  #: base units


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the models say of a coin; None = they say nothing."""

    until_ms: int  #: market time after which it is too old
    clusters: tuple[Cluster, ...] = ()  #: of the map; the distance is reckoned anew
    pull: float | None = None
    sentiment: float | None = None
    risk: float | None = None
    cascade: bool | None = None


class _Instrument:
    """The last of one instrument, and its open interest of the last hour."""

    def __init__(self) -> None:
        self.at_ms = 0
        self.price: float | None = None
        self.funding_8h: float | None = None
        self.interest: float | None = None
        self.interests = History(_INTEREST_MS)

    @property
    def usd(self) -> float | None:
        return None if self.interest is None or self.price is None else self.interest * self.price


class CoinMeasures:
    """The measures of one coin.

    Args:
        coin: e.g. "BTC".
    """

    def __init__(self, coin: str) -> None:
        self.coin = coin
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.now_ms = 0
        self._heard_ms = 0
        self._watched_ms: int | None = None
        self._liquidated = Liquidated()
        self._instruments: dict[str, _Instrument] = {}
        self._reference: str | None = None
        self._prices = History(_PRICE_MS)
        self._model: Model | None = None

    def watched(self, since_ms: int | None) -> None:
        """Since when every liquidation that venues told has been heard; None = they are not heard now."""
        self._watched_ms = since_ms

    @property
    def is_hearing(self) -> bool:
        """Whether liquidations are heard now."""
        return self._watched_ms is not None

    def is_watched(self, since_ms: int) -> bool:
        """Whether every liquidation from a moment to now has been heard."""
        return self._watched_ms is not None and self._watched_ms <= since_ms

    def take_liquidation(self, at_ms: int, side: Side, usd: float, venue: str) -> None:
        """Count a liquidation; one without a price (NaN) or of nothing is not counted."""
        if usd > 0.0:
            if not self._heard_ms or at_ms <= self._heard_ms + _AHEAD_MS:
                self._heard_ms = max(self._heard_ms, at_ms)
                self.advance(at_ms)
            self._liquidated.take(min(at_ms, self.now_ms) // 1000, side, usd, venue)

    def take_line(self, line: Line) -> None:
        """An instrument as it stands now."""
        self._hear(line.at_ms)
        of = self._instruments.setdefault(line.instrument, _Instrument())
        of.at_ms = max(of.at_ms, line.at_ms)
        of.price = line.price if line.price is not None else of.price
        of.funding_8h = line.funding_8h if line.funding_8h is not None else of.funding_8h
        if line.open_interest is not None:
            of.interest = line.open_interest
            of.interests.take(line.at_ms, line.open_interest)
        self._choose()
        if line.instrument == self._reference and line.price is not None:
            self._prices.take(line.at_ms, line.price)

    def take_model(self, model: Model) -> None:
        """What the models say from now on."""
        self._model = model

    def advance(self, now_ms: int) -> None:
        """Let market time pass."""
        if now_ms > self.now_ms:
            self.now_ms = now_ms
            self._liquidated.advance(now_ms // 1000)
            self._prices.advance(now_ms)

    @property
    def reference(self) -> str | None:
        """The instrument whose price is the coin's."""
        return self._reference

    @property
    def price(self) -> float | None:
        """Of the reference instrument, quote per base."""
        return None if self._reference is None else self._instruments[self._reference].price

    def values(self) -> dict[str, Value]:
        """Every measure now."""
        found: dict[str, Value] = {"coin": self.coin, "symbol": self.coin}
        watched_s = -1.0 if self._watched_ms is None else (self.now_ms - self._watched_ms) / 1e3
        for name, window, side, is_usd in _FLOWS:
            read = self._liquidated.usd if is_usd else self._liquidated.events
            found[name] = float(read(window, side)) if watched_s >= WINDOWS[window] else None
        largest = self._liquidated.largest("5m")
        is_known = watched_s >= WINDOWS["5m"]
        found["largest_liq_usd_5m"] = (largest[0] if largest else 0.0) if is_known else None
        price = self.price
        for name, length_ms in _MOVES:
            before = self._prices.ago(length_ms)
            found[name] = None if before is None or price is None else (price / before - 1.0) * 100.0
        found["price"] = price
        found["feed_age_s"] = (self.now_ms - self._heard_ms) / 1e3 if self._heard_ms else None
        found |= self._holdings()
        found |= self._modelled(price)
        return found

    def facts(self) -> AlertFacts:
        """What a message tells beside them."""
        largest, price = self._liquidated.largest("5m"), self.price
        before = self._prices.ago(300_000)
        move = None if before is None or price is None else (price / before - 1.0) * 100.0
        above, below = self._nearest(price)
        ahead = (above, below) if (move or 0.0) > 0.0 else (below, above)
        return AlertFacts(
            price=price,
            move_pct=move,
            largest_usd=None if largest is None else largest[0],
            largest_venue=None if largest is None else largest[1],
            cluster=ahead[0] or ahead[1],
            age_ms=self.now_ms - self._heard_ms if self._heard_ms else None,
        )

    def _hear(self, at_ms: int) -> None:
        if self._heard_ms and at_ms < self._heard_ms - _ANOTHER_MS:
            self.forget()
        self._heard_ms = max(self._heard_ms, at_ms)
        self.advance(at_ms)

    def _choose(self) -> None:
        """The price is that of the instrument with most open interest; another's only when it falls silent."""
        chosen = None if self._reference is None else self._instruments[self._reference]
        if chosen is not None and chosen.usd is not None and self.now_ms - chosen.at_ms <= _SILENT_MS:
            return
        priced = {name: each for name, each in self._instruments.items() if each.price is not None}
        lively = {name: each for name, each in priced.items() if self.now_ms - each.at_ms <= _SILENT_MS}
        if lively:
            best = max(lively, key=lambda name: (lively[name].usd or 0.0, name))
            self._prices = self._prices if best == self._reference else History(_PRICE_MS)
            self._reference = best

    def _holdings(self) -> dict[str, Value]:
        """Open interest, its change, and funding."""
        held = [(each, usd) for each in self._instruments.values() if (usd := each.usd) is not None]
        paid = [(each.funding_8h, usd) for each, usd in held if each.funding_8h is not None]
        weight = sum(usd for _, usd in paid)
        now = then = 0.0
        for each, usd in held:
            each.interests.advance(self.now_ms)
            before = each.interests.ago(3_600_000)
            if before is not None and each.price is not None:
                now, then = now + usd, then + before * each.price
        return {
            "oi_usd": sum(usd for _, usd in held) if held else None,
            "oi_change_pct_1h": (now / then - 1.0) * 100.0 if then > 0.0 else None,
            "funding_8h_pct": sum(rate * usd for rate, usd in paid) / weight * 100.0 if weight > 0.0 else None,
        }

    def _modelled(self, price: float | None) -> dict[str, Value]:
        names = ("pull", "sentiment", "risk", "cascade")
        model = self._model
        clusters = ("cluster_above_pct", "cluster_above_usd", "cluster_below_pct", "cluster_below_usd")
        found: dict[str, Value] = dict.fromkeys((*names, *clusters))
        if model is None or self.now_ms > model.until_ms:
            return found
        found |= {"pull": model.pull, "sentiment": model.sentiment, "risk": model.risk}
        found["cascade"] = None if model.cascade is None else float(model.cascade)
        for prefix, cluster in zip(("cluster_above", "cluster_below"), self._nearest(price), strict=True):
            if cluster is not None:
                found[f"{prefix}_pct"], found[f"{prefix}_usd"] = abs(cluster.distance_pct), cluster.usd
        return found

    def _nearest(self, price: float | None) -> tuple[Cluster | None, Cluster | None]:
        """The clusters next above and below the price as it is now."""
        model = self._model
        if model is None or price is None or self.now_ms > model.until_ms:
            return None, None
        moved = [
            msgspec.structs.replace(each, distance_pct=(each.price / price - 1.0) * 100.0) for each in model.clusters
        ]
        above = [each for each in moved if each.side == "short" and each.distance_pct > 0.0]
        below = [each for each in moved if each.side == "long" and each.distance_pct < 0.0]
        return (
            min(above, key=lambda each: each.distance_pct, default=None),
            max(below, key=lambda each: each.distance_pct, default=None),
        )
