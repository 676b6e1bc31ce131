"""Does the agent market look like a market? Sixteen figures with the ranges they should lie in (METHOD 13.3).

In: the truth of quiet weeks, of days with a scripted crash, and of trial orders. Out: the figures of one seed, to be
compared as medians over seeds. Numbers of a seed are `Facts`; `ROWS` says what is asked of them.
"""

import copy
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.exchange import PLACES
from perpscope.lab.agents.market import AgentMarket, record
from perpscope.lab.agents.steps import Setting
from perpscope.lab.agents.truth import Truth, told
from perpscope.lab.agents.world import october

_MINUTE_S, _DAY_S = 60, 86_400
BURN_IN_S = 43_200.0  #: not judged: the crowd is still arriving
_HILL_SHARE = 0.01
_SAME_EVENT_NS = 250_000_000  # prints of one side closer than this are one liquidation (METHOD 7)
CRASH_AGENTS = 20_000  #: of the crash: with fewer, too few liquidations fall into one second to hide each other
_CRASH_AT_S = 1.5 * _DAY_S
_CRASH_WATCHED_S = 7200.0

Facts = dict[str, float]


class Row(msgspec.Struct, frozen=True):
    """One line of the table: a figure and where it should lie."""

    name: str
    keys: tuple[tuple[str, float, float], ...]  #: of `Facts`, least and most


_ANY = math.inf
ROWS = (
    Row("daily volatility", (("volatility_1d", 0.01, 0.05),)),
    Row("excess kurtosis, 1 min", (("kurtosis", 8, 200),)),
    Row("Hill tail index, top 1 %", (("hill", 2.0, 4.0),)),
    Row("ACF of returns, lag 1 min", (("acf_return", -0.10, 0.10),)),
    Row("ACF of |return|, lags 1 and 60 min", (("acf_size_1", 0.15, 0.50), ("acf_size_60", 0.05, 0.30))),
    Row("correlation of volume and |return|", (("volume_and_size", 0.3, 0.8),)),
    Row("ACF of ln volume, lag 1 min", (("acf_volume", 0.4, 0.9),)),
    Row("liquidated per day, share of OI, median day", (("liquidated_1d", 0.001, 0.06),)),
    Row("liquidations, share of OI drops of 5 min", (("liquidated_of_drop", 0.003, 0.05),)),
    Row("Fano factor of liquidation counts, 1 min", (("fano", 3, _ANY),)),
    Row("ACF of liquidation counts, lag 1 min", (("acf_count", 0.15, 1.0),)),
    Row("Hawkes branching ratio", (("branching", 0.3, 0.9),)),
    Row(
        "funding: mean, sd (bp of 8 h), ACF",
        (("funding_bp", 0.5, 1.5), ("funding_sd_bp", 0.5, 5.0), ("acf_funding", 0.3, 1.0)),
    ),
    Row("impact exponent of large orders", (("impact_exponent", 0.4, 0.7),)),
    Row(
        "crash of -8 %: OI drop, amplification, long share, depth loss, busiest 40 min",
        (
            ("crash_oi_drop", 0.15, 0.35),
            ("crash_amplification", 1.05, 2.0),
            ("crash_long_share", 0.80, 1.0),
            ("crash_depth_loss", 0.80, 1.0),
            ("crash_busiest_40min", 0.50, 1.0),
        ),
    ),
    Row("told ÷ true falls, median to busiest 1 % of minutes, by", (("told_falls", 2.0, _ANY),)),
)


