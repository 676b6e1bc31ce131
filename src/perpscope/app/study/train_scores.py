"""What the candidates' probabilities are worth where they had not learnt: beside climatology, month by month."""

import math
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.features.scaling import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.scores import (
    Bin,
    Gain,
    auc,
    brier,
    calibration_error,
    gain,
    log_loss,
    losses,
    reliability,
)
from perpscope.analytics.resampling import blocks
from perpscope.app.study.train_folds import Places
from perpscope.app.study.train_rows import SIDES, Rows

_DRAWS: Final = 500
_SEED: Final = 5


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month beside climatology; both sides together."""

    month: str  #: "2025-06"
    rows: int
    brier_skill: Gain
    log_loss_skill: Gain


class SideScores(msgspec.Struct, frozen=True, kw_only=True):
    """One question: does a long, or a short, bring a net gain?"""

    share: float  #: how often it did
    brier: float
    log_loss: float  #: nats
    ece: float
    auc: float | None  #: None where nothing ever came true, or everything
    reliability: list[Bin]


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, on all rows that were judged."""

    model: str
    rows: int
    sides: dict[str, SideScores]
    brier_skill: Gain  #: 1 − its Brier score ÷ climatology's, with a 90 % interval by whole days
    log_loss_skill: Gain
    months: list[Month]


def scores(model: str, rows: Rows, judged: Places, said: Floats, base: Floats) -> Scores:
    """Judge a candidate.

    Args:
        model: its name.
        rows: all.
        judged: the rows it was asked about without having learnt from them, (m,).
        said: (m, 2) its probabilities.
        base: (m, 2) climatology's.
    """
    was = np.column_stack([rows.was(side)[judged] for side in range(2)])
    months = _month_of(rows.ts[judged])
    found = []
    for month in np.unique(months):
        inside = np.flatnonzero(months == month)
        squared, logged = _gains(rows, judged[inside], said[inside], base[inside], was[inside])
        found.append(Month(month=_name(int(month)), rows=inside.size, brier_skill=squared, log_loss_skill=logged))
    squared, logged = _gains(rows, judged, said, base, was)
    return Scores(
        model=model,
        rows=judged.size,
        sides={name: _side(said[:, at], was[:, at]) for at, name in enumerate(SIDES)},
        brier_skill=squared,
        log_loss_skill=logged,
        months=found,
    )


def _side(said: Floats, was: "np.typing.NDArray[np.bool_]") -> SideScores:
    area = auc(said, was)
    return SideScores(
        share=float(was.mean()),
        brier=brier(said, was),
        log_loss=log_loss(said, was),
        ece=calibration_error(said, was),
        auc=None if math.isnan(area) else area,
        reliability=reliability(said, was),
    )


def _gains(
    rows: Rows, judged: Places, said: Floats, base: Floats, was: "np.typing.NDArray[np.bool_]"
) -> tuple[Gain, Gain]:
    """Gains in Brier score and log loss of both sides, days drawn."""
    days = blocks(rows.ts[judged], DAY_NS)
    squared = [((p - was) ** 2).sum(axis=1) for p in (said, base)]
    logged = [losses(p.ravel(), was.ravel()).reshape(was.shape).sum(axis=1) for p in (said, base)]
    generator = np.random.default_rng(_SEED)
    first = gain(squared[0], squared[1], days, _DRAWS, generator)
    return first, gain(logged[0], logged[1], days, _DRAWS, generator)


def _month_of(ts: Places) -> Places:
    return ts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)


def _name(month: int) -> str:
    return datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC).strftime("%Y-%m")
