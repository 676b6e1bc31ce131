"""Rules over time: rising edges, durations, cool-down, hysteresis, bursts, silence, and one id for one alert."""

from collections.abc import Sequence

import msgspec
import pytest

from perpscope.analytics.alerts.alert import Alert, Phase, Severity
from perpscope.analytics.alerts.expression import Value
from perpscope.analytics.alerts.rules import Moment, Rule, RuleSettings, Stage, State, Wrong, compiled, side_of, step
from perpscope.analytics.alerts.shipped import SHIPPED

T = 1_800_000_000_000


def rule(when: str = "liq_usd_5m > 100", **more: object) -> Rule:
    """A rule of one condition."""
    return compiled("big", msgspec.convert({"when": when, "cool_down_s": 60.0, **more}, RuleSettings))


def lived(of: Rule, values: Sequence[float | None], state: State | None = None, every_ms: int = 10_000) -> list[Alert]:
    """What a rule tells of one measure that changes every ten seconds."""
    state = State() if state is None else state
    told = []
    for at, value in enumerate(values):
        known = None if value is None else float(value)
        moment = Moment(coin="BTC", now_ms=T + at * every_ms, values={of.measure: known, "coin": "BTC"})
        alert = step(of, state, moment)
        if alert is not None:
            told.append(alert)
    return told


def phases(told: Sequence[Alert]) -> list[str]:
    """Phases in order, with the seconds they came at."""
    return [f"{each.phase.value} {(each.at_ms - T) // 1000}" for each in told]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 200, 200, 200], ["raised 10"]),
        ([0, 200, 90, 85, 200], ["raised 10"]),
        ([0, 200, 70, 0], ["raised 10", "cleared 20"]),
        ([0, 200, 70, 200, 70], ["raised 10", "cleared 20", "updated 30", "cleared 40"]),
        ([0, 200, 70, 0, 0, 0, 0, 0, 0, 0, 200], ["raised 10", "cleared 20", "raised 100"]),
        ([0, 200, 240, 260, 300, 400, 400], ["raised 10", "updated 30", "updated 50"]),
        ([None, None, 200, None, None, 70], ["raised 20", "cleared 50"]),
        ([200], ["raised 0"]),
    ],
    ids=["once", "hysteresis", "over", "burst", "cool-down over", "grows", "unknown", "at once"],
)
def test_a_rule_tells_an_alert_once(values: list[float | None], expected: list[str]) -> None:
    """One burst is one alert: raised, told again as it grows, taken back; it goes on where it comes again soon."""
    assert phases(lived(rule(), values)) == expected


def test_one_alert_keeps_its_id_through_its_phases() -> None:
    """The message of a burst can be edited, whatever becomes of it."""
    told = lived(rule(), [0, 200, 70, 200, 70])
    assert {each.id for each in told} == {f"big:BTC:{T + 10_000}"}
    assert [each.updates for each in told] == [0, 0, 1, 1]
    assert told[-1].peak == 200


def test_it_must_hold_without_a_break() -> None:
    """`lasts_s` counts from the newest moment at which the condition began to hold."""
    of = rule(lasts_s=30.0)
    assert phases(lived(of, [0, 200, 200, 0, 200, 200, 200, 200])) == ["raised 70"]
    state = State()
    assert lived(of, [0, 200, 200], state) == []
    assert state.stage is Stage.PENDING


def test_a_restart_tells_nothing_twice() -> None:
    """The state that was kept goes on: no second alert, and the end of it is told under its id."""
    state = State()
    first = lived(rule(), [0, 200], state)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
    rest = []
    for at, value in ((3, 200.0), (4, 10.0)):
        moment = Moment(coin="BTC", now_ms=T + at * 10_000, values={"liq_usd_5m": value})
        rest.append(step(rule(), kept, moment))
    assert rest[0] is None
    assert rest[1] is not None
    assert (rest[1].phase, rest[1].id) == (Phase.CLEARED, first[0].id)


def test_time_that_goes_back_changes_nothing() -> None:
    """A late or repeated moment raises nothing and clears nothing."""
    state = State()
    lived(rule(), [0, 0, 0, 200], state)
    before = msgspec.structs.replace(state)
    assert step(rule(), state, Moment(coin="BTC", now_ms=T + 20_000, values={"liq_usd_5m": 0.0})) is None
    assert state == before


