"""What a rule has been worth: its alerts' outcomes beside those of all other minutes of the same coins (B19).

In: alerts as they are raised and, minute by minute of market time, what came after each minute. Out: hit rate, chance,
lead, false alarms a day and a verdict. Everything is counted as it comes: a batch over a stored past is the same calls
in the same order, and gives the same score.
"""

from collections.abc import Mapping
from math import sqrt
from statistics import median
from typing import Final, Literal, TypeAlias

import msgspec

from perpscope.analytics.alerts.alert import Record, Side
from perpscope.analytics.alerts.evidence import Evidence
from perpscope.analytics.alerts.expression import truth
from perpscope.analytics.alerts.minutes import Judged, Path, calm, growing
from perpscope.analytics.alerts.outcomes import Expectation, measured

Verdict: TypeAlias = Literal["unproven", "better", "like chance", "worse"]
#: Alerts before there is a verdict.
LEAST: Final = 20
#: Minutes of a coin that chance must be known by before an alert counts as evidence: half a day (by hand).
_LEAST_MINUTES: Final = 720
#: The same, of minutes as restless.
_LEAST_ALIKE: Final = 120
#: Leads that are remembered; days that are.
_LEADS, _DAYS = 500, 400
#: Minutes after which an outcome that is not known will never be.
_GRACE: Final = 5
_Z95 = 1.959964
_EITHER: Final[tuple[Side | None, ...]] = (None,)
_SIDES: Final[tuple[Side | None, ...]] = (None, "long", "short")


class Rate(msgspec.Struct, array_like=True):
    """So many of so many."""

    n: int = 0
    hits: int = 0

    def take(self, *, hit: bool) -> None:
        """Count one."""
        self.n += 1
        self.hits += hit

    @property
    def share(self) -> float:
        """Drawn a little towards a half where it rests on little (Jeffreys)."""
        return (self.hits + 0.5) / (self.n + 1.0)


class Pending(msgspec.Struct, kw_only=True):
    """An alert whose outcome is not known yet."""

    coin: str
    at_ms: int
    side: Side | None
    block: int  #: 0 = it is no evidence
    least: float  #: chance as it was known when it was raised, its lower bound
    most: float  #: upper bound of chance, and of minutes as restless

    @property
    def minute(self) -> int:
        """That it was raised in."""
        return self.at_ms // 60_000


class Block(msgspec.Struct, kw_only=True):
    """Alerts that begin within one horizon, whatever their coins: they may have one cause, and are one bet."""

    number: int
    start: int  #: minute
    found: list[tuple[float, float, bool]] = []  #: bounds of chance, hit


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert."""

    coin: str
    at_ms: int  #: when it was raised, market time
    hit: bool | None  #: None = nobody saw
    lead_s: float | None = None  #: seconds until it came true, of a hit


class RuleScore(msgspec.Struct, kw_only=True):
    """What is remembered of one rule."""

    mark: str  #: of the rule it is of: another rule's score is not taken on
    others: dict[str, Rate] = {}  #: "coin|side" → minutes without an alert, and how many were followed by the same
    alike: dict[str, Rate] = {}  #: "coin|side|calm", the same
    alerts: dict[str, Rate] = {}  #: "coin|side" → alerts
    alerts_alike: dict[str, Rate] = {}
    days: dict[str, Rate] = {}  #: day number → alerts
    leads: list[float] = []  #: seconds
    pending: list[Pending] = []
    block: Block | None = None
    blocks: int = 0
    worse: Evidence = msgspec.field(default_factory=Evidence)
    better: Evidence = msgspec.field(default_factory=Evidence)
    minutes: int = 0  #: of market time, watched
    newest: int = -1  #: minute
    lost: int = 0  #: alerts whose outcome nobody saw
    fresh: list[Outcome] = []  #: not told to the log yet


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's score, as it is told; rates in [0, 1], None = not known."""

    expects: str
    verdict: Verdict
    n: int  #: alerts whose outcome is known
    hits: int
    pending: int
    lost: int  #: alerts whose outcome nobody saw
    hit_rate: float | None
    low: float | None  #: 95 %, Wilson, widened where a day's alerts hang together
    high: float | None
    chance: float | None  #: share of other minutes of the same coins that were followed by the same
    chance_alike: float | None  #: of those after an hour as restless
    lead_s: float | None  #: median, of hits
    false_alarms_per_day: float | None
    alerts_per_day: float | None
    days: float  #: of market time
    evidence_worse: float  #: e-value; 10 and more mutes
    evidence_better: float
    blocks: int  #: bets made


