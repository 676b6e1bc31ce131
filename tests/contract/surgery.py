"""Frames taken apart and put together again: every field removed, changed, or joined by strangers."""

import json
from collections.abc import Iterator
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"
Path: TypeAlias = tuple[str | int, ...]  #: keys and positions, outermost first


def paths(value: Json, at: Path = ()) -> Iterator[Path]:
    """Where every field and element of a frame stands."""
    items: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*at, key)
        yield from paths(inner, (*at, key))


def at_path(value: Json, path: Path) -> Json:
    """What stands there."""
    for key in path:
        if isinstance(value, dict):
            value = value[str(key)]
        elif isinstance(value, list):
            value = value[int(key)]
    return value


def without(frame: Json, path: Path) -> Json:
    """The frame less what stands there."""
    copy: Json = json.loads(json.dumps(frame))
    inside = at_path(copy, path[:-1])
    if isinstance(inside, dict):
        del inside[str(path[-1])]
    elif isinstance(inside, list):
        del inside[int(path[-1])]
    return copy


def changed(frame: Json, path: Path, new: Json) -> Json:
    """The frame with something else there."""
    copy: Json = json.loads(json.dumps(frame))
    inside = at_path(copy, path[:-1])
    if isinstance(inside, dict):
        inside[str(path[-1])] = new
    elif isinstance(inside, list):
        inside[int(path[-1])] = new
    return copy


def with_strangers(value: Json) -> Json:
    """The frame with a field more at each end of every object."""
    if isinstance(value, dict):
        inner = {key: with_strangers(inner) for key, inner in value.items()}
        return {"zz0": {"a": [1, None]}, **inner, "zz1": "x"}
    return [with_strangers(inner) for inner in value] if isinstance(value, list) else value


def leaves(value: Json) -> Iterator[Json]:
    """Every value that holds no others."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


def number(value: Json) -> float | None:
    """A number, or what a venue writes for one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def numbers(value: Json) -> set[float]:
    """Every number in a frame."""
    return {found for leaf in leaves(value) if (found := number(leaf)) is not None}