def test_a_rule_says_what_it_waits_for() -> None:
    """An unknown measure never raises; it is named."""
    state = State()
    assert lived(rule("liq_usd_5m > 100 and oi_usd > 5"), [200, 200], state) == []
    assert (state.stage, state.unknown) == (Stage.WAITING, ("oi_usd",))
    assert lived(rule("liq_usd_5m > 100 and oi_usd > 5"), [0], state) == []
    assert state.stage is Stage.QUIET


def test_its_own_end_where_it_has_one() -> None:
    """`clear_when` takes the place of the eased condition."""
    assert phases(lived(rule(clear_when="liq_usd_5m < 10"), [200, 50, 5])) == ["raised 0", "cleared 20"]


@pytest.mark.parametrize(
    ("severity", "is_quiet", "is_silent"),
    [("info", False, True), ("warning", False, False), ("warning", True, True), ("critical", True, False)],
)
def test_quiet_hours_and_severity_decide_the_sound(severity: str, is_quiet: bool, is_silent: bool) -> None:
    """At night a warning makes no sound and a critical one does."""
    moment = Moment(coin="BTC", now_ms=T, values={"liq_usd_5m": 200.0}, is_quiet=is_quiet)
    alert = step(rule(severity=severity), State(), moment)
    assert alert is not None
    assert (alert.is_silent, alert.severity) == (is_silent, Severity(severity))


def test_an_alert_carries_what_it_stands_on() -> None:
    """The measures it names, both sides of the first, whose positions, and where to look."""
    values: dict[str, Value] = {
        "liq_usd_5m": 200.0,
        "long_liq_usd_5m": 180.0,
        "short_liq_usd_5m": 20.0,
        "oi_usd": 9.0,
        "coin": "BTC",
    }
    of = rule("liq_usd_5m > 100 and oi_usd > 1 and coin == 'BTC'", title="Big")
    alert = step(of, State(), Moment(coin="BTC", now_ms=T, values=values, data="demo"))
    assert alert is not None
    assert alert.values == {name: value for name, value in values.items() if name != "coin"}
    assert (alert.side, alert.title, alert.link, alert.data) == ("long", "Big", "/map?coin=BTC", "demo")


@pytest.mark.parametrize(
    ("long", "short", "expected"), [(10.0, 3.0, "long"), (3.0, 10.0, "short"), (10.0, 6.0, None), (None, 1.0, None)]
)
def test_the_side_is_that_of_two_thirds(long: float | None, short: float, expected: str | None) -> None:
    """A burst of both sides is about neither."""
    assert side_of("liq_usd_5m", {"long_liq_usd_5m": long, "short_liq_usd_5m": short}) == expected


def test_negative_measures_grow_downwards() -> None:
    """A fall that goes on is an update, a fall that eases is none."""
    told = lived(rule("price_change_pct_5m < -1"), [0, -2, -2, -3, -2.5, -2.5])
    assert [(each.phase.value, each.peak) for each in told] == [("raised", -2), ("updated", -3)]


def test_a_rule_that_means_nothing_is_refused() -> None:
    """Which text, what is wrong, and a mark under the place."""
    for settings, field in (
        ({"when": "liq_usd_5 > 1"}, "when"),
        ({"when": "coin == 'BTC'"}, "when"),
        ({"when": "price > 1", "clear_when": "price <"}, "clear_when"),
        ({"when": "price > 1", "expects": "move_pct > 1"}, "expects"),
        ({"when": "price > 1", "expects": "move_pct > 1 in 0m"}, "expects"),
        ({"when": "price > 1", "expects": "price > 1 in 5m"}, "expects"),
    ):
        with pytest.raises(Wrong) as caught:
            compiled("x", msgspec.convert(settings, RuleSettings))
        assert caught.value.field == field
        assert caught.value.pointed.startswith(settings[field])
        assert caught.value.pointed.endswith("^")


def test_rules_are_known_apart() -> None:
    """What is kept of a rule is kept by what it watches, not by its name alone; coins are meant in any case."""
    assert rule().mark == rule(title="other").mark != rule(lasts_s=5.0).mark
    assert rule(coins=["btc"]).watches("BTC")
    assert not rule(coins=["btc"]).watches("ETH")
    assert rule().watches("ETH")


def test_shipped_rules_can_be_read_and_scored() -> None:
    """Every rule that comes with perpscope loads, and says what it is meant to precede."""
    made = [compiled(name, settings, is_shipped=True) for name, settings in SHIPPED.items()]
    assert all(each.expects is not None and each.is_shipped for each in made)
