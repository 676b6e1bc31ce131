"""Strategies by name or by file, and their parameters.

A strategy is a module of `perpscope.strategies`, or a file of one's own: `backtest ./mine.py`, or by name where the
configuration tells its file (`[strategy.mine] file = "mine.py"`). Parameters come from `[strategy.NAME]`, then from
`--param key=value`; a key that is none is refused with the nearest.
"""

import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, get_args, get_type_hints

import msgspec
from msgspec import Meta

from perpscope import strategies
from perpscope.app.kept_code import keep_compiled
from perpscope.config import convert, nearest
from perpscope.errors import ConfigError
from perpscope.settings import Settings, Table

if TYPE_CHECKING:
    from perpscope.trading.strategy import Strategy

#: A key of `[strategy.NAME]` that is no parameter: where a strategy of one's own stands.
FILE: Final = "file"
#: Keys of `[strategy.NAME]` that are no parameters: these two say whether it decides while collecting, and on what.
NOT_PARAMETERS: Final = (FILE, "enabled", "symbols")
_KEBAB: Final = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")
_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,39}$")

keep_compiled()  # numba looks where to keep things when it is imported, which comes next


def names() -> list[str]:
    """The strategies that come with perpscope."""
    return sorted(module.name for module in pkgutil.iter_modules(strategies.__path__))


def find(name: str, settings: Settings | None = None) -> "Strategy":
    """The strategy of a name, or of a file.

    Args:
        name: a shipped one's, one's of `[strategy.NAME]` with a file, or the path of a file that ends in `.py`.
        settings: the configuration; None = defaults.

    Raises:
        ConfigError: there is none ("strategy-unknown"), its file is no strategy ("strategy-file"), or the configuration
            has a table for none ("config-unknown-key").
    """
    tables = {} if settings is None else settings.strategy
    found = _found(name, tables)
    _refuse_tables_of_none(tables, found.name)
    return found


def parameters(strategy: "Strategy", settings: Settings, given: Mapping[str, str] | None = None) -> msgspec.Struct:
    """What a strategy is run with: defaults, `[strategy.NAME]`, then what was given.

    Args:
        strategy: whose.
        settings: the configuration.
        given: value by key, see `assigned`.

    Raises:
        ConfigError: a key is none of its parameters ("config-unknown-key"), or a value is not in its range
            ("config-value").
    """
    where, own = f"strategy.{strategy.name}", given or {}
    table: Table = {
        key: value for key, value in settings.strategy.get(strategy.name, {}).items() if key not in NOT_PARAMETERS
    }
    origins = {f"{where}.{key}": "command line" for key in own}
    return convert({**table, **own}, strategy.parameters, where, origins)


