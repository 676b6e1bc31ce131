"""How loops are compiled: by numba, when first called, kept for the next process, without the interpreter's lock.

Importing this imports numba (a second). What is compiled is kept where `NUMBA_CACHE_DIR` says, which has to be set
before. With `NUMBA_DISABLE_JIT=1` the loops stay plain functions.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types

_P = ParamSpec("_P")
_R = TypeVar("_R")


def loops(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, compiled."""
    return cast("Callable[_P, _R]", numba.njit(cache=True, nogil=True)(function))
