"""What compiled loops are handed on that they cannot hold: a rule they do not know, and a desk without its array.

A rule is called by the address of its compiled code: so the loops are compiled once a machine, whatever strategies
there are, and so is each rule. A desk's array costs a caller from Python more than all the rest, its address nothing.
In plain Python both are handed on as they are.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
import numpy as np
from numba.core import types  # type: ignore[import-untyped,unused-ignore]  # nor does it here
from numba.extending import intrinsic, overload  # type: ignore[import-untyped,unused-ignore]  # nor here
from numpy.typing import NDArray

from perpscope.trading.compiling import IS_COMPILED
from perpscope.trading.layout import ACCOUNT, DESK, WATCH
from perpscope.trading.strategy import Record, Rule

#: What `ask` wants of a rule: the address of compiled code, or the rule itself.
Asked: TypeAlias = "int | Rule"
#: What `at` wants of a desk: its array, or the address of its record.
Place: TypeAlias = "NDArray[np.void] | int"

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any

_NUMBERS = types.Array(types.float64, 1, "C")
_SIGNATURE = (numba.from_dtype(WATCH), numba.from_dtype(ACCOUNT), _NUMBERS, _NUMBERS)
_DESK = numba.from_dtype(DESK)


def asked(rule: Rule) -> Asked:
    """What `ask` wants for a rule, which must outlive its use: its code goes with it.

    Raises:
        TypeError: it is not decorated with `loops`.
    """
    if not IS_COMPILED:
        return rule
    if not hasattr(rule, "overloads"):
        raise TypeError(f"rule {rule!r} must be compiled: decorate it with perpscope.trading.compiling.loops")
    rule.compile(_SIGNATURE)  # type: ignore[attr-defined]  # numba's dispatcher
    made = rule.overloads[_SIGNATURE]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def placed(desk: NDArray[np.void]) -> Place:
    """What `at` wants for a desk whose array the caller keeps."""
    return int(desk.ctypes.data) if IS_COMPILED else desk


def _at(desk: _Any) -> Record:
    """The record of a desk."""
    return desk[0]


def _ask(rule: Rule, watch: Record, account: Record, parameters: _Any, notes: _Any) -> int:
    """Ask a rule; what it raises is raised here."""
    return rule(watch, account, parameters, notes)


@intrinsic
def _ask_by_address(_typing: _Any, address: _Any, watch: _Any, account: _Any, parameters: _Any, notes: _Any) -> _Any:
    """Numba's own way of calling, to an address that is known only when it runs."""

    def code(context: _Any, builder: _Any, signature: _Any, values: _Any) -> _Any:
        kinds = signature.args[1:]
        kind = context.call_conv.get_function_type(types.int64, kinds)
        function = builder.inttoptr(values[0], kind.as_pointer())
        status, answer = context.call_conv.call_function(builder, function, types.int64, kinds, values[1:])
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return answer

    return types.int64(address, watch, account, parameters, notes), code


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
#: `ask(asked, watch, account, parameters, notes)`: what the rule answers.
ask: Callable[[Asked, Record, Record, Any, Any], int] = cast("Any", _ask_by_address if IS_COMPILED else _ask)
