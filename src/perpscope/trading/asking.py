"""What compiled loops are handed on that they cannot hold: a rule they do not know, and a desk without its array.

A rule is called by the address of its compiled code: so the loops are compiled once a machine, whatever strategies
there are, and so is each rule. A desk's array costs a caller from Python more than all the rest, its address nothing.
In plain Python both are handed on as they are.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
import numpy as np
from numba.core import types  # type: ignore[import-untyped,unused-ignore]  # nor does it here
from numba.extending import intrinsic, overload  # type: ignore[import-untyped,unused-ignore]  # nor here
from numpy.typing import NDArray

from perpscope.trading.compiling import IS_COMPILED, whole_of
from perpscope.trading.layout import DESK
from perpscope.trading.strategy import Record, Rule

#: What `ask` wants of a rule: the address of compiled code, or the rule itself.
Asked: TypeAlias = "int | Rule"
#: What `at` wants of a desk: its array, or the address of its record.
Place: TypeAlias = "NDArray[np.void] | int"

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any

_DESK = numba.from_dtype(DESK)
_TOLD = (_DESK,)


def asked(rule: Rule) -> Asked:
    """What `ask` wants for a rule.

    Raises:
        TypeError: it is not decorated with `loops`.
    """
    if not IS_COMPILED:
        return rule
    if not hasattr(rule, "overloads"):
        raise TypeError(f"rule {rule!r} must be compiled: decorate it with perpscope.trading.compiling.loops")
    made = _of_desk(rule)
    made.compile(_TOLD)
    found = made.overloads[_TOLD]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


@cache
def _of_desk(rule: _Any) -> _Any:
    """The rule as the loops call it, with the one address of a desk, where all stands that it is told.

    Two arrays are fourteen numbers to be written down for every bar.
    """
    return whole_of(lambda d: rule(d.watch, d.account, d.parameters, d.notes), rule)


def placed(desk: NDArray[np.void]) -> Place:
    """What `at` wants for a desk whose array the caller keeps."""
    return int(desk.ctypes.data) if IS_COMPILED else desk


def _at(desk: _Any) -> Record:
    """The record of a desk."""
    return desk[0]


def _ask(rule: Rule, d: Record) -> int:
    """Ask a rule; what it raises is raised here."""
    return rule(d.watch, d.account, d.parameters, d.notes)


@intrinsic
def _ask_by_address(_typing: _Any, address: _Any, desk: _Any) -> _Any:
    """Numba's own way of calling, to an address that is known only when it runs."""

    def code(context: _Any, builder: _Any, signature: _Any, values: _Any) -> _Any:
        kinds = signature.args[1:]
        kind = context.call_conv.get_function_type(types.int64, kinds)
        function = builder.inttoptr(values[0], kind.as_pointer())
        status, answer = context.call_conv.call_function(builder, function, types.int64, kinds, values[1:])
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return answer

    return types.int64(address, desk), code


@intrinsic
def _at_address(_typing: _Any, address: _Any) -> _Any:
    """The desk's record that begins there."""

    def code(context: _Any, builder: _Any, _signature: _Any, values: _Any) -> _Any:
        return builder.inttoptr(values[0], context.get_value_type(_DESK))

    return _DESK(address), code


@overload(_at, strict=False)
def _at_either(desk: _Any) -> _Any:
    """`_at`, for an array or an address."""
    if isinstance(desk, types.Array):
        return lambda desk: desk[0]
    found: _Any = _at_address
    return lambda desk: found(desk)  # noqa: PLW0108 -- numba compiles a function, no intrinsic


#: `at(desk)`: the record of what `placed` gave, or of the array itself.
at: Callable[[Place], Record] = _at
#: `ask(asked, desk)`: what the rule answers to a desk's record.
ask: Callable[[Asked, Record], int] = cast("Any", _ask_by_address if IS_COMPILED else _ask)