def assigned(pairs: Iterable[str]) -> dict[str, str]:
    """Parameters as `--param` gives them, by key.

    Raises:
        ConfigError: one is not of the form key=value ("option-value").

    >>> assigned(["stop=0.02", "bars = 30"])
    {'stop': '0.02', 'bars': '30'}
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError("option-value", f"--param {pair} is not of the form key=value", hint="--param stop=0.02")
        found[key.strip()] = value.strip()
    return found


def flaws(strategy: "Strategy") -> list[str]:
    """What keeps a strategy from being a proper one, in words; its rule is not looked at."""
    from perpscope.trading.layout import NUMBERS, SEEN  # noqa: PLC0415 -- it needs numpy, which `names` does not

    fields = strategy.parameters.__struct_fields__
    found = []
    if not _NAME.match(strategy.name):
        found.append(f"name {strategy.name!r} must be of a–z, 0–9 and _, 40 at most")
    if len(strategy.figures) > SEEN:
        found.append(f"{len(strategy.figures)} figures are more than {SEEN}")
    if len(fields) > NUMBERS:
        found.append(f"{len(fields)} parameters are more than {NUMBERS}")
    if not strategy.reasons or strategy.reasons[0] != "":
        found.append('reasons must begin with ""')
    found += [
        f"{word!r} must be words with hyphens"
        for word in (*strategy.reasons[1:], *strategy.entry_rules)
        if not _KEBAB.match(word)
    ]
    hints = get_type_hints(strategy.parameters, include_extras=True)
    for field in fields:
        meta = next((m for m in get_args(hints[field]) if isinstance(m, Meta)), None)
        if meta is None or not meta.description:
            found.append(f"parameter {field} has no description")
        elif None in (meta.ge if meta.gt is None else meta.gt, meta.le if meta.lt is None else meta.lt):
            found.append(f"parameter {field} has no bounds")
    found += [f"grid names {key!r}, which is no parameter" for key in strategy.grid if key not in fields]
    return found


def proven(strategy: "Strategy") -> "Strategy":
    """The same strategy, its rule compiled and asked once about nothing: what cannot be compiled is told early.

    Raises:
        ConfigError: the rule cannot be compiled, fails, or trades on nothing ("strategy-rule").
    """
    import numpy as np  # noqa: PLC0415 -- see `flaws`

    from perpscope.trading.compiling import IS_COMPILED, blank  # noqa: PLC0415
    from perpscope.trading.layout import ACCOUNT, NUMBERS, WATCH  # noqa: PLC0415

    if IS_COMPILED and not hasattr(strategy.rule, "py_func"):
        raise ConfigError(
            "strategy-rule",
            f"the rule of {strategy.name} is not compiled",
            hint="write @loops above it: from perpscope.trading.compiling import loops",
        )
    numbers, notes = np.zeros(NUMBERS), np.zeros(NUMBERS)
    mine = strategy.numbers(strategy.parameters())
    numbers[: mine.size] = mine
    try:
        strategy.rule(blank(WATCH)[0], blank(ACCOUNT)[0], numbers, notes)
    except Exception as error:  # what a stranger wrote may fail in any way
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConfigError(
            "strategy-rule",
            f"the rule of {strategy.name} fails: {first}",
            hint="it may use numbers, records and functions with @loops: docs/add-a-strategy.md",
        ) from error
    return strategy


def _found(name: str, tables: Mapping[str, Table]) -> "Strategy":
    if name.endswith(".py") or os.sep in name:
        return _of_file(Path(name))
    if FILE in tables.get(name, {}):
        own = _of_file(Path(str(tables[name][FILE])).expanduser())
        if own.name != name:
            raise ConfigError("strategy-file", f"[strategy.{name}] names the file of {own.name!r}", hint="one name")
        return own
    known = names()
    if name not in known:
        like = nearest(name, [*known, *tables])
        hint = f"did you mean {like!r}?" if like else f"known: {', '.join(known)}; a file of your own ends in .py"
        raise ConfigError("strategy-unknown", f"unknown strategy {name!r}", hint=hint)
    found: Strategy = importlib.import_module(f"perpscope.strategies.{name}").STRATEGY
    return found


def _of_file(path: Path) -> "Strategy":
    """The `STRATEGY` of a file, which is run."""
    from perpscope.trading.strategy import Strategy  # noqa: PLC0415 -- see `flaws`

    if not path.is_file():
        raise ConfigError("strategy-file", f"there is no file {str(path)!r}", hint="docs/add-a-strategy.md")
    try:
        module = _run(path)
    except Exception as error:  # what a stranger wrote may fail in any way
        raise ConfigError("strategy-file", f"{path}: {type(error).__name__}: {error}", hint="it has to run") from error
    found = getattr(module, "STRATEGY", None)
    if not isinstance(found, Strategy):
        raise ConfigError("strategy-file", f"{path} has no STRATEGY", hint="docs/add-a-strategy.md shows one")
    wrong = flaws(found)
    if wrong:
        raise ConfigError("strategy-file", f"{path}: {'; '.join(wrong)}", hint="docs/add-a-strategy.md")
    return found


def _run(path: Path) -> ModuleType:
    """A file as a module of its own; numba looks it up by name when it loads what it kept of it."""
    name = f"perpscope_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None  # noqa: S101 -- a file that ends in .py has a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _refuse_tables_of_none(tables: Mapping[str, Table], running: str) -> None:
    known = names()
    for name, table in tables.items():
        if name not in known and name != running and FILE not in table:
            like = nearest(name, known)
            hint = f"did you mean 'strategy.{like}'?" if like else 'of your own: file = "mine.py"'
            raise ConfigError("config-unknown-key", f"unknown strategy 'strategy.{name}' has settings", hint=hint)
