"""A rule, and where it stands for a coin: quiet, waiting for its time, raised, or cooling down.

In: what the author wrote, then the measures of a coin at moments of market time. Out: alerts. The same moments give the
same alerts with the same ids, wherever the state was kept in between: a restart raises nothing twice.
"""

import enum
import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from perpscope.analytics.alerts import outcomes
from perpscope.analytics.alerts.alert import Alert, AlertFacts, Data, Phase, Severity, Side
from perpscope.analytics.alerts.expression import Node, Not, Value, names, softened, truth
from perpscope.analytics.alerts.grammar import Mistake, parse
from perpscope.analytics.alerts.measures import MEASURES, UNITS
from perpscope.analytics.alerts.outcomes import Expectation

#: A burst is told again when its measure grew by so much, and not oftener than so (chosen by hand).
_GREW: Final = 1.25
APART_MS: Final = 15_000
_MOSTLY: Final = 2.0
NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[alert.NAME]`."""

    when: Annotated[str, Meta(description="the condition, of the measures below")] = ""
    title: Annotated[
        str, Meta(max_length=80, description="what the message says first; empty = made of the measure")
    ] = ""
    coins: Annotated[tuple[str, ...], Meta(description="coins it watches; empty = all that are watched")] = ()
    severity: Annotated[
        Severity, Meta(description="info = without a sound, warning, critical = with a sound in quiet hours too")
    ] = Severity.WARNING
    lasts_s: Annotated[float, Meta(ge=0, le=86_400, description="market seconds it must hold without a break")] = 0.0
    clear_factor: Annotated[
        float, Meta(gt=0, le=1, description="over when it no longer holds with every bound eased to this share")
    ] = 0.8
    clear_when: Annotated[str, Meta(description="over when this holds; empty = by `clear_factor`")] = ""
    cool_down_s: Annotated[
        float, Meta(ge=0, le=604_800, description="market seconds after its end in which it goes on as the same alert")
    ] = 600.0
    expects: Annotated[
        str, Meta(description='what it is to precede, e.g. "move_pct >= 1 in 15m"; empty = no score is kept')
    ] = ""
    mute_bad: Annotated[bool, Meta(description="mute it when its score is worse than chance")] = True
    enabled: Annotated[bool, Meta(description="false = it is not watched")] = True


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, read and checked."""

    name: str
    settings: RuleSettings
    when: Node
    clear: Node  #: the alert is over when this holds
    measure: str  #: the first it names, which messages lead with
    needs: tuple[str, ...]  #: measures it names, in order
    expects: Expectation | None
    is_shipped: bool = False  #: it came with perpscope

    @property
    def mark(self) -> str:
        """Changes when what it watches, or what it is scored by, does."""
        of = self.settings
        figures = repr((of.lasts_s, of.clear_factor, of.cool_down_s, of.coins))
        text = "\n".join((self.name, of.when, of.clear_when, figures, of.expects))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def watches(self, coin: str) -> bool:
        """Whether it is about a coin."""
        return not self.settings.coins or coin.upper() in {each.upper() for each in self.settings.coins}


class Wrong(ValueError):
    """A rule that cannot be read: which of its texts, what is wrong, and where."""

    def __init__(self, field: str, text: str, mistake: Mistake) -> None:
        super().__init__(mistake.what)
        self.field = field
        self.text = text
        self.mistake = mistake

    @property
    def pointed(self) -> str:
        """The text, and a mark under the place."""
        start = max(0, self.mistake.at - 60)
        shown = self.text[start : start + 100]
        return f"{shown}\n{' ' * (self.mistake.at - start)}^"


def compiled(name: str, settings: RuleSettings, *, is_shipped: bool = False) -> Rule:
    """Read a rule.

    Raises:
        Wrong: one of its expressions means nothing.
    """
    when = _read("when", settings.when)
    eased = Not(softened(when, settings.clear_factor))
    clear = _read("clear_when", settings.clear_when) if settings.clear_when else eased
    needs = tuple(dict.fromkeys(each for each in names(when) if UNITS[each] != "text"))
    if not needs:
        raise Wrong("when", settings.when, Mistake("it names no measure", 0, "e.g. `liq_usd_5m > 5M`"))
    return Rule(
        name=name,
        settings=settings,
        when=when,
        clear=clear,
        measure=needs[0],
        needs=needs,
        expects=_expectation(settings.expects),
        is_shipped=is_shipped,
    )


def _read(field: str, text: str) -> Node:
    try:
        return parse(text, UNITS)
    except Mistake as mistake:
        raise Wrong(field, text, mistake) from None


def _expectation(text: str) -> Expectation | None:
    try:
        return outcomes.read(text) if text else None
    except Mistake as mistake:
        raise Wrong("expects", text, mistake) from None


class Stage(enum.Enum):
    """Where a rule stands for a coin."""

    QUIET = "quiet"
    WAITING = "waiting"  #: something it needs is not known
    PENDING = "pending"  #: it holds, and not yet for long enough
    RAISED = "raised"
    COOLING = "cooling"  #: over; a new burst goes on as the same alert


class State(msgspec.Struct, kw_only=True):
    """What is remembered of a rule and a coin, across restarts too."""

    stage: Stage = Stage.QUIET
    since_ms: int = 0  #: of the stage, market time
    holds_ms: int = 0  #: since when the condition has held without a break; 0 = it does not
    started_ms: int = 0  #: of the alert it raised last; 0 = none yet
    told_ms: int = 0  #: of that alert's last message
    told: float | None = None  #: the measure as it was told last
    peak: float | None = None  #: farthest from 0 since it was raised
    updates: int = 0
    unknown: tuple[str, ...] = ()  #: what it waits for


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule is stepped with."""

    coin: str
    now_ms: int
    values: Mapping[str, Value]
    facts: Callable[[], AlertFacts] = AlertFacts  #: asked only where there is something to tell
    data: Data = "observed"
    is_quiet: bool = False  #: quiet hours
    apart_ms: int = APART_MS  #: market time between two messages about one burst


def step(rule: Rule, state: State, moment: Moment) -> Alert | None:
    """Take a rule one moment on; what is to be told, if anything.

    Args:
        rule: which.
        state: of the rule and the moment's coin; changed in place. Market time that goes back changes nothing.
        moment: now.
    """
    now = moment.now_ms
    if now < max(state.since_ms, state.told_ms):
        return None
    holds = truth(rule.when, moment.values)
    state.unknown = unknown(rule, moment.values) if holds is None else ()
    state.holds_ms = (state.holds_ms or now) if holds else 0
    if state.stage is Stage.RAISED:
        return _go_on(rule, state, moment)
    if state.stage is Stage.COOLING and now - state.since_ms > rule.settings.cool_down_s * 1e3:
        _enter(state, Stage.QUIET, now)
    if holds and now - state.holds_ms >= rule.settings.lasts_s * 1e3:
        return _raise(rule, state, moment)
    if state.stage is not Stage.COOLING:
        _enter(state, Stage.PENDING if holds else Stage.WAITING if holds is None else Stage.QUIET, now)
    return None


def unknown(rule: Rule, values: Mapping[str, Value]) -> tuple[str, ...]:
    """Measures a rule names that are not known."""
    return tuple(name for name in rule.needs if values.get(name) is None)


def alert_id(rule: str, coin: str, started_ms: int) -> str:
    """The same for the same start, wherever it is reckoned."""
    return f"{rule}:{coin}:{started_ms}"


def side_of(measure: str, values: Mapping[str, Value]) -> Side | None:
    """Whose positions a measure is about, or whose are two thirds of it.

    >>> side_of("short_liq_usd_5m", {})
    'short'
    >>> side_of("liq_usd_5m", {"long_liq_usd_5m": 6e6, "short_liq_usd_5m": 1e6})
    'long'
    """
    named = MEASURES[measure].side
    long, short = values.get(f"long_{measure}"), values.get(f"short_{measure}")
    if named is not None or not isinstance(long, float) or not isinstance(short, float):
        return named
    return "long" if long > _MOSTLY * short else "short" if short > _MOSTLY * long else None


def _raise(rule: Rule, state: State, moment: Moment) -> Alert:
    """A new alert, or the one that had just ended goes on."""
    again = state.stage is Stage.COOLING
    value = _leading(rule, moment)
    if not again:
        state.started_ms, state.updates, state.peak = moment.now_ms, 0, value
    _enter(state, Stage.RAISED, moment.now_ms)
    return _told(rule, state, moment, Phase.UPDATED if again else Phase.RAISED)


def _go_on(rule: Rule, state: State, moment: Moment) -> Alert | None:
    """It is over, or it has grown, or there is nothing new."""
    if truth(rule.clear, moment.values):
        _enter(state, Stage.COOLING, moment.now_ms)
        return _told(rule, state, moment, Phase.CLEARED)
    value = _leading(rule, moment)
    state.peak = _farther(state.peak, value)
    grew = value is not None and abs(value) >= _GREW * abs(state.told or 0.0) and value == state.peak
    if grew and value != state.told and moment.now_ms - state.told_ms >= moment.apart_ms:
        return _told(rule, state, moment, Phase.UPDATED)
    return None


def _told(rule: Rule, state: State, moment: Moment, phase: Phase) -> Alert:
    """The alert as it is to be told now."""
    value = _leading(rule, moment)
    state.peak = _farther(state.peak, value)
    state.updates += phase is Phase.UPDATED
    state.told_ms, state.told = moment.now_ms, state.peak if phase is Phase.CLEARED else value
    severity = rule.settings.severity
    shown = (*rule.needs, f"long_{rule.measure}", f"short_{rule.measure}")
    known = ((name, moment.values.get(name)) for name in shown)
    return Alert(
        id=alert_id(rule.name, moment.coin, state.started_ms),
        rule=rule.name,
        title=rule.settings.title,
        when=rule.settings.when,
        coin=moment.coin,
        at_ms=moment.now_ms,
        started_ms=state.started_ms,
        severity=severity,
        phase=phase,
        measure=rule.measure,
        side=side_of(rule.measure, moment.values),
        values={name: value for name, value in known if isinstance(value, float)},
        peak=state.peak,
        updates=state.updates,
        data=moment.data,
        facts=moment.facts(),
        record=None,
        is_silent=severity is Severity.INFO or (moment.is_quiet and severity is not Severity.CRITICAL),
        link=f"/map?coin={moment.coin}",
    )


def _leading(rule: Rule, moment: Moment) -> float | None:
    value = moment.values.get(rule.measure)
    return value if isinstance(value, float) else None


def _farther(one: float | None, other: float | None) -> float | None:
    """Whichever is farther from 0; the known one where one is not."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other, key=abs)


def _enter(state: State, stage: Stage, now_ms: int) -> None:
    if state.stage is not stage:
        state.stage, state.since_ms = stage, now_ms