def raised(
    score: RuleScore, expected: Expectation, coin: str, at_ms: int, side: Side | None, sigma: float | None
) -> None:
    """An alert was raised.

    Args:
        score: of its rule; changed in place.
        expected: of its rule.
        coin: that it is about.
        at_ms: market time.
        side: that it is about.
        sigma: of the hour before, as `Path` has it; None = not known.
    """
    minute, horizon = at_ms // 60_000, expected.horizon_min
    side = side if expected.is_directed else None
    _close(score, expected, minute)
    key = _key(coin, side)
    chance = _bounds(score.others.get(key), horizon, _LEAST_MINUTES)
    alike = _bounds(score.alike.get(_key(coin, side, calm(sigma))), horizon, _LEAST_ALIKE) or chance
    number = 0
    if chance is not None and alike is not None:
        if score.block is None:
            score.blocks += 1
            score.block = Block(number=score.blocks, start=minute)
        number = score.block.number if minute < score.block.start + horizon else 0
    least, most = (0.0, 1.0) if chance is None or alike is None else (chance[0], max(chance[1], alike[1]))
    score.pending.append(Pending(coin=coin, at_ms=at_ms, side=side, block=number, least=least, most=most))


def passed(score: RuleScore, expected: Expectation, coin: str, path: Path, found: Judged | None) -> None:
    """A minute of a coin has closed.

    Args:
        score: of a rule; changed in place.
        expected: of the rule.
        coin: whose.
        path: of the coin, with that minute.
        found: the minute that can be judged now, as `Path.take` gave it for the rule's horizon.
    """
    now = path.newest or 0
    if now > score.newest:
        score.minutes, score.newest = score.minutes + 1, now
    if found is not None:
        due = [each for each in score.pending if each.coin == coin and each.minute == found.base.minute.at]
        for each in due:
            _settle(score, expected, each, found, path)
        if not due:
            _count(score, expected, coin, found)
    late = now - expected.horizon_min - _GRACE
    for each in [each for each in score.pending if each.coin == coin and each.minute < late]:
        _lose(score, each)
    _close(score, expected, now)


def told(score: RuleScore, expected: Expectation) -> Score:
    """The score now."""
    n = sum(rate.n for rate in score.alerts.values())
    hits = sum(rate.hits for rate in score.alerts.values())
    low, high = interval(hits, n, list(score.days.values()))
    days = score.minutes / 1440.0
    return Score(
        expects=expected.text,
        verdict=verdict(score),
        n=n,
        hits=hits,
        pending=len(score.pending),
        lost=score.lost,
        hit_rate=hits / n if n else None,
        low=low,
        high=high,
        chance=_weighted(score.alerts, score.others),
        chance_alike=_weighted(score.alerts_alike, score.alike),
        lead_s=median(score.leads) if score.leads else None,
        false_alarms_per_day=(n - hits) / days if days >= 1.0 / 24.0 else None,
        alerts_per_day=(n + score.lost + len(score.pending)) / days if days >= 1.0 / 24.0 else None,
        days=days,
        evidence_worse=score.worse.value,
        evidence_better=score.better.value,
        blocks=score.worse.blocks,
    )


def verdict(score: RuleScore) -> Verdict:
    """By the bets: worse than chance, better than it and than minutes as restless, or neither."""
    n = sum(rate.n for rate in score.alerts.values())
    if n < LEAST:
        return "unproven"
    if score.worse.is_enough:
        return "worse"
    return "better" if score.better.is_enough else "like chance"


def record(score: RuleScore, expected: Expectation) -> Record:
    """The score in few words, to go with an alert."""
    of = told(score, expected)
    return Record(verdict=of.verdict, n=of.n, hits=of.hits, chance=of.chance, lead_s=of.lead_s)


