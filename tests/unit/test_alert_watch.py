"""All rules over all coins: minutes close, alerts are judged, and a life goes on where the one before ended."""

import msgspec

from perpscope.analytics.alerts.alert import Phase
from perpscope.analytics.alerts.measures import Line, Model
from perpscope.analytics.alerts.rules import Rule, RuleSettings, Stage, compiled
from perpscope.analytics.alerts.watch import Kept, Watch

T = 1_800_000_000_000
MIN = 60_000


def rules(*texts: str, expects: str = "move_pct >= 1 in 3m") -> list[Rule]:
    """Rules named by the alphabet."""
    return [
        compiled(name, RuleSettings(when=text, cool_down_s=60.0, expects=expects))
        for name, text in zip("abc", texts, strict=False)
    ]


def lines(watch: Watch, start: int, prices: list[float], coin: str = "BTC") -> list[str]:
    """A price a minute, told at its end; what the watch told, by rule and phase."""
    told = []
    for at, price in enumerate(prices, start):
        now = T + (at + 1) * MIN - 1
        line = Line(instrument=f"{coin}-A", at_ms=now, price=price, open_interest=1.0)
        watch.take_line(coin, line, price * 1.001, price * 0.999)
        told += [f"{each.rule} {each.coin} {each.phase.value} {at}" for each in watch.step(now)]
    return told


def test_alerts_are_raised_judged_and_told_with_their_record() -> None:
    """A shock is raised in its minute; three minutes later it is known whether the price moved on."""
    watch = Watch(rules("abs(price_change_pct_1m) > 0.5"), data="replay", settle_ms=0)
    told = lines(watch, 0, [100.0, 100.0, 101.0, 101.0, 103.0, 103.0, 103.0, 103.0])
    assert told == ["a BTC raised 2", "a BTC cleared 3", "a BTC updated 4", "a BTC cleared 5"]
    outcomes = watch.outcomes()
    assert [(name, each.hit, each.lead_s) for name, each in outcomes] == [("a", True, 60.001)]
    assert watch.outcomes() == []
    score = watch.score(watch.rules[0])
    assert score is not None
    assert (score.n, score.hits, score.verdict) == (1, 1, "unproven")
    assert (watch.value("BTC", "price"), watch.value("BTC", "oi_usd"), watch.value("ETH", "price")) == (
        103.0,
        103.0,
        None,
    )
    assert watch.value("BTC", "coin") is None


def test_a_rule_without_expectation_has_no_score() -> None:
    """It is told all the same, without a record."""
    watch = Watch(rules("price > 1", expects=""), data="demo", settle_ms=0)
    watch.take_line("BTC", Line(instrument="A", at_ms=T, price=2.0))
    (alert,) = watch.step(T)
    assert (alert.record, watch.score(watch.rules[0]), watch.kept().scores["a"].pending) == (None, None, [])


def test_time_stepped_twice_raises_nothing() -> None:
    """A moment that was looked at, or lies before, is not looked at again."""
    watch = Watch(rules("price > 1"), data="demo")
    watch.take_line("BTC", Line(instrument="A", at_ms=T, price=2.0))
    assert len(watch.step(T)) == 1
    assert watch.step(T) == []
    assert watch.step(T - 1) == []


def test_a_later_life_goes_on() -> None:
    """States, scores and minutes are taken up; what belongs to a rule that was changed is not."""
    expects = "move_pct >= 1 in 5m"
    first = Watch(rules("price > 1", "price > 2", expects=expects), data="demo", settle_ms=0)
    assert lines(first, 0, [5.0] * 4) == ["a BTC raised 0", "b BTC raised 0"]
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(first.kept()), type=Kept)
    changed = rules("price > 1", "price > 3", expects=expects)
    second = Watch(changed, data="demo", settle_ms=0, kept=kept)
    assert second.stepped_ms == first.stepped_ms
    assert lines(second, 4, [5.0] * 3) == ["b BTC raised 4"]
    assert (len(second.scores["a"].pending), [each.hit for _, each in second.outcomes()]) == (0, [False])
    assert (len(second.scores["b"].pending), second.scores["b"].others["BTC|"].n) == (1, 1)


def test_the_past_fills_measures_and_looks_at_no_rule() -> None:
    """What an earlier life looked at is only caught up with."""
    watch = Watch(rules("price > 1"), data="demo", settle_ms=0)
    for at in range(3):
        watch.take_line("BTC", Line(instrument="A", at_ms=T + at * MIN, price=2.0))
        watch.catch_up(T + at * MIN + 1)
    assert watch.paths["BTC"].newest == T // MIN + 1
    assert watch.states["a"] == {}
    assert not watch.is_known(watch.rules[0])


