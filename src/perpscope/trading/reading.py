"""What Python hands over to compiled loops, read where it stands: whole numbers, floats, and events with their fields.

Asking an event for nine fields, and handing them on one by one, takes longer than what most loops do with them.
"""

import ctypes
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import msgspec
from llvmlite import ir  # type: ignore[import-untyped,unused-ignore]  # it ships no types
from numba import extending  # type: ignore[import-untyped,unused-ignore]  # nor does numba
from numba.core import cgutils, types  # type: ignore[import-untyped,unused-ignore]  # nor here
from numba.core.datamodel import models  # type: ignore[import-untyped,unused-ignore]  # nor here
from numba.core.typing.templates import AttributeTemplate  # type: ignore[import-untyped,unused-ignore]  # nor here

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any
_extending: _Any = extending
_inside: _Any = cgutils

_BITS, _DOUBLE, _OBJECT = ir.IntType(64), ir.DoubleType(), ir.IntType(8).as_pointer()
#: Of Python: where any object says what it is; behind it stand a float's number, or an event's fields.
_KIND_AT: Final = object.__basicsize__ - tuple.__itemsize__
#: What a field is read as.
_READ: Final = {int: types.int64, float: types.float64, float | None: types.float64}


def kind_of(annotation: object) -> types.Type:
    """How an argument is read."""
    if annotation is float:
        return Number("number")
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return Event(annotation)
    return Whole("whole")


class Whole(types.Type):  # type: ignore[misc,unused-ignore]  # numba ships no types
    """A whole number as Python hands it over; any that has `__index__`, and fits into 64 bits."""

    literal_type = types.int64  #: what a compiled function that it is handed on to takes it for, see `as_numbers`


class Number(types.Type):  # type: ignore[misc,unused-ignore]  # as above
    """A float as Python hands it over; any that has `__float__`."""

    literal_type = types.float64


class Event(types.Type):  # type: ignore[misc,unused-ignore]  # as above
    """An event as Python hands it over: its fields that are an `int`, a `float`, or NaN where a float is not told.

    Of a frozen kind, so that none of its fields is ever missing. What is compiled for it goes by where they stand.
    """

    def __init__(self: _Any, of: type[msgspec.Struct]) -> None:
        self.of, self.places = of, _places(of)
        fields = ", ".join(f"{name}: {of.__annotations__[name]} at {place}" for name, place in self.places.items())
        super().__init__(f"{of.__module__}.{of.__qualname__}({fields})")  # type: ignore[no-untyped-call,unused-ignore]  # as above


class _WholeInside(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]  # as above
    def __init__(self, manager: _Any, kind: _Any) -> None:
        super().__init__(manager, kind, _BITS)  # type: ignore[no-untyped-call,unused-ignore]  # as above


class _NumberInside(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]  # as above
    def __init__(self, manager: _Any, kind: _Any) -> None:
        super().__init__(manager, kind, _DOUBLE)  # type: ignore[no-untyped-call,unused-ignore]  # as above


class _EventInside(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]  # as above
    def __init__(self, manager: _Any, kind: _Any) -> None:
        super().__init__(manager, kind, _OBJECT)  # type: ignore[no-untyped-call,unused-ignore]  # as above


def _places(of: type[msgspec.Struct]) -> dict[str, int]:
    """Where an event's fields stand in it: looked for in one of them, each of whose fields is another."""
    told = {name: object() for name in of.__struct_fields__}
    one = of(*told.values())
    stands = {
        ctypes.c_void_p.from_address(id(one) + place).value: place
        for place in range(object.__basicsize__, of.__basicsize__, tuple.__itemsize__)
    }
    return {name: stands[id(value)] for name, value in told.items()}


def _whole(_kind: _Any, told: _Any, c: _Any) -> _Any:
    value = c.pyapi.number_as_ssize_t(told)
    return _read(c, value, c.builder.icmp_signed("==", value, value.type(-1)))


