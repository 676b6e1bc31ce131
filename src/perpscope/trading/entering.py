"""How Python calls a compiled loop for less than a microsecond's work, once an event.

Numba's own way looks up the kind of every argument, makes another object of each, and gives the interpreter's lock
away and takes it back: 0.6 µs for eleven numbers. Whoever calls with whole numbers and floats alone needs none of it.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
from llvmlite import ir  # type: ignore[import-untyped,unused-ignore]  # nor does this
from numba import extending
from numba.core import cgutils, types  # type: ignore[import-untyped,unused-ignore]  # nor here
from numba.core.datamodel import models  # type: ignore[import-untyped,unused-ignore]  # nor here

from perpscope.trading.compiling import IS_COMPILED
from perpscope.trading.linking import Wholes

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any
_extending: _Any = extending
_inside: _Any = cgutils
_njit: _Any = numba.njit

_BITS, _DOUBLE = ir.IntType(64), ir.DoubleType()


class Whole(types.Type):  # type: ignore[misc,unused-ignore]  # numba ships no types
    """A whole number as Python hands it over; any that has `__index__`, and fits into 64 bits."""

    literal_type = types.int64  #: what a compiled function that it is handed on to takes it for, see `as_numbers`


class Number(types.Type):  # type: ignore[misc,unused-ignore]  # as above
    """A float as Python hands it over; any that has `__float__`."""

    literal_type = types.float64


class _WholeInside(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]  # as above
    def __init__(self, manager: _Any, kind: _Any) -> None:
        super().__init__(manager, kind, _BITS)  # type: ignore[no-untyped-call,unused-ignore]  # as above


class _NumberInside(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]  # as above
    def __init__(self, manager: _Any, kind: _Any) -> None:
        super().__init__(manager, kind, _DOUBLE)  # type: ignore[no-untyped-call,unused-ignore]  # as above


def _whole(_kind: _Any, told: _Any, c: _Any) -> _Any:
    value = c.pyapi.number_as_ssize_t(told)
    return _read(c, value, c.builder.icmp_signed("==", value, value.type(-1)))


def _number(_kind: _Any, told: _Any, c: _Any) -> _Any:
    value = c.pyapi.float_as_double(told)
    return _read(c, value, c.builder.fcmp_ordered("==", value, value.type(-1.0)))


def _read(c: _Any, value: _Any, is_minus_one: _Any) -> _Any:
    """What was read: -1 may be the number that was told, or say that there was none."""
    failed = _inside.alloca_once_value(c.builder, _inside.false_bit)
    with c.builder.if_then(is_minus_one, likely=False):
        c.builder.store(c.pyapi.c_api_error(), failed)
    return _extending.NativeValue(value, is_error=c.builder.load(failed))


def _same(_context: _Any, _builder: _Any, _from: _Any, _to: _Any, value: _Any) -> _Any:
    """The same bits."""
    return value


for _kind, _model, _reading in ((Whole, _WholeInside, _whole), (Number, _NumberInside, _number)):
    _extending.register_model(_kind)(_model)
    _extending.unbox(_kind)(_reading)
    _extending.lower_cast(_kind, _kind.literal_type)(_same)


def entered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function of a module that hands its numbers on to a loop, to be called by that module's name for it.

    The first call makes it ready, compiled or read from where compiled code is kept, and puts what numba made in its
    place. It keeps the interpreter's lock. Arguments are told by their order, and annotated: a `float`, or else a
    whole number; of anything else it raises a TypeError, and an OverflowError of what does not fit.
    """
    return _in_place(function) if IS_COMPILED else function


def _in_place(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(function)
    def first(*arguments: _P.args, **_named: _P.kwargs) -> _R:
        entry = _entry(function)
        cast("_Any", function).__globals__[function.__name__] = entry
        return entry(*arguments)

    return first


def _entry(function: Callable[..., _R]) -> Callable[..., _R]:
    """What numba made of a function, without what looks arguments up before it; it keeps its code alive."""
    told = inspect.signature(function).parameters.values()
    kinds: Sequence[types.Type] = tuple(Number("number") if one.annotation is float else Whole("whole") for one in told)
    made = _njit(cache=True, no_cfunc_wrapper=True, pipeline_class=Wholes, _nrt=False, error_model="numpy")(function)
    made.compile(kinds)
    return cast("Callable[..., _R]", made.overloads[kinds].entry_point)