def test_liquidations_of_a_minute_are_known_where_they_were_watched() -> None:
    """A minute that was not watched from its start has no sums; late and worthless ones do no harm."""
    watch = Watch(rules("price > 1", expects="liq_usd >= 1 in 1m"), data="demo", settle_ms=0)
    watch.coin("BTC").watched(T + MIN)
    for at in range(4):
        watch.take_line("BTC", Line(instrument="A", at_ms=T + at * MIN + 1, price=2.0))
        watch.take_liquidation("BTC", T + 900 * MIN, "short", 5.0, "clock ahead")
        watch.take_liquidation("BTC", T + at * MIN + 2, "long", 10.0, "okx")
        watch.take_liquidation("BTC", T + at * MIN + 3, "short", 20.0, "okx")
        watch.take_liquidation("BTC", T + at * MIN + 3, "short", float("nan"), "okx")
        watch.take_liquidation("BTC", T - 30 * MIN, "short", 99.0, "okx")
        watch.step(T + at * MIN + 4)
    sums = [(seen.minute.long_usd, seen.minute.short_usd) for seen in watch.paths["BTC"].seen]
    assert sums[-2:] == [(10.0, 20.0), (10.0, 20.0)]
    kept = list(Watch(watch.rules, data="demo", kept=watch.kept()).coin("BTC").values().values())
    assert kept.count(None) > 10


def test_forming_minutes_are_bounded() -> None:
    """A venue that stamps events far ahead does not fill memory."""
    watch = Watch(rules("price > 1"), data="demo")
    for at in range(100):
        watch.take_liquidation("BTC", T + at * MIN, "long", 1.0, "okx")
    assert len(watch._forming["BTC"]) <= 31


def test_another_market_keeps_scores_and_forgets_where_rules_stood() -> None:
    """A replay that begins again raises its alerts again."""
    watch = Watch(rules("price > 1"), data="replay", settle_ms=0)
    assert lines(watch, 0, [5.0] * 2) == ["a BTC raised 0"]
    watch.begin_anew()
    assert lines(watch, -100, [5.0] * 2) == ["a BTC raised -100"]
    assert len(watch.scores["a"].pending) == 2


def test_rules_look_at_their_own_coins_only() -> None:
    """A rule about one coin does not even have a state for another."""
    one = compiled("a", RuleSettings(when="price > 1", coins=("ETH",), expects="move_pct > 1 in 3m"))
    watch = Watch([one], data="demo", settle_ms=0)
    assert lines(watch, 0, [5.0] * 3) == []
    assert lines(watch, 3, [5.0], "ETH") == ["a ETH raised 3"]
    assert watch.states["a"].keys() == {"ETH"}


def test_models_reach_the_rules() -> None:
    """A cascade that a model sees is an alert."""
    watch = Watch(rules("cascade == 1"), data="demo", settle_ms=0)
    watch.take_line("BTC", Line(instrument="A", at_ms=T, price=5.0))
    assert watch.step(T) == []
    assert watch.states["a"]["BTC"].stage is Stage.WAITING
    watch.take_model("BTC", Model(until_ms=T + MIN, cascade=True))
    (alert,) = watch.step(T + 1)
    assert (alert.phase, alert.values) == (Phase.RAISED, {"cascade": 1.0})
    assert watch.is_known(watch.rules[0])


def test_scores_of_a_past_are_taken_over_without_a_hole() -> None:
    """What another watch scored of the past goes on here, with the minutes it had not seen and what is pending."""
    prices = [100.0, 100.0, 101.0, 101.0, 103.0, 103.0, 103.0, 103.0, 103.0]
    live = Watch(rules("abs(price_change_pct_1m) > 0.5"), data="demo", settle_ms=0)
    lines(live, 0, prices)
    alone = live.scores["a"].others["BTC|"].n
    shadow = Watch(live.rules, data="demo", settle_ms=0)
    lines(shadow, -50, [100.0] * 55)
    live.take_scores(shadow)
    assert live.scores is shadow.scores
    assert live.scores["a"].others["BTC|"].n > alone + 40
    assert live.paths["BTC"].newest == T // MIN + len(prices) - 2
    assert lines(live, 9, [103.0, 103.0]) == []
