"""The rules that come with perpscope: few, without figures of one coin, each with what it is meant to precede.

Their bounds were chosen by hand; what they have been worth on real months stands in docs/alerts.md, as it came out.
"""

from collections.abc import Mapping
from typing import Final

from perpscope.analytics.alerts.alert import Severity
from perpscope.analytics.alerts.rules import RuleSettings

SHIPPED: Final[Mapping[str, RuleSettings]] = {
    "liquidation-burst": RuleSettings(
        when="liq_usd_5m > $250k and liq_usd_5m / oi_usd > 0.0003",
        title="",
        cool_down_s=900.0,
        expects="move_pct >= 0.5 in 1h",
    ),
    "cascade": RuleSettings(
        when="cascade == 1",
        title="Cascade",
        severity=Severity.CRITICAL,
        cool_down_s=1800.0,
        expects="move_pct >= 1 in 1h",
    ),
    "price-shock": RuleSettings(
        when="abs(price_change_pct_5m) > 1.5",
        title="Price shock",
        cool_down_s=1800.0,
        expects="move_pct >= 1 in 1h",
    ),
    "open-interest-flush": RuleSettings(
        when="oi_change_pct_1h < -3",
        title="Open interest falls",
        cool_down_s=3600.0,
        expects="move_pct >= 1 in 1h",
    ),
    "near-long-cluster": RuleSettings(
        when="cluster_below_pct < 0.4 and cluster_below_usd / oi_usd > 0.005",
        title="Close to a cluster of longs",
        severity=Severity.INFO,
        lasts_s=60.0,
        cool_down_s=3600.0,
        clear_factor=0.6,
        expects="fall_pct >= 0.4 in 1h",
    ),
    "near-short-cluster": RuleSettings(
        when="cluster_above_pct < 0.4 and cluster_above_usd / oi_usd > 0.005",
        title="Close to a cluster of shorts",
        severity=Severity.INFO,
        lasts_s=60.0,
        cool_down_s=3600.0,
        clear_factor=0.6,
        expects="rise_pct >= 0.4 in 1h",
    ),
    "funding-extreme": RuleSettings(
        when="abs(funding_8h_pct) > 0.1",
        title="Funding is extreme",
        severity=Severity.INFO,
        lasts_s=600.0,
        cool_down_s=14_400.0,
        expects="move_pct >= 1 in 4h",
    ),
}
