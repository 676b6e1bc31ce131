"""The rules of a configuration: those that come with perpscope and those of `[alert.NAME]`, read and checked.

A table of a shipped rule's name changes what it names and leaves the rest: `[alert.price-shock] enabled = false`.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from perpscope.analytics.alerts.rules import NAME, Rule, RuleSettings, Wrong, compiled
from perpscope.analytics.alerts.shipped import SHIPPED
from perpscope.config import convert, nearest
from perpscope.errors import ConfigError
from perpscope.settings import Settings, Table

_NAME: Final = re.compile(NAME)


def rules_of(settings: Settings) -> list[Rule]:
    """Every rule that is enabled: the shipped ones first, then the user's own in the order of their file.

    Raises:
        ConfigError: a rule cannot be read ("alert-rule", "alert-expression", "config-unknown-key", "config-value").
    """
    found = []
    for name, table in _tables(settings).items():
        shipped = SHIPPED.get(name)
        rule = _rule(name, table, shipped)
        if rule.settings.enabled and (shipped is None or settings.alerts.defaults or name in settings.alert):
            found.append(rule)
    return found


def named(rules: list[Rule], name: str) -> Rule:
    """The rule of a name.

    Raises:
        ConfigError: there is none ("alert-rule").
    """
    for rule in rules:
        if rule.name == name:
            return rule
    like = nearest(name, [rule.name for rule in rules])
    names = ", ".join(rule.name for rule in rules)
    hint = f"did you mean {like!r}?" if like else f"there are {names}" if names else "write one: [alert.NAME]"
    raise ConfigError("alert-rule", f"there is no alert rule {name!r}", hint=hint)


def _tables(settings: Settings) -> Mapping[str, Table]:
    return {**{name: {} for name in SHIPPED}, **settings.alert}


def _rule(name: str, table: Table, shipped: RuleSettings | None) -> Rule:
    where = f"alert.{name}"
    if not _NAME.match(name):
        raise ConfigError("alert-rule", f"{where}: a rule's name is of a–z, 0–9 and -, 40 at most", hint="[alert.big]")
    given: Table = {} if shipped is None else msgspec.to_builtins(shipped)
    found = convert({**given, **table}, RuleSettings, where)
    if not found.when:
        raise ConfigError("alert-rule", f"{where} has no `when`", hint='when = "liq_usd_5m > 5M"')
    try:
        return compiled(name, found, is_shipped=shipped is not None)
    except Wrong as wrong:
        mistake = wrong.mistake
        place = f" (letter {mistake.at + 1})"
        raise ConfigError(
            "alert-expression",
            f"{where}.{wrong.field}: {mistake.what}{place}\n{wrong.pointed}",
            hint=mistake.hint or "docs/alerts.md lists what an expression may name",
        ) from None
