"""What people may do to alerts from a chat, a command or a page: mute a rule, or let it be heard again.

It is written into the log beside the store; whoever watches reads it within seconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from perpscope.analytics.alerts.rules import Rule
from perpscope.app.alerts.loading import named
from perpscope.feeds.clock import wall_ns
from perpscope.stores.alert_log import AlertLog, Mute

ALL: Final = "*"


class LogControls:
    """Controls of one store's alerts.

    Args:
        store: which.
        rules: that there are.
    """

    def __init__(self, store: Path, rules: Sequence[Rule]) -> None:
        self._store = store
        self._rules = list(rules)

    def mute(self, rule: str, seconds: float) -> int:
        """Hold a rule back ("*" = all) for so many real seconds; until when, ms UTC.

        Raises:
            ConfigError: there is no such rule ("alert-rule").
            StoreError: the log cannot be written.
        """
        self._check(rule)
        now_ms = wall_ns() // 1_000_000
        until_ms = now_ms + round(seconds * 1e3)
        with AlertLog.open(self._store) as log:
            log.mute(Mute(rule=rule, kind="user", until_ms=until_ms, at_ms=now_ms))
            log.unmute(rule, "heard")
        return until_ms

    def unmute(self, rule: str) -> None:
        """Let a rule be heard again, whatever its score says. Raises as `mute`."""
        self._check(rule)
        now_ms = wall_ns() // 1_000_000
        with AlertLog.open(self._store) as log:
            log.unmute(rule, "user")
            for each in self.rules() if rule == ALL else [rule]:
                log.mute(Mute(rule=each, kind="heard", until_ms=None, at_ms=now_ms))

    def rules(self) -> Sequence[str]:
        """Names of all rules."""
        return [rule.name for rule in self._rules]

    def _check(self, rule: str) -> None:
        if rule != ALL:
            named(self._rules, rule)
