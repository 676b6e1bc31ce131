"""Expressions of alert rules: what they mean, and what is said of those that mean nothing."""

import pytest

from perpscope.analytics.alerts.expression import Number, Value, names, number, softened, truth
from perpscope.analytics.alerts.grammar import DEEPEST, LONGEST, Mistake, Unit, parse
from perpscope.analytics.alerts.measures import UNITS

KNOWN: dict[str, Unit] = {
    "usd": "usd",
    "more": "usd",
    "pct": "pct",
    "price": "price",
    "count": "events",
    "coin": "text",
}
VALUES: dict[str, Value] = {
    "usd": 4e6,
    "more": 8e6,
    "pct": -1.5,
    "price": 100.0,
    "count": 3.0,
    "coin": "BTC",
    "none": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("usd > 3M", True),
        ("usd > $5_000_000", False),
        ("usd >= 4e6", True),
        ("usd == 4000k", True),
        ("usd != 0.004B", False),
        ("5M < usd", False),
        ("pct < -1 %", True),
        ("pct ≤ −1.5%", True),
        ("pct < 0 and usd > 1M", True),
        ("pct > 0 or usd > 1M", True),
        ("not pct > 0", True),
        ("not (pct > 0 or usd > 1M)", False),
        ("usd + more > 11M", True),
        ("more - usd < 5M", True),
        ("usd / more == 0.5", True),
        ("usd ÷ more × 4 == 2", True),
        ("2 * usd == more", True),
        ("usd * 2 >= more", True),
        ("1 / count < 1", True),
        ("usd / count > 1M", True),
        ("abs(pct) > 1", True),
        ("min(usd, more, 1M) == 1M", True),
        ("max(usd, more) == 8M", True),
        ("-usd < 0", True),
        ("--3 == 3", True),
        ("- (usd) < 0", True),
        (".5 < 1", True),
        ("coin == 'btc'", True),
        ('coin != "ETH"', True),
        ("'BTC' == coin", True),
        ("coin == 'ETH' or coin == 'BTC'", True),
    ],
)
def test_an_expression_means_what_it_says(text: str, expected: bool) -> None:
    """Numbers, units, signs, words and functions come to what arithmetic says."""
    assert truth(parse(text, KNOWN), VALUES) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("usd > 1", None),
        ("usd > 1 and pct > 1", False),
        ("usd > 1 or pct < 1", True),
        ("not usd > 1", None),
        ("usd + more > 1", None),
        ("abs(usd) > 1", None),
        ("max(usd, more) > 1", None),
        ("more / (pct + 1) > 1", None),
        ("coin == 'BTC'", None),
        ("usd > 1 or usd < 1", None),
        ("not coin != 'BTC'", None),
    ],
)
def test_what_is_unknown_stays_unknown(text: str, expected: bool | None) -> None:
    """A name without a value, or a division by nothing, is no answer; where it does not matter, it does not matter."""
    assert truth(parse(text, KNOWN), {"more": 1.0, "pct": -1.0}) is expected


