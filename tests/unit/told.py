"""Alerts and sayings as a rule would make them, for tests of what becomes of them."""

from msgspec.structs import replace

from perpscope.analytics.alerts.alert import Alert, AlertFacts, Cluster, Phase, Record, Severity
from perpscope.analytics.alerts.saying import Back, Saying, Silent

#: 2026-11-20 09:02:14 UTC.
AT_MS = 1_795_165_334_000
RECORD = Record(verdict="better", n=48, hits=30, chance=0.41, lead_s=190.0)
ALERT = Alert(
    id=f"big-liq:BTC:{AT_MS}",
    rule="big-liq",
    title="",
    when="long_liq_usd_5m > 5e6",
    coin="BTC",
    at_ms=AT_MS,
    started_ms=AT_MS,
    severity=Severity.WARNING,
    phase=Phase.RAISED,
    measure="long_liq_usd_5m",
    side="long",
    values={"long_liq_usd_5m": 6_200_000.0},
    peak=6_200_000.0,
    updates=0,
    data="observed",
    facts=AlertFacts(
        price=64_120.0,
        move_pct=-1.4,
        largest_usd=819_000.0,
        largest_venue="bybit",
        cluster=Cluster(price=62_528.0, usd=86.7e6, distance_pct=-2.48, side="long"),
        age_ms=1_000,
    ),
    record=None,
    is_silent=False,
    link="/map?coin=BTC",
)


def alert(**changes: object) -> Alert:
    """The sample, changed; another start or rule makes another alert."""
    made = replace(ALERT, **changes)
    return made if "id" in changes else replace(made, id=f"{made.rule}:{made.coin}:{made.started_ms}")


def grown(of: Alert, usd: float, updates: int = 1) -> Alert:
    """The same burst, larger."""
    values = {of.measure: usd}
    return replace(of, phase=Phase.UPDATED, values=values, peak=usd, updates=updates, at_ms=of.at_ms + 15_000)


def cleared(of: Alert, after_s: float = 240.0) -> Alert:
    """The same alert, over."""
    return replace(of, phase=Phase.CLEARED, values={of.measure: 0.0}, at_ms=of.at_ms + round(after_s * 1e3))


def silence(silent_s: float = 74.0) -> Saying:
    """A feed of OKX that has fallen silent."""
    told = Silent(silent_s=silent_s, venue="okx", channel="liquidations", why="stale")
    return Saying(id=f"silent:{told.venue}:{AT_MS}", at_ms=AT_MS, told=told, data="observed", kind="silent")


def recovery(of: Saying, silent_s: float = 130.0, gaps: int = 3) -> Saying:
    """It is back."""
    assert isinstance(of.told, Silent)
    told = Back(silent_s=silent_s, gaps=gaps, venue=of.told.venue, channel=of.told.channel)
    name = of.id.replace("silent", "back")
    return Saying(id=name, at_ms=AT_MS + 130_000, told=told, data=of.data, edits=of.id, kind="back")