def _number(_kind: _Any, told: _Any, c: _Any) -> _Any:
    """A float is read where it stands; anything else is asked for one."""
    builder, failed = c.builder, _inside.alloca_once_value(c.builder, _inside.false_bit)
    number, kind = _inside.alloca_once(builder, _DOUBLE), _at(builder, told, _KIND_AT, told.type)
    is_float = builder.icmp_unsigned("==", kind, c.pyapi.get_c_object("PyFloat_Type"))
    with builder.if_else(is_float, likely=True) as (plain, other):
        with plain:
            builder.store(_at(builder, told, object.__basicsize__, _DOUBLE), number)
        with other:
            asked = c.pyapi.float_as_double(told)
            builder.store(asked, number)
            with builder.if_then(builder.fcmp_ordered("==", asked, _DOUBLE(-1.0)), likely=False):
                builder.store(c.pyapi.c_api_error(), failed)
    return _extending.NativeValue(builder.load(number), is_error=builder.load(failed))


def _at(builder: _Any, told: _Any, place: int, kind: _Any) -> _Any:
    """What stands in an object."""
    return builder.load(_inside.pointer_add(builder, told, place, kind.as_pointer()))


def _read(c: _Any, value: _Any, is_minus_one: _Any) -> _Any:
    """What was read: -1 may be the number that was told, or say that there was none."""
    failed = _inside.alloca_once_value(c.builder, _inside.false_bit)
    with c.builder.if_then(is_minus_one, likely=False):
        c.builder.store(c.pyapi.c_api_error(), failed)
    return _extending.NativeValue(value, is_error=c.builder.load(failed))


def _same(_context: _Any, _builder: _Any, _from: _Any, _to: _Any, value: _Any) -> _Any:
    """The same bits."""
    return value


def _event(kind: _Any, told: _Any, c: _Any) -> _Any:
    """Itself, if it is one; its kind is kept with the function's other constants."""
    environment = c.builder.load(
        c.context.declare_env_global(c.builder.module, c.context.get_env_name(c.context.fndesc))
    )
    body = c.context.get_env_body(c.builder, environment)
    kept = c.pyapi.get_env_manager(c.context.environment, body, environment)
    wanted = kept.read_const(kept.add_const(kind.of))
    is_other = c.builder.icmp_unsigned("!=", _at(c.builder, told, _KIND_AT, told.type), wanted)
    with c.builder.if_then(is_other, likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", f"{kind.of.__name__} is wanted")
    return _extending.NativeValue(told, is_error=is_other)


@_extending.infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc,unused-ignore]  # as above
    key = Event

    def generic_resolve(self, kind: _Any, name: str) -> types.Type:  # type: ignore[override,unused-ignore]  # it has none
        return _READ[kind.of.__annotations__[name]]


def _field(context: _Any, builder: _Any, kind: _Any, event: _Any, name: str) -> _Any:
    """A field of an event; what is none of its kind's numbers raises what Python says of it."""
    c = SimpleNamespace(builder=builder, pyapi=context.get_python_api(builder))
    told = _at(builder, event, kind.places[name], _OBJECT)
    how = kind.of.__annotations__[name]
    if how in {int, float}:
        return _sound(context, builder, (_whole if how is int else _number)(kind, told, c))
    number = _inside.alloca_once_value(builder, _DOUBLE(float("nan")))
    with builder.if_then(builder.icmp_unsigned("!=", told, c.pyapi.borrow_none())):
        builder.store(_sound(context, builder, _number(kind, told, c)), number)
    return builder.load(number)


def _sound(context: _Any, builder: _Any, read: _Any) -> _Any:
    """What was read, unless it was none: that is raised."""
    with builder.if_then(read.is_error, likely=False):
        context.call_conv.return_exc(builder)
    return read.value


for _kind, _model, _reading in (
    (Whole, _WholeInside, _whole),
    (Number, _NumberInside, _number),
    (Event, _EventInside, _event),
):
    _extending.register_model(_kind)(_model)
    _extending.unbox(_kind)(_reading)
for _kind in (Whole, Number):
    _extending.lower_cast(_kind, _kind.literal_type)(_same)
_extending.lower_getattr_generic(Event)(_field)
