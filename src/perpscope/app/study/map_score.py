"""`study map-score`: is the map better than distance alone? Markets of the lab or a store, windows, cards, one answer.

In: what to score. Out: a `MapScore`, whose fields are those of `perpscope study map-score --json`. The lab's seeds run
in processes of their own; the same seeds give the same figures.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.scorecard.card import ORACLE, HorizonCard, card
from perpscope.analytics.scorecard.windows import Window
from perpscope.app.study.map_lab import Run, parameters_hash, score_seed
from perpscope.app.study.map_store import Scored, score_store
from perpscope.app.study.map_windows import HORIZONS, VARIANTS
from perpscope.errors import ConfigError, TooLittle

FORM: Final = "perpscope-map-score/1"
SOURCES: Final = ("lab", "store")
#: Reported on; the map was made while looking at seeds 1 to 16. With `--full` twice as many.
SEEDS: Final = tuple(range(101, 109))
FULL_SEEDS: Final = tuple(range(101, 117))
_MS_NS: Final = 1_000_000
#: Of a market without options: so many days at so many seconds a step, scored in bars of so many minutes.
_QUICK: Final = (3.0, 30.0, 5)
_FULL: Final = (7.0, 15.0, 5)
#: More than the lab has by itself (6,000), so that an hour has enough closings to say where they fell.
_AGENTS: Final = 100_000


class LabData(msgspec.Struct, frozen=True, kw_only=True):
    """Which markets of the lab."""

    seeds: list[int]
    days: float
    step_s: float
    agents: int
    parameters: str  #: SHA-256 of the agent market's constants


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What was scored."""

    source: str  #: "lab" or "store"
    from_ms: int
    to_ms: int
    coverage: float  #: of the time whose liquidations were seen, in [0, 1]
    bar_minutes: int  #: the maps are fed
    markets: list[str]
    left_out: list[str]  #: markets that were asked for, and why not
    lab: LabData | None = None
    store: str | None = None


class MapScore(msgspec.Struct, frozen=True, kw_only=True):
    """What `perpscope study map-score --json` prints."""

    form: str
    made_ms: int
    is_full: bool
    verdict: str
    is_better: bool  #: than distance alone: the 95 % interval of the gain is above 0 at every horizon
    data: Data
    horizons: list[HorizonCard]
    baselines: dict[str, float]  #: bits over distance alone at the last horizon, each with 3 % of distance mixed in
    variants: dict[str, float]  #: of the map itself, likewise


def lab_runs(*, full: bool) -> list[Run]:
    """The markets that are scored."""
    days, dt_s, minutes = _FULL if full else _QUICK
    seeds = FULL_SEEDS if full else SEEDS
    return [Run(seed=seed, days=days, dt_s=dt_s, agents=_AGENTS, bar_minutes=minutes) for seed in seeds]


def score_lab(runs: list[Run], now_ns: int, *, is_full: bool, said: Callable[[str], None] = lambda _: None) -> MapScore:
    """Score the map on the lab's markets.

    Args:
        runs: one or more seeds, alike in all else.
        now_ns: ns UTC, for the date of the result.
        is_full: they are those of `--full`.
        said: hears of each market that is done.
    """
    windows: dict[int, list[Window]] = {h: [] for h in HORIZONS}
    spans: dict[int, tuple[int, int]] = {}
    found: dict[int, dict[int, list[Window]]] = {}
    workers = max(1, min(os.cpu_count() or 1, len(runs)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_follow_parent) as pool:
        asked = {pool.submit(score_seed, run): run.seed for run in runs}
        for done in as_completed(asked):
            found[asked[done]], spans[asked[done]] = done.result()
            said(f"seed {asked[done]}: {len(found):,} of {len(runs):,} markets made and mapped")
    for run in runs:
        for h in HORIZONS:
            windows[h] += found[run.seed][h]
    first = runs[0]
    data = Data(
        source="lab",
        from_ms=min(start for start, _ in spans.values()) // _MS_NS,
        to_ms=max(end for _, end in spans.values()) // _MS_NS,
        coverage=1.0,
        bar_minutes=first.bar_minutes,
        markets=[f"seed {run.seed}" for run in runs],
        left_out=[],
        lab=LabData(
            seeds=[run.seed for run in runs],
            days=first.days,
            step_s=first.dt_s,
            agents=first.agents,
            parameters=parameters_hash(first),
        ),
    )
    return _answer(windows, data, now_ns, is_full=is_full, unseen={})


def score_stored(path: Path, names: list[str], now_ns: int) -> MapScore:
    """Score the map on what a store holds of feeds that are complete.

    Args:
        path: the store.
        names: coins, symbols or ids.
        now_ns: ns UTC, for the date of the result.

    Raises:
        DataError: there is no such store.
        TooLittle: it says what is missing.
    """
    found: Scored = score_store(path, names)
    data = Data(
        source="store",
        from_ms=found.from_ns // _MS_NS,
        to_ms=found.to_ns // _MS_NS,
        coverage=found.coverage,
        bar_minutes=found.bar_minutes,
        markets=found.markets,
        left_out=found.left_out,
        store=str(path),
    )
    return _answer(found.windows, data, now_ns, is_full=True, unseen=found.unseen)


def check_source(source: str) -> None:
    """Refuse a source that is none.

    Raises:
        ConfigError: so it is.
    """
    if source not in SOURCES:
        raise ConfigError("option-value", f"--source {source} is none of {', '.join(SOURCES)}")


def verdict(cards: list[HorizonCard], where: str) -> str:
    """The result in one line, whichever way it went."""
    told = " · ".join(
        f"{one.minutes} min {one.bits:+.3f} bit [{one.bits_low:+.3f}, {one.bits_high:+.3f}], lift {one.lift:.2f}"
        for one in cards
    ).replace("-", "−")
    if all(one.bits_low > 0.0 for one in cards):
        return f"better than distance alone on {where}: {told}"
    return f"Not better than distance on {where}: {told}"


def _follow_parent() -> None:
    """A process of the pool lives no longer than the one that asked, however that ends."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _answer(
    windows: dict[int, list[Window]], data: Data, now_ns: int, *, is_full: bool, unseen: dict[int, dict[str, int]]
) -> MapScore:
    cards = []
    for h in HORIZONS:
        try:
            made = card(windows[h], h)
        except ValueError as few:
            raise TooLittle(
                "score-too-little",
                f"too little to score the map with: {few}",
                hint="collect for longer: days with liquidations on a complete feed (Bybit) are needed",
            ) from few
        left_out = {**made.left_out, **unseen.get(h, {})}
        cards.append(msgspec.structs.replace(made, left_out=left_out))
    last = cards[-1].others
    return MapScore(
        form=FORM,
        made_ms=now_ns // _MS_NS,
        is_full=is_full,
        verdict=verdict(cards, "the lab" if data.source == "lab" else "your data"),
        is_better=all(one.bits_low > 0.0 for one in cards),
        data=data,
        horizons=cards,
        baselines={
            "distance": 0.0,
            **{name: one.bits.value for name, one in last.items() if name not in {*VARIANTS, ORACLE}},
        },
        variants={name: last[name].bits.value for name in (*VARIANTS, ORACLE) if name in last},
    )
