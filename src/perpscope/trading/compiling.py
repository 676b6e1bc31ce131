"""How the loops of trading are compiled: once a machine, when first called, without the interpreter's lock.

What is compiled is kept for the next process where `NUMBA_CACHE_DIR` says, which has to be set before this is
imported. With `NUMBA_DISABLE_JIT=1` the loops stay plain functions, which is how they are measured.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, ParamSpec, TypeAlias, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
import numpy as np
from numba.core import types  # type: ignore[import-untyped,unused-ignore]  # nor does it here
from numba.core.registry import CPUDispatcher  # type: ignore[import-untyped,unused-ignore]  # nor here
from numpy.typing import NDArray

from perpscope.trading.linking import Aparts, Inlines, KeptBeside, Parts, Wholes

#: Bytes that a processor fetches at once.
LINE: Final = 64

#: How a function is put together.
_How: TypeAlias = type[Wholes | Parts | Inlines | Aparts]

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: False with `NUMBA_DISABLE_JIT=1`: a desk is then made so that plain functions find its fields by name.
IS_COMPILED: Final = not bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined,unused-ignore]  # set as it is imported
#: What is asked of our own functions alone, not of a rule, which anybody may write: they make no arrays, so that none
#: have to be counted, and divide by nothing that could be 0, so that nothing has to be looked at before it is done.
_TRADING: Final = "perpscope.trading."
_OWN: Final[Mapping[str, Any]] = {"_nrt": False, "error_model": "numpy"}


def loops(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, compiled; for callers in C there is no entry. Compiled code links its part, see `linking`."""
    made = _made(function, Wholes)
    if IS_COMPILED:
        made.part = _part(function)
        made.get_call_template, made.get_overload = made.part.get_call_template, made.part.get_overload
    return cast("Callable[_P, _R]", made)


def inner(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `loops`, for compiled code alone."""
    return cast("Callable[_P, _R]", _part(function))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `inner`, for what every bar goes through: its code stands in its callers' instead of being called."""
    return cast("Callable[_P, _R]", _part(function, Inlines))


def apart(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `inner`, for what few bars go through: it is called, wherever it is used."""
    return cast("Callable[_P, _R]", _part(function, Aparts))


class _Inner(CPUDispatcher):  # type: ignore[misc,unused-ignore]  # numba ships no types
    """A compiled function that other compiled code alone can call: numba itself would end the process."""

    def __call__(self: Any, *_arguments: object, **_named: object) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.__name__} is called by compiled code alone: decorate it with compiling.loops")


def whole_of(function: Callable[..., Any], rule: Any) -> Any:  # noqa: ANN401 -- numba's dispatchers
    """A function that calls a rule, and is called by its address; kept beside the rule, with none of `_OWN`.

    What numba is told of a caller it does to whatever that calls: a rule may make arrays, and divide by 0.
    """
    compiled = numba.njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, pipeline_class=Wholes)  # type: ignore[call-overload,unused-ignore]  # as below
    made = compiled(function)
    made._cache = KeptBeside(rule.py_func, "whole")
    return made


def _made(function: Callable[..., Any], how: _How, **options: bool) -> Any:  # noqa: ANN401 -- numba's dispatcher, or the function itself
    own = _OWN if function.__module__.startswith(_TRADING) else {}
    compiled = numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True, pipeline_class=how, **own, **options)  # type: ignore[call-overload,unused-ignore]  # its stubs leave it out
    return compiled(function)


def _part(function: Callable[..., Any], how: _How = Parts, **options: bool) -> Any:  # noqa: ANN401 -- as `_made`
    made = _made(function, how, no_cpython_wrapper=True, **options)
    if IS_COMPILED:
        made.get_call_template = partial(as_numbers, made.get_call_template)
        made.__class__, made._cache = _Inner, KeptBeside(function, "part")
    return made


def as_numbers(template: Callable[..., Any], kinds: Sequence[types.Type], named: Mapping[str, types.Type]) -> Any:  # noqa: ANN401
    """How numba looks a compiled function up, with numbers that stand in the caller's code like any other number.

    Numba would compile a function, and all it calls, anew for each of them: a third of the time it takes.
    """
    plain: Callable[[types.Type], types.Type] = types.unliteral
    return template([plain(kind) for kind in kinds], {name: plain(kind) for name, kind in named.items()})


class Named(np.record):  # type: ignore[misc]  # the stubs call it final; it is not
    """A record whose fields come before numpy's own attributes of that name, as they do in compiled loops.

    A plain `recarray` answers `size` with the number of its elements, whatever its field of that name holds.
    """

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  # as numpy's own
        """A field, or else what any record has."""
        fields = np.void.__getattribute__(self, "dtype").fields
        if fields is None or name not in fields:
            return np.void.__getattribute__(self, name)
        found = np.void.getfield(self, *fields[name][:2])
        return found if found.dtype.names is None else found.view((Named, found.dtype))


def named(dtype: np.dtype[np.void]) -> np.dtype[np.void]:
    """Rows as compiled loops and plain functions alike take them."""
    return dtype if IS_COMPILED else np.dtype((Named, dtype))


def blank(dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """One record of zeros, alone in its array, at the start of a line of a processor's cache.

    What a line holds whole is written at once; across two pages, as one desk in seventy would have it, takes a bar
    half as long again.
    """
    there = np.zeros(dtype.itemsize + LINE, np.uint8)
    start = -there.ctypes.data % LINE
    return there[start : start + dtype.itemsize].view(named(dtype))
