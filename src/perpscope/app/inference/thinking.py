"""What runs in the lane: the model, and a `Brain` for each instrument, begun from the store's past.

In: minutes. Out: forecasts with how they came about. Imports numpy, numba and what the model wants.
"""

import time
from pathlib import Path
from typing import Final

from perpscope.analytics.features.told import Told as Minutes
from perpscope.analytics.features.told import stale
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.inference.brain import Brain, Minute
from perpscope.app.inference.manifest import Manifest, load
from perpscope.app.inference.opinions import Model, Opinion
from perpscope.app.inference.past import told_of
from perpscope.app.inference.plain import CLIMATOLOGY
from perpscope.app.inference.told import Told
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.order import Forecast
from perpscope.settings import Inference as InferenceSettings
from perpscope.stores.reader import SqliteReader

_DAY_NS: Final = 86_400_000_000_000
#: An expected return that was acted on is acted on until it falls below this share of the least one.
_HOLD: Final = 0.5


class Thinking:
    """One process's; used in the lane alone.

    Args:
        settings: `[inference]`.
        store: whose past is read; None = nothing is known of the past.

    Raises:
        PerpscopeError: the model of the settings cannot be used.
    """

    def __init__(self, settings: InferenceSettings, store: Path | None) -> None:
        self._days = settings.past_days
        self._store = store
        self._model = Model(*load(Path(settings.model).expanduser())) if settings.model else Model(CLIMATOLOGY, {})
        self._brains: dict[InstrumentId, Brain] = {}
        self._acting: dict[InstrumentId, bool] = {}

    @property
    def manifest(self) -> Manifest:
        """What the model is."""
        return self._model.manifest

    def think(
        self,
        instrument: Instrument,
        lead: Instrument | None,
        minute: Minute,
        now: int,
        *,
        is_late: bool,
        began: float,
    ) -> Told | None:
        """A forecast; None of a minute that came after a newer one.

        Args:
            instrument: whose minute.
            lead: bitcoin's contract of its venue; None for itself, or where it is not listened to.
            minute: what was known.
            now: ns UTC, market time when it was handed over.
            is_late: its candle came too late to be acted on.
            began: real seconds, of `perf_counter`.
        """
        brain = self._brains.get(instrument.id)
        if brain is None:
            brain = self._brains[instrument.id] = Brain(self._model, self._past(instrument, lead, minute.ts))
            began = time.perf_counter()
        if minute.ts <= brain.last:
            return None
        thought = brain.think(minute)
        is_promoted = self._model.manifest.is_promoted and not thought.demoted
        is_wanted = is_promoted and not is_late and self._is_worth(instrument.id, thought.opinion)
        self._acting[instrument.id] = is_wanted
        values = {
            "base_up": float(thought.base[0]),
            "base_down": float(thought.base[1]),
            "features_known": thought.opinion.known,
            "sources_stale": float(len(stale(minute.ages))),
            "is_long": float(thought.opinion.is_long),
            "compute_ms": (time.perf_counter() - began) * 1e3,
        }
        return Told(
            forecast=self._forecast(instrument.id, minute.ts, now, thought.opinion, is_promoted, is_late),
            is_wanted=is_wanted,
            why=self._why(thought.demoted, is_late=is_late, is_wanted=is_wanted),
            values=values,
        )

    def _is_worth(self, instrument: InstrumentId, opinion: Opinion) -> bool:
        """Whether an opinion is acted on by the manifest's rule; one that is acted on is held for longer."""
        manifest = self._model.manifest
        least = manifest.edge_min * (_HOLD if self._acting.get(instrument) else 1.0)
        p = opinion.p_up if opinion.is_long else opinion.p_down
        return opinion.edge > least and p >= manifest.p_min

    def _forecast(
        self, instrument: InstrumentId, ts: int, now: int, opinion: Opinion, is_promoted: bool, is_late: bool
    ) -> Forecast:
        return Forecast(
            instrument=instrument,
            ts_event=ts,
            ts_recv=now,
            model=self._model.manifest.id,
            p_up=opinion.p_up,
            p_down=opinion.p_down,
            edge=opinion.edge,
            confidence=opinion.confidence,
            is_promoted=is_promoted,
            is_late=is_late,
        )

    def _why(self, demoted: str, *, is_late: bool, is_wanted: bool) -> str:
        """The word for what a forecast comes to."""
        if is_late:
            return "late"
        if not self._model.manifest.is_promoted:
            return "no-edge-shown"
        if demoted:
            return f"demoted: {demoted}"
        return "expected-gain" if is_wanted else "below-threshold"

    def _past(self, instrument: Instrument, lead: Instrument | None, ts: int) -> tuple[Minutes, Floats] | None:
        """An instrument's minutes in the store before this one."""
        if self._store is None:
            return None
        with SqliteReader.open(self._store) as reader:
            return told_of(reader, instrument, ts - round(self._days * _DAY_NS), ts - 1, lead)
