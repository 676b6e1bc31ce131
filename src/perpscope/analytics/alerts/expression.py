"""What a rule's expression means: numbers, names, comparisons and the three words, and nothing else.

In: a tree made by `grammar`, and values by name. Out: a number, True or False, or None where a name that matters is
unknown. Nothing here calls, imports or loops on what the text says: a tree of n nodes costs n steps.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Final, Literal, TypeAlias

import msgspec

#: What a name can stand for; None = unknown.
Value: TypeAlias = float | str | None
Values: TypeAlias = Mapping[str, Value]
Comparator: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]


class Number(msgspec.Struct, frozen=True):
    """A literal."""

    value: float


class Text(msgspec.Struct, frozen=True):
    """A literal in quotes, e.g. the name of a coin."""

    value: str


class Name(msgspec.Struct, frozen=True):
    """A measure."""

    name: str


class Sum(msgspec.Struct, frozen=True):
    """Two numbers made one."""

    operator: Literal["+", "-", "*", "/"]
    left: "Node"
    right: "Node"


class Call(msgspec.Struct, frozen=True):
    """One of three functions."""

    function: Literal["abs", "min", "max"]
    arguments: "tuple[Node, ...]"


class Comparison(msgspec.Struct, frozen=True):
    """Two numbers, or two texts, against each other."""

    comparator: Comparator
    left: "Node"
    right: "Node"


class Logic(msgspec.Struct, frozen=True):
    """All of these, or any."""

    word: Literal["and", "or"]
    parts: "tuple[Node, ...]"


class Not(msgspec.Struct, frozen=True):
    """The opposite."""

    part: "Node"


Node: TypeAlias = Number | Text | Name | Sum | Call | Comparison | Logic | Not
_SUMS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else float("nan"),
}
_CALLS: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "abs": lambda values: abs(values[0]),
    "min": min,
    "max": max,
}
_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LARGER: Final = frozenset({">", ">="})
_SMALLER: Final = frozenset({"<", "<="})


def truth(node: Node, values: Values) -> bool | None:
    """Whether a condition holds; None where that hangs on something unknown.

    `and` is false as soon as a part is, `or` true as soon as one is, whatever is unknown beside it.

    >>> big = Comparison(">", Name("liq_usd_5m"), Number(5e6))
    >>> truth(big, {"liq_usd_5m": 6e6}), truth(big, {"liq_usd_5m": None})
    (True, None)
    >>> truth(Logic("or", (big, Comparison("==", Name("coin"), Text("BTC")))), {"coin": "BTC"})
    True
    """
    match node:
        case Comparison():
            return _compared(node, values)
        case Not():
            part = truth(node.part, values)
            return None if part is None else not part
        case Logic():
            decides = node.word == "or"
            found = [truth(part, values) for part in node.parts]
            return decides if decides in found else None if None in found else not decides
        case _:
            raise TypeError(f"{type(node).__name__} is no condition")


def number(node: Node, values: Values) -> float | None:
    """What an arithmetic part comes to; None where a name in it is unknown, or nothing finite comes of it."""
    match node:
        case Number():
            return node.value
        case Name():
            value = values.get(node.name)
            return value if isinstance(value, float | int) and isfinite(value) else None
        case Sum():
            left, right = number(node.left, values), number(node.right, values)
            return None if left is None or right is None else _finite(_SUMS[node.operator](left, right))
        case Call():
            found = [number(argument, values) for argument in node.arguments]
            known = [value for value in found if value is not None]
            return None if len(known) < len(found) else _CALLS[node.function](known)
        case _:
            raise TypeError(f"{type(node).__name__} is no number")


def names(node: Node) -> tuple[str, ...]:
    """Every name of a tree, once, in the order of the text."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))


def walk(node: Node) -> Iterator[Node]:
    """Every node, a parent before its parts."""
    yield node
    parts: tuple[Node, ...] = ()
    match node:
        case Sum() | Comparison():
            parts = (node.left, node.right)
        case Call():
            parts = node.arguments
        case Logic():
            parts = node.parts
        case Not():
            parts = (node.part,)
        case _:
            pass
    for part in parts:
        yield from walk(part)


def softened(node: Node, factor: float) -> Node:
    """The same condition, easier to meet: each bound moved by `(1 − factor)` of itself, for hysteresis.

    Args:
        node: a condition.
        factor: in (0, 1]; 0.8 lets `x > 100` hold down to 80, `x < −1` up to −0.8, `x < 10` up to 12.
    """
    return _moved(node, 1.0 - factor, eases=True)


def _moved(node: Node, share: float, *, eases: bool) -> Node:
    match node:
        case Comparison(comparator=comparator, left=left, right=right):
            upwards = comparator in _LARGER
            if not (upwards or comparator in _SMALLER):
                return node
            is_right = isinstance(right, Number)
            bound = right if is_right else left
            if not isinstance(bound, Number):
                return node
            lower = upwards == is_right  # `x > c` and `c < x` ease as c falls
            step = share * abs(bound.value) * (1.0 if lower != eases else -1.0)
            moved = Number(bound.value + step)
            return Comparison(comparator, left, moved) if is_right else Comparison(comparator, moved, right)
        case Logic(word=word, parts=parts):
            return Logic(word, tuple(_moved(part, share, eases=eases) for part in parts))
        case Not(part=part):
            return Not(_moved(part, share, eases=not eases))
        case _:
            return node


def _compared(node: Comparison, values: Values) -> bool | None:
    """Texts by their letters, in any case; numbers by their size."""
    if is_text(node.left) or is_text(node.right):
        left, right = _text(node.left, values), _text(node.right, values)
        if left is None or right is None:
            return None
        return (left == right) == (node.comparator == "==")
    one, other = number(node.left, values), number(node.right, values)
    if one is None or other is None:
        return None
    return _COMPARED[node.comparator](one, other)


def is_text(node: Node) -> bool:
    """Whether a node is a literal in quotes: what it is compared with is a text, too."""
    return isinstance(node, Text)


def _text(node: Node, values: Values) -> str | None:
    if isinstance(node, Text):
        return node.value.upper()
    found = values.get(node.name) if isinstance(node, Name) else None
    return found.upper() if isinstance(found, str) else None


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
