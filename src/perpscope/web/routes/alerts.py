"""`/api/v1/alerts`: the rules, how they stand and what they have been worth; what was raised, and who was told."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta as About

from perpscope.app.alerts.answer import AlertTold, Asked, RuleTold, Watcher, read_alerts
from perpscope.stores.alert_log import LoggedDelivery
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources

RuleName: TypeAlias = Annotated[
    str, About(min_length=1, max_length=40, pattern="^[a-z0-9-]+$", description="a rule's name", examples=["cascade"])
]


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts; rules are always all told."""

    rule: Annotated[RuleName | None, About(description="alerts of this rule; none = all")] = None
    coin: Annotated[Symbol | None, About(description="alerts about this coin; none = all")] = None
    limit: Annotated[int, About(ge=1, le=200, description="alerts, and messages, at most")] = 50


class AlertsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, alerts and messages."""

    is_enabled: bool
    watcher: Annotated[Watcher | None, About(description="the process that watches; null = none has yet")]
    rules: list[RuleTold]
    alerts: Annotated[list[AlertTold], About(description="newest first, each in its newest phase")]
    deliveries: Annotated[list[LoggedDelivery], About(description="messages, newest first")]
    meta: Meta


def make(sources: Sources, asked: AlertsQuery) -> AlertsBody:
    """What the log beside the store says."""
    coin = None if asked.coin is None else asked.coin.upper()
    found = read_alerts(sources.home(), sources.settings, Asked(rule=asked.rule, coin=coin, limit=asked.limit))
    at_ms = None if found.watcher is None else found.watcher.market_ms
    return AlertsBody(
        is_enabled=found.is_enabled,
        watcher=found.watcher,
        rules=found.rules,
        alerts=found.alerts,
        deliveries=found.deliveries,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=at_ms,
            warming_up=found.watcher is None,
            notes=found.notes,
        ),
    )


ENDPOINTS = (
    Endpoint(
        name="alerts",
        paths=("/api/v1/alerts",),
        tag="alerts",
        summary="Alert rules with their state and score, recent alerts, and messages sent",
        query=AlertsQuery,
        body=AlertsBody,
        make=make,
        fresh_s=2.0,
    ),
)
