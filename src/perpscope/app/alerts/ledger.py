"""What the watcher writes down and finds again: alerts, deliveries, mutes and where everything stood.

In: calls from one thread at a time. Out: rows of the log beside the store. What cannot be written is told and tried
again: alerts go out whatever the disk does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.rules import alert_id
from perpscope.analytics.alerts.score import Outcome
from perpscope.analytics.alerts.watch import Kept
from perpscope.app.alerts import silence, standing, trades
from perpscope.app.alerts.silence import Silence
from perpscope.app.alerts.sink import Delivery
from perpscope.app.alerts.standing import Standing
from perpscope.app.alerts.trades import TradesTold
from perpscope.feeds.clock import wall_ns
from perpscope.stores.alert_log import AlertLog, LoggedAlert, LoggedDelivery, Mute, MuteKind

T = TypeVar("T")
_KEPT, _DIGEST = "kept", "digest"
_DAY_MS: Final = 86_400_000
#: Messages that sinks are reminded of after a restart.
_RECALLED: Final = 200


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier life left."""

    kept: Kept
    silences: dict[str, Silence]
    digest: str  #: the day that was told last
    told: frozenset[str]  #: ids of alerts that went out
    deliveries: list[Delivery]  #: newest last
    critical: list[tuple[int, Alert]]  #: of the last day, that were to go out, oldest first, and when they were written


class Ledger:
    """The log of one store's alerts, as its watcher writes it.

    Args:
        store: which.
    """

    def __init__(self, store: Path) -> None:
        self._log = AlertLog.open(store)

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()

    def remembered(self) -> Remembered:
        """Everything of an earlier life; what another version of perpscope wrote is left out."""
        logged = self._log.alerts(_RECALLED)
        return Remembered(
            kept=self._decoded(_KEPT, Kept) or Kept(),
            silences=self._decoded(silence.NAME, dict[str, Silence]) or {},
            digest=self._decoded(_DIGEST, str) or "",
            told=frozenset(row.id for row in logged if row.held_back is None),
            deliveries=[
                msgspec.convert(msgspec.to_builtins(row), Delivery) for row in reversed(self._log.deliveries(_RECALLED))
            ],
            critical=[found for row in reversed(logged) if (found := _critical(row)) is not None],
        )

    def alerts(self, found: Sequence[tuple[Alert, str | None]], kept: bytes) -> None:
        """Alerts with why they are held back (None = they go out), and the states they leave, whole or not at all."""
        with self._log.together():
            for alert, held_back in found:
                row = LoggedAlert(
                    id=alert.id,
                    rule=alert.rule,
                    coin=alert.coin,
                    started_ms=alert.started_ms,
                    at_ms=alert.at_ms,
                    phase=alert.phase.value,
                    severity=alert.severity.value,
                    held_back=held_back,
                    hit=None,
                    lead_s=None,
                    is_judged=False,
                    logged_ms=_now_ms(),
                    body=msgspec.json.encode(alert),
                )
                self._log.put_alert(row)
            self._log.put(_KEPT, kept)

    def delivered(self, delivery: Delivery) -> None:
        """What became of a message."""
        self._log.put_delivery(msgspec.convert(msgspec.to_builtins(delivery), LoggedDelivery))

    def judged(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """What became of what alerts were to precede."""
        with self._log.together():
            for rule, outcome in outcomes:
                self._log.judge(alert_id(rule, outcome.coin, outcome.at_ms), outcome.hit, outcome.lead_s)

    def keep(self, kept: bytes, silences: bytes, digest: str) -> None:
        """Everything that a restart takes up."""
        with self._log.together():
            self._log.put(_KEPT, kept)
            self._log.put(silence.NAME, silences)
            self._log.put(_DIGEST, msgspec.msgpack.encode(digest))

    def trades_told(self) -> TradesTold | None:
        """What was told of trading; None = nothing yet."""
        return self._decoded(trades.NAME, TradesTold)

    def keep_trades(self, told: bytes) -> None:
        """What was told of trading, so that a restart does not tell it again."""
        self._log.put(trades.NAME, told)

    def stands(self, found: Standing) -> None:
        """How everything stands, for whoever reads."""
        self._log.put(standing.NAME, msgspec.json.encode(found))

    def mutes(self) -> list[Mute]:
        """All of them."""
        return self._log.mutes()

    def mute(self, rule: str, kind: MuteKind, until_ms: int | None) -> None:
        """Hold a rule back, or let it be heard."""
        self._log.mute(Mute(rule=rule, kind=kind, until_ms=until_ms, at_ms=_now_ms()))

    def unmute(self, rule: str, kind: MuteKind) -> None:
        """Take that back."""
        self._log.unmute(rule, kind)

    def counts(self, since_ms: int) -> dict[str, tuple[int, int]]:
        """Alerts by rule since a moment of market time: all, and those nobody was told of."""
        return self._log.counts(since_ms)

    def drop(self, days: int, market_ms: int) -> None:
        """Let go of what is older."""
        self._log.drop_before(market_ms - days * _DAY_MS, _now_ms() - days * _DAY_MS)

    def _decoded(self, name: str, kind: type[T]) -> T | None:
        body = self._log.get(name)
        try:
            return None if body is None else msgspec.msgpack.decode(body, type=kind)
        except msgspec.MsgspecError:
            return None


def _critical(row: LoggedAlert) -> tuple[int, Alert] | None:
    """An alert that nobody may miss, while it is young; None for any other."""
    if row.severity != "critical" or row.held_back is not None or row.logged_ms < _now_ms() - _DAY_MS:
        return None
    try:
        return row.logged_ms, msgspec.json.decode(row.body, type=Alert)
    except msgspec.MsgspecError:  # of another version
        return None


def _now_ms() -> int:
    return wall_ns() // 1_000_000
