"""Trees in ONNX's form, asked through onnxruntime: an extra, imported when a model wants it."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.errors import ConfigError, DataError

#: (n, features) → (n,) probabilities.
Asked: TypeAlias = Callable[[Floats], Floats]
_ERRORS_ONLY: Final = 3


def session(content: bytes) -> Asked:
    """A model that can be asked, on one thread.

    Raises:
        ConfigError: onnxruntime is not installed ("extra-missing").
        DataError: the content is no such model ("model-broken").
    """
    try:
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 -- an extra
    except ImportError as problem:
        raise ConfigError(
            "extra-missing",
            "this model is of trees, and onnxruntime is not installed",
            hint="pip install 'perpscope[ml]', or name a model of another kind: `inference.model`",
        ) from problem
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        made = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # onnxruntime's own errors have no common parent
        raise DataError("model-broken", f"the model cannot be read: {problem}", hint="train it again") from problem
    name = made.get_inputs()[0].name

    def ask(x: Floats) -> Floats:
        return np.asarray(made.run(None, {name: x.astype(np.float32)})[1][:, 1], np.float64)

    return ask