def interval(hits: int, n: int, days: list[Rate]) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share, with as many alerts as are worth anything where days hang together.

    Args:
        hits: of all alerts.
        n: alerts.
        days: alerts by day; their spread beyond the binomial's makes n smaller (Kish's design effect).

    >>> [round(edge, 4) for edge in interval(5, 10, [])]
    [0.2366, 0.7634]
    """
    if not n:
        return None, None
    share = hits / n
    expected = n * share * (1.0 - share)
    spread = sum((day.hits - share * day.n) ** 2 for day in days)
    worth = n / max(1.0, spread / expected) if expected > 0.0 else float(n)
    z2 = _Z95 * _Z95 / worth
    middle, half = share + z2 / 2.0, _Z95 * sqrt(share * (1.0 - share) / worth + z2 / (4.0 * worth))
    return max(0.0, (middle - half) / (1.0 + z2)), min(1.0, (middle + half) / (1.0 + z2))


def _settle(score: RuleScore, expected: Expectation, due: Pending, found: Judged, path: Path) -> None:
    """The outcome of an alert is known, or cannot be."""
    hit = truth(expected.condition, found.measured(due.side))
    if hit is None:
        _lose(score, due)
        return
    score.pending = [each for each in score.pending if each is not due]
    keys = _key(due.coin, due.side), _key(due.coin, due.side, calm(found.base.sigma))
    for rates, key in zip((score.alerts, score.alerts_alike), keys, strict=True):
        rates.setdefault(key, Rate()).take(hit=hit)
    score.days.setdefault(str(due.minute // 1440), Rate()).take(hit=hit)
    if len(score.days) > _DAYS:
        del score.days[next(iter(score.days))]
    lead_s = _lead_s(expected, due, found, path) if hit else None
    if lead_s is not None:
        score.leads = [*score.leads[1 - _LEADS :], lead_s]
    score.fresh.append(Outcome(coin=due.coin, at_ms=due.at_ms, hit=hit, lead_s=lead_s))
    if due.block and score.block is not None and score.block.number == due.block:
        score.block.found.append((due.least, due.most, hit))


def _lose(score: RuleScore, due: Pending) -> None:
    """Nobody saw what came after it."""
    score.lost += 1
    score.pending = [each for each in score.pending if each is not due]
    score.fresh.append(Outcome(coin=due.coin, at_ms=due.at_ms, hit=None))


def _lead_s(expected: Expectation, due: Pending, found: Judged, path: Path) -> float:
    """Seconds from an alert to the start of the first minute by whose end it had come true; not below 0."""
    after = growing(found.base, path.after(found.base, expected.horizon_min))
    at = next(
        minute.at
        for minute, ahead in after
        if truth(expected.condition, measured(ahead, due.side, expected.horizon_min))
    )
    return max(0, at * 60_000 - due.at_ms) / 1e3


def _count(score: RuleScore, expected: Expectation, coin: str, found: Judged) -> None:
    """A minute without an alert: chance."""
    restless = calm(found.base.sigma)
    for side in _SIDES if expected.is_directed else _EITHER:
        hit = truth(expected.condition, found.measured(side))
        if hit is not None:
            score.others.setdefault(_key(coin, side), Rate()).take(hit=hit)
            score.alike.setdefault(_key(coin, side, restless), Rate()).take(hit=hit)


def _close(score: RuleScore, expected: Expectation, minute: int) -> None:
    """A block whose outcomes are all known is bet on."""
    block = score.block
    if block is None or minute < block.start + 2 * expected.horizon_min + _GRACE:
        return
    score.worse.bet([(chance, hit) for chance, _, hit in block.found], on_fewer=True)
    score.better.bet([(best, hit) for _, best, hit in block.found], on_fewer=False)
    score.block = None


def _bounds(rate: Rate | None, horizon: int, least: int) -> tuple[float, float] | None:
    """Where a chance lies, within a standard error; minutes of one horizon overlap and are worth one."""
    if rate is None or rate.n < least:
        return None
    worth = max(1.0, rate.n / horizon)
    doubt = sqrt(rate.share * (1.0 - rate.share) / worth)
    return max(0.0, rate.share - doubt), min(1.0, rate.share + doubt)


def _weighted(alerts: Mapping[str, Rate], others: Mapping[str, Rate]) -> float | None:
    """Share of other minutes, as if they were spread over coins and sides as the alerts are."""
    pairs = [(rate.n, others[key]) for key, rate in alerts.items() if key in others and others[key].n]
    total = sum(n for n, _ in pairs)
    return sum(n * other.hits / other.n for n, other in pairs) / total if total else None


def _key(coin: str, side: Side | None, restless: str | None = None) -> str:
    return "|".join([coin, side or "", *([] if restless is None else [restless])])