@pytest.mark.parametrize(
    ("text", "at", "part"),
    [
        ("usdd > 1", 0, "no measure 'usdd'"),
        ("usd > 1 and zzzz > 1", 12, "no measure 'zzzz'"),
        ("usd", 0, "no condition"),
        ("usd >", 5, "ends too early"),
        ("", 0, "ends too early"),
        ("(usd > 1", 8, "`)` is missing"),
        ("usd > 1)", 7, "not expected"),
        ("1 < usd < 3", 8, "not expected"),
        ("usd = 1", 4, "means nothing"),
        ("usd > 1 && pct > 1", 8, "means nothing"),
        ("usd > 1 | pct > 1", 8, "means nothing"),
        ("!usd", 0, "means nothing"),
        ("usd > 1; pct", 7, "means nothing"),
        ("usd > pct", 4, "usd against pct"),
        ("usd > 5 %", 4, "usd against pct"),
        ("usd > $5%", 6, "at once"),
        ("usd + pct > 1", 4, "usd against pct"),
        ("usd > 1 and 3", 0, "joins conditions"),
        ("not usd", 0, "turns a condition round"),
        ("-(usd > 1) > 0", 0, "needs a number"),
        ("(usd > 1) + 1 > 0", 10, "numbers on both sides"),
        ("(usd > 1) > 0", 10, "numbers on both sides"),
        ("abs(usd, more) > 1", 0, "takes 1, and has 2"),
        ("min(usd) > 1", 0, "takes 2 to 8"),
        ("abs(coin) > 1", 0, "takes numbers"),
        ("abs usd > 1", 4, "`(` is missing"),
        ("coin > 'BTC'", 5, "same or not"),
        ("coin == 5", 0, "name in quotes"),
        ("coin == coin", 0, "name in quotes"),
        ("usd > 1e999", 6, "too large"),
        ("and > 1", 0, "not expected"),
        ("__import__('os')", 0, "no measure"),
        ("usd.real > 1", 3, "means nothing"),
        ("usd > 5MM", 7, "not expected"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, at: int, part: str) -> None:
    """Whoever writes a rule learns what is wrong and where, when it is loaded and not later."""
    with pytest.raises(Mistake) as caught:
        parse(text, KNOWN)
    assert (caught.value.at, part in caught.value.what) == (at, True), caught.value.what


def test_bounds_on_length_depth_and_words() -> None:
    """No expression is so large that reading it would take long or deep recursion."""
    deep = "(" * (DEEPEST + 1) + "usd > 1" + ")" * (DEEPEST + 1)
    for text in (
        "usd > 1" + " " * LONGEST,
        deep,
        "not " * 40 + "usd > 1",
        "usd > " + "-" * 40 + "1",
        "1+" * 150 + "1 > 0",
    ):
        with pytest.raises(Mistake):
            parse(text, KNOWN)


def test_the_nearest_name_is_offered() -> None:
    """A name that is nearly right is answered with the right one; one that is like nothing with some there are."""
    for text, hint in (("liq_usd_5 > 1", "'liq_usd_5m'"), ("qqqq > 1", "there are coin")):
        with pytest.raises(Mistake) as caught:
            parse(text, UNITS)
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "on", "off"),
    [
        ("usd > 10", 8.1, 7.9),
        ("10 < usd", 8.1, 7.9),
        ("usd < 10", 11.9, 12.1),
        ("10 > usd", 11.9, 12.1),
        ("usd < -10", -8.1, -7.9),
        ("usd >= 10 and usd < 100", 8.1, 7.9),
        ("not usd < 10", 8.1, 7.9),
        ("usd == 10", 10.0, 9.0),
    ],
)
def test_hysteresis_moves_each_bound_by_its_share(text: str, on: float, off: float) -> None:
    """A raised alert goes on until the measure is well back behind the bound, whichever way the rule is written."""
    eased = softened(parse(text, KNOWN), 0.8)
    assert truth(eased, {"usd": on}) is True
    assert truth(eased, {"usd": off}) is False


def test_what_has_no_bound_is_not_eased() -> None:
    """Two measures against each other have no bound that could move."""
    node = parse("usd > more", KNOWN)
    assert softened(node, 0.5) == node
    assert softened(Number(2.0), 0.5) == Number(2.0)


def test_names_come_once_in_order() -> None:
    """A rule knows what it needs."""
    assert names(parse("not (more > 1) and max(usd, more) + abs(usd) > 2", KNOWN)) == ("more", "usd")


def test_conditions_are_no_numbers() -> None:
    """A tree of the wrong kind is a bug, and says so."""
    with pytest.raises(TypeError):
        truth(Number(1.0), {})
    with pytest.raises(TypeError):
        number(parse("usd > 1", KNOWN), {})