def quiet_facts(truth: Truth) -> Facts:
    """What a run without scripted shocks shows, after the burn-in."""
    per = round(_MINUTE_S / truth.dt_s)
    skip = round(BURN_IN_S / truth.dt_s)
    price = truth["market"]["price"][skip:].astype(np.float64)
    log_price = np.log(price[: price.size // per * per].reshape(-1, per)[:, -1])
    returns, size = np.diff(log_price), np.abs(np.diff(log_price))
    lots = (truth.by_venue("bought") + truth.by_venue("sold")).sum(axis=1)[skip:]
    volume = (lots * price)[: price.size // per * per].reshape(-1, per).sum(axis=1)[1:]
    funding = truth.by_venue("funding_rate").mean(axis=1)[round(28_800 / truth.dt_s) :: round(28_800 / truth.dt_s)]
    funding = funding[1:]
    return {
        "volatility_1d": float(returns.std() * math.sqrt(1440)),
        "kurtosis": float(((returns - returns.mean()) ** 4).mean() / returns.var() ** 2 - 3),
        "hill": hill(size),
        "acf_return": correlation(returns[1:], returns[:-1]),
        "acf_size_1": correlation(size[1:], size[:-1]),
        "acf_size_60": correlation(size[60:], size[:-60]),
        "volume_and_size": correlation(volume, size),
        "acf_volume": correlation(np.log(volume[1:]), np.log(volume[:-1])),
        "funding_bp": float(funding.mean() * 1e4) if funding.size else math.nan,
        "funding_sd_bp": float(funding.std() * 1e4) if funding.size else math.nan,
        "acf_funding": correlation(funding[1:], funding[:-1]),
        **_liquidation_facts(truth, skip),
    }


def _liquidation_facts(truth: Truth, skip: int) -> Facts:
    held = truth.by_venue("open_interest").sum(axis=1)[skip:]
    seized = (truth.by_venue("liquidated_longs") + truth.by_venue("liquidated_shorts")).sum(axis=1)[skip:]
    day, five = round(_DAY_S / truth.dt_s), round(300 / truth.dt_s)
    days = max(1, held.size // day)
    daily = [
        float(part.sum() / whole.mean()) for part, whole in zip(_parts(seized, days), _parts(held, days), strict=True)
    ]
    edges = held[::five]
    drops = np.maximum(-np.diff(edges), 0.0)
    windows = seized[1 : 1 + drops.size * five]
    windows = np.pad(windows, (0, drops.size * five - windows.size)).reshape(-1, five).sum(axis=1)
    start = int(truth["market"]["ts"][skip - 1])
    rows = truth["liquidations"]
    ts = rows["ts"][rows["ts"] > start] - start
    minutes = held.size * round(truth.dt_s) // 60
    counts = np.bincount((ts // 60_000_000_000).astype(np.int64), minlength=max(2, minutes)) * 1.0
    return {
        "liquidated_1d": float(np.median(daily)),
        "liquidated_of_drop": float(windows[drops > 0].sum() / max(drops.sum(), 1.0)),
        "fano": float(counts.var() / max(counts.mean(), 1e-9)),
        "acf_count": correlation(counts[1:], counts[:-1]),
        "branching": branching(_events(rows["ts"][rows["ts"] > start], rows["side"][rows["ts"] > start])),
    }


def _parts(values: Floats, count: int) -> list[Floats]:
    return np.array_split(values, count)


def hill(size: Floats, share: float = _HILL_SHARE) -> float:
    """Hill's estimate of the tail index from the largest share of absolute values (Hill 1975)."""
    ordered = np.sort(size)[::-1]
    count = max(int(ordered.size * share), 10)
    return float(1.0 / np.log(ordered[:count] / ordered[count]).mean())


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's; NaN where one of them does not vary."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.size < 3 or not first.std() or not second.std():
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _events(ts: np.ndarray[tuple[int], np.dtype[np.int64]] | Floats, side: Floats | object) -> Floats:
    """Seconds of liquidations, prints of one side close together taken for one."""
    sides = np.asarray(side)
    times = [np.sort(np.asarray(ts)[sides == one]) for one in (1, -1)]
    kept = [one[np.diff(one, prepend=-_SAME_EVENT_NS - 1) > _SAME_EVENT_NS] for one in times]
    return np.asarray(np.sort(np.concatenate(kept)) / 1e9)


def branching(seconds: Floats, decays: Sequence[float] = (1 / 5, 1 / 15, 1 / 60, 1 / 240, 1 / 900)) -> float:
    """Branching ratio of a Hawkes process with one exponential kernel, by EM over a few decays; NaN below 20 events.

    The likelihood is Ozaki's (1979); the decay with the greatest is taken.
    """
    if seconds.size < 20:
        return math.nan
    return max(_fitted(seconds, decay) for decay in decays)[1]


def _fitted(seconds: Floats, decay: float) -> tuple[float, float]:
    """Log likelihood and branching ratio at one decay, per second."""
    gaps = np.diff(seconds).tolist()
    heat = [0.0]
    for gap in gaps:
        heat.append(math.exp(-decay * gap) * (1.0 + heat[-1]))
    excited = decay * np.array(heat)
    span = float(seconds[-1] - seconds[0]) + 1e-9
    reach = float((1.0 - np.exp(-decay * (seconds[-1] - seconds))).sum())
    rate, ratio = seconds.size / span / 2, 0.5
    for _ in range(200):
        bred = ratio * excited / (rate + ratio * excited)
        rate, ratio = float((1.0 - bred).sum()) / span, float(bred.sum()) / max(reach, 1e-9)
    likelihood = float(np.log(rate + ratio * excited).sum()) - rate * span - ratio * reach
    return likelihood, ratio


def told_falls(truth: Truth, venue: int = 0) -> float:
    """How many times smaller the told share of liquidated notional is in the busiest 1 % of minutes than usual.

    Minutes are those with a liquidation; the busiest by count, at least one of them.
    """
    rows = truth["liquidations"]
    mine = np.flatnonzero(rows["venue"] == venue)
    if not mine.size:
        return math.nan
    minute = rows["ts"] // 60_000_000_000
    minute = minute - minute.min()
    usd = rows["lots"] * truth.lot * rows["mark"]
    shown = told(rows, venue, PLACES[venue])
    true = np.bincount(minute[mine], usd[mine])
    seen = np.bincount(minute[shown], usd[shown], true.size)
    count = np.bincount(minute[mine])
    busy = np.flatnonzero(count)
    most = busy[np.argsort(-count[busy], kind="stable")][: max(1, busy.size // 100)]
    return float(np.median(seen[busy] / true[busy]) / (seen[most].sum() / true[most].sum()))


def crash_facts(setting: Setting) -> Facts:
    """What a crash like 2025-10-10's does, a day and a half into a market."""
    setting = msgspec.structs.replace(setting, shocks=october(_CRASH_AT_S))
    truth = record(setting, (_CRASH_AT_S + 6 * 3600) / _DAY_S, map_every_s=0)
    start = round(_CRASH_AT_S / setting.dt_s) - 1
    watched = slice(start, start + round(_CRASH_WATCHED_S / setting.dt_s))
    market, held = truth["market"], truth.by_venue("open_interest").sum(axis=1)
    script = -sum(shock.move for shock in setting.shocks)
    longs = truth.by_venue("liquidated_longs").sum(axis=1)
    seized = longs + truth.by_venue("liquidated_shorts").sum(axis=1)
    per = round(600 / setting.dt_s)
    tens = seized[round(BURN_IN_S / setting.dt_s) :]
    tens = tens[: tens.size // per * per].reshape(-1, per).sum(axis=1)
    forty = np.convolve(tens, np.ones(4), "valid")
    return {
        "crash_oi_drop": float(1 - held[watched].min() / held[start]),
        "crash_amplification": float(-math.log(market["price"][watched].min() / market["price"][start]) / script),
        "crash_long_share": float(longs[watched].sum() / max(seized[watched].sum(), 1.0)),
        "crash_depth_loss": float(1 - market["depth"][watched].min()),
        "crash_busiest_40min": float(forty.max() / max(tens.sum(), 1.0)),
        "crash_liquidated": float(seized[watched].sum() / held[start]),
        "told_falls": told_falls(truth),
    }


def impact_exponent(setting: Setting, *, trials: int = 6) -> float:
    """How the price moved by a large order grows with its size: the slope in logarithms, over sizes 1 to 32.

    Each order is bought at one pace, a fifth of a calm market's volume, from the same moments of one market, and sold
    in its twin, whose news are the same; half of what lies between them is the order's. The larger it is the longer it
    takes. METHOD's 13.3 has the range, the root law its reason.
    """
    market = AgentMarket(setting)
    sizes = 2.0 ** np.arange(6)
    pace = 0.2 * market.habits.turnover * market.typical_usd * setting.dt_s / _DAY_S
    moved = np.zeros((trials, sizes.size))
    for _ in range(round(BURN_IN_S / setting.dt_s)):
        market.step()
    for trial in range(trials):
        for _ in range(round(3600 / setting.dt_s)):
            market.step()
        buying, selling = copy.deepcopy(market), copy.deepcopy(market)
        done = 0
        for at, length in enumerate((12 * sizes).astype(int).tolist()):
            while done < length:
                buying.step(pace)
                selling.step(-pace)
                done += 1
            moved[trial, at] = (buying.log_price - selling.log_price) / 2
    mean = np.median(moved, axis=0)
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(mean, 1e-9)), 1)[0])


def facts(setting: Setting, days: float) -> Facts:
    """All figures of one seed."""
    crowd = msgspec.structs.replace(setting, agents=CRASH_AGENTS)
    found = quiet_facts(record(setting, days, map_every_s=0)) | crash_facts(crowd)
    return found | {"impact_exponent": impact_exponent(setting)}


def judged(figures: Sequence[Facts]) -> list[tuple[Row, tuple[float, ...], bool]]:
    """Each row with the medians over seeds, and whether they lie in its range."""
    table = []
    for row in ROWS:
        medians = tuple(_median([one[key] for one in figures]) for key, _, _ in row.keys)
        met = all(low <= value <= high for value, (_, low, high) in zip(medians, row.keys, strict=True))
        table.append((row, medians, met))
    return table


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan
