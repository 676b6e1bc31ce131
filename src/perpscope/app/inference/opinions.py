"""A model that can be asked: features and climatology in, probabilities and what they are worth out. And it learns on.

Figures become probabilities by the manifest's calibration; the two sides never sum to more than 1.
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from perpscope.analytics.features.raw import FEATURE
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.app.inference.manifest import Manifest
from perpscope.app.inference.onnx import Asked, session
from perpscope.errors import DataError

SIDES = ("up", "down")


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of one minute."""

    p_up: float
    p_down: float
    edge: float  #: expected net return of the better side, fraction
    is_long: bool  #: whether that is the long side
    confidence: float  #: in [0, 1]: |edge| ÷ its spread among the folds, s ÷ (1 + s)
    known: float  #: share of the features that were known


class Model:
    """A manifest's model; to be asked from one thread.

    Args:
        manifest: what it is.
        files: contents by name.

    Raises:
        ConfigError: it wants an extra that is not installed.
        DataError: it names a feature this program does not make, or lacks a part ("model-broken").
    """

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self.manifest = manifest
        unknown = [name for name in manifest.features if name not in FEATURE]
        if unknown or set(manifest.sides) != set(SIDES):
            what = f"features {', '.join(unknown)} are not known" if unknown else "it has not both sides"
            raise DataError("model-broken", f"model {manifest.id}: {what}", hint="train it with this version")
        self._places = np.array([FEATURE[name] for name in manifest.features], np.int64)
        self._sides = [manifest.sides[name] for name in SIDES]
        self._online: list[OnlineLogistic | None] = []
        self._trees: list[Asked | None] = []
        for side in self._sides:
            state = None if side.state is None else np.array(side.state, np.float64)
            self._online.append(None if state is None else OnlineLogistic(len(manifest.features), state))
            self._trees.append(None if side.file is None else session(files[side.file]))

    def chosen(self, features: Floats) -> Floats:
        """Of all features those that this model is asked with."""
        found: Floats = features[self._places]
        return found

    def ask(self, x: Floats, base: Floats) -> Opinion:
        """An opinion.

        Args:
            x: (features,) of `chosen`; NaN = not known.
            base: (2,) climatology's shares.
        """
        p = np.array([self._probability(side, x, float(base[side])) for side in range(2)])
        p /= max(1.0, float(p.sum()))
        expected = [float(p[at] * side.gain + (1.0 - p[at]) * side.rest) for at, side in enumerate(self._sides)]
        edge = max(expected)
        size = abs(edge) / self.manifest.spread if self.manifest.spread > 0.0 else 0.0
        return Opinion(
            p_up=float(p[0]),
            p_down=float(p[1]),
            edge=edge,
            is_long=expected[0] >= expected[1],
            confidence=size / (1.0 + size),
            known=float((~np.isnan(x)).mean()) if x.size else 1.0,
        )

    def learn(self, x: Floats, base: Floats, outcome: int, weight: float) -> None:
        """What came of a minute: 1, 0 or -1; only the online model learns."""
        for side, sign in enumerate((1, -1)):
            online = self._online[side]
            if online is not None:
                online.learn(x, float(base[side]), outcome == sign, weight)

    def _probability(self, side: int, x: Floats, base: float) -> float:
        trees, online = self._trees[side], self._online[side]
        if trees is not None:
            figure = float(trees(x[None, :])[0])
        elif online is not None:
            figure = online.say(x, base)
        else:
            figure = base
        return float(self._sides[side].calibration(np.array([figure]))[0])
