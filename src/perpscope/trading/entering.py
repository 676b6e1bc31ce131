"""How Python calls a compiled loop for less than a microsecond's work, once an event.

Numba's own way puts the arguments into a tuple and takes them out again, looks up the kind of each, makes another
object of it, and gives the interpreter's lock away and takes it back: 0.6 µs for eleven numbers. Whoever calls with
whole numbers, floats and events alone needs none of it.
"""

import ctypes
import inspect
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
from llvmlite import ir  # type: ignore[import-untyped,unused-ignore]  # nor does this
from numba.core import types  # type: ignore[import-untyped,unused-ignore]  # nor here
from numba.core.callwrapper import PyCallWrapper  # type: ignore[import-untyped,unused-ignore]  # nor here

from perpscope.trading.compiling import IS_COMPILED
from perpscope.trading.linking import Wholes
from perpscope.trading.reading import kind_of

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any
_njit: _Any = numba.njit

#: Of Python: a function in C is called with an address where its arguments stand, and their number.
_METH_FASTCALL = 0x80


class _Definition(ctypes.Structure):
    """Of Python, too: what a function in C is."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.POINTER(_Definition), ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


def entered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function of a module that hands its numbers on to a loop, to be called by that module's name for it.

    The first call makes it ready, compiled or read from where compiled code is kept, and puts what numba made in its
    place. It keeps the interpreter's lock. Arguments are told by their order, and annotated: a `float`, an event (see
    `reading.Event`), or else a whole number; of anything else it raises a TypeError, and an OverflowError of what does
    not fit.
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
    kinds: Sequence[types.Type] = tuple(kind_of(one.annotation) for one in told)
    made = _njit(cache=True, no_cfunc_wrapper=True, pipeline_class=_Entry, _nrt=False, error_model="numpy")(function)
    made.compile(kinds)
    code = made.overloads[kinds]
    address = code.library.get_pointer_to_function(code.fndesc.llvm_cpython_wrapper_name)
    definition = _Definition(function.__name__.encode(), address, _METH_FASTCALL, None)
    entry = _new_function(ctypes.byref(definition), (definition, code), None)
    return cast("Callable[..., _R]", entry)


class _Entry(Wholes):
    """Of what Python calls by an address where its arguments stand."""

    def define_pipelines(self: _Any) -> list[_Any]:
        """Numba's passes, with another way in; what numba knows of the machine is this function's own copy."""
        context = self.state.targetctx
        context.create_cpython_wrapper = partial(_with_way_in, context)
        return super().define_pipelines()


def _with_way_in(context: _Any, library: _Any, told: _Any, environment: _Any, call: _Any, release_gil: bool) -> None:
    """Put the way in into a function's library, as numba puts its own."""
    module = context.create_module(told.llvm_cpython_wrapper_name)
    kind = context.call_conv.get_function_type(told.restype, told.argtypes)
    function = ir.Function(module, kind, told.llvm_func_name)
    own = context.subtarget(environment=environment, fndesc=told)
    _WayIn(own, module, function, told, environment, call, release_gil).build()  # type: ignore[no-untyped-call,unused-ignore]  # as above
    library.add_ir_module(module)


class _WayIn(PyCallWrapper):  # type: ignore[misc,unused-ignore]  # as above
    """What stands between Python and a compiled function: numba's own, but for where it finds the arguments."""

    def build(self: _Any) -> None:
        """Write it."""
        one = self.context.get_argument_type(types.pyobject)
        kind = ir.FunctionType(one, [one, one.as_pointer(), ir.IntType(64)])
        function = ir.Function(self.module, kind, self.fndesc.llvm_cpython_wrapper_name)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        _, arguments, count = function.args
        api = self.context.get_python_api(builder)
        api.unpack_tuple = partial(_found, api, count)
        self.build_wrapper(api, builder, None, arguments, None)


def _found(api: _Any, count: _Any, arguments: _Any, _name: str, wanted: int, _most: int, *places: _Any) -> _Any:
    """Whether there are as many arguments as wanted; then where they stand is written into the places."""
    is_right = api.builder.icmp_signed("==", count, count.type(wanted))
    with api.builder.if_else(is_right, likely=True) as (right, wrong):
        with right:
            for at, place in enumerate(places):
                api.builder.store(api.builder.load(api.builder.gep(arguments, [count.type(at)])), place)
        with wrong:
            api.err_set_string("PyExc_TypeError", f"{wanted} arguments are wanted")
    return is_right
