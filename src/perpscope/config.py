"""One frozen tree of settings, from defaults, TOML files, the environment and flags, in that order.

In: `~/.config/perpscope/config.toml`, `./perpscope.toml` (or the file named by `--config`), `PERPSCOPE_…` variables
(`__` goes one level down: `PERPSCOPE_FEED__SILENT_AFTER_S=3`) and what the command line gave. Out: `Settings`, and for
each value where it came from. An unknown key is refused with the nearest name. `[venue.X]` and `[ccxt.options.X]` stay
raw here: whoever builds the venue converts them with a Struct of its own through `convert`.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from perpscope.errors import ConfigError
from perpscope.settings import Settings, Table

T = TypeVar("T")

#: Key and secret of the account that is traded: read by the trader alone (`app.trade.credentials`), never a setting.
TRADE_KEYS = ("PERPSCOPE_TRADE_KEY", "PERPSCOPE_TRADE_SECRET")
#: Variables that are no settings: those that steer the build or the tests, and the account's keys.
RESERVED_VARIABLES = frozenset({"PERPSCOPE_DATA", "PERPSCOPE_WEB", *TRADE_KEYS})
#: Settings that only the environment, or a file of their own, may hold: in the tree is a mark in their place.
SECRETS: Mapping[str, str] = {
    "telegram.token": "set PERPSCOPE_TELEGRAM__TOKEN, or telegram.token_file; the token that stood there was seen by"
    " whoever may read that file: /revoke it at @BotFather",
    "webhook.secret": "set PERPSCOPE_WEBHOOK__SECRET, or webhook.secret_file; take a new secret",
}
#: Stands where a secret is set.
MASK = "••••"
#: One variable for several settings.
_BOTH: Mapping[str, Sequence[Sequence[str]]] = {"PERPSCOPE_REDIS": (("redis", "bus"), ("redis", "cache"))}


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and for each dotted key that is not a default, where its value came from."""

    settings: Settings
    origins: dict[str, str]


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    home: Path | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Read every source and merge them; later ones win.

    Args:
        file: the one TOML file to read instead of the two default places.
        environment: defaults to `os.environ`.
        flags: dotted key → value; `None` values are skipped.
        home: home folder, for `.config/perpscope/config.toml`.
        folder: where `perpscope.toml` is looked for; defaults to the current folder.

    Raises:
        ConfigError: a file is missing or no TOML, or holds a secret; a key is unknown, a value is out of range.
    """
    environment = os.environ if environment is None else environment
    merged: Table = {}
    origins: dict[str, str] = {}
    for path in [file] if file else _default_files(environment, home, folder):
        found = _read(path, required=file is not None)
        _refuse_secrets(found, str(path))
        _merge(merged, found, origins, str(path))
    _merge(merged, _from_environment(environment), origins, "environment")
    _merge(merged, _from_flags(flags or {}), origins, "command line")
    return Loaded(convert(merged, Settings, "", origins), origins)


def convert(table: Mapping[str, object], struct: type[T], where: str, origins: Mapping[str, str] | None = None) -> T:
    """Turn a raw table into a Struct; every room with settings of its own uses this.

    Args:
        table: raw values.
        struct: a `msgspec.Struct` class.
        where: dotted prefix for messages, e.g. "venue.binance".
        origins: dotted key → file or "environment", named in messages.

    Raises:
        ConfigError: "config-unknown-key" with the nearest name, or "config-value" with the rule.
    """
    _refuse_unknown(table, struct, where, origins or {})
    try:
        return msgspec.convert(table, struct, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        key = ".".join(part for part in (where, path.rstrip("`")) if part)
        source = f" (from {(origins or {})[key]})" if key in (origins or {}) else ""
        raise ConfigError(
            "config-value", f"setting {key!r}{source}: {message}", hint="perpscope config show"
        ) from error


def keys(struct: type[msgspec.Struct] = Settings, prefix: str = "") -> Iterable[tuple[str, object, str]]:
    """Every setting: dotted key, default, description. Raw tables (`venue`) are left out."""
    hints = get_type_hints(struct, include_extras=True)
    default = struct()
    for name in struct.__struct_fields__:
        value = getattr(default, name)
        if isinstance(value, msgspec.Struct):
            yield from keys(type(value), f"{prefix}{name}.")
        elif not isinstance(value, dict):
            meta = next(m for m in get_args(hints[name]) if isinstance(m, Meta))
            yield f"{prefix}{name}", value, meta.description or ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, if any is like it at all.

    >>> nearest("symbls", ["symbols", "venues"])
    'symbols'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def _default_files(environment: Mapping[str, str], home: Path | None, folder: Path | None) -> Sequence[Path]:
    configured = environment.get("XDG_CONFIG_HOME")
    base = Path(configured) if configured else (home or Path.home()) / ".config"
    return [base / "perpscope" / "config.toml", (folder or Path.cwd()) / "perpscope.toml"]


def _read(path: Path, *, required: bool) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        raise ConfigError(
            "config-file", f"configuration file {str(path)!r} does not exist", hint="perpscope config init"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config-file", f"configuration file {str(path)!r} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            "config-file", f"{path}: {error}", hint="mend the file; `perpscope config init` shows the form"
        ) from error


def _from_environment(environment: Mapping[str, str]) -> Table:
    table: Table = {}
    for variable, text in environment.items():
        if not variable.startswith("PERPSCOPE_") or variable in RESERVED_VARIABLES:
            continue
        path = variable.removeprefix("PERPSCOPE_").lower().split("__")
        for found in _BOTH.get(variable, (path,)):
            _put(table, found, _listed(found, text))
    return table


def _refuse_secrets(table: Mapping[str, object], file: str) -> None:
    """A file of settings is shared, copied and committed: no place for a secret."""
    for key, hint in SECRETS.items():
        section, _, name = key.partition(".")
        inner = table.get(section)
        if isinstance(inner, dict) and inner.get(name):
            raise ConfigError("config-secret", f"{key} stands in {file}, where no secret may stand", hint=hint)


def _listed(path: Sequence[str], text: str) -> object:
    """Comma-separated text becomes a list where the setting is one, a secret its mark."""
    if ".".join(path) in SECRETS:
        return MASK if text else ""
    default = next((value for key, value, _ in keys() if key == ".".join(path)), None)
    if isinstance(default, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _from_flags(flags: Mapping[str, object]) -> Table:
    table: Table = {}
    for key, value in flags.items():
        if value is not None:
            _put(table, key.split("."), value)
    return table


def _put(table: Table, path: Sequence[str], value: object) -> None:
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError("config-unknown-key", f"{'.'.join(path)!r} goes below {part!r}, which is a value")
        table = inner
    table[path[-1]] = value


def _merge(into: Table, table: Mapping[str, object], origins: dict[str, str], origin: str, prefix: str = "") -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            inner = into.setdefault(name, {})
            if isinstance(inner, dict):
                _merge(inner, value, origins, origin, f"{prefix}{name}.")
                continue
        into[name] = value
        origins[f"{prefix}{name}"] = origin


def _refuse_unknown(table: Mapping[str, object], struct: object, where: str, origins: Mapping[str, str]) -> None:
    if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
        return
    hints = get_type_hints(struct)
    for name, value in table.items():
        key = f"{where}.{name}" if where else name
        if name not in struct.__struct_fields__:
            _unknown(key, struct.__struct_fields__, origins)
        if isinstance(value, dict):
            _refuse_unknown(value, hints[name], key, origins)


def _unknown(key: str, known: Sequence[str], origins: Mapping[str, str]) -> None:
    source = next((origin for k, origin in origins.items() if k == key or k.startswith(f"{key}.")), None)
    prefix, _, name = key.rpartition(".")
    like = nearest(name, known)
    suggestion = (
        f"did you mean {'.'.join(p for p in (prefix, like) if p)!r}?" if like else f"known here: {', '.join(known)}"
    )
    raise ConfigError(
        "config-unknown-key", f"unknown setting {key!r}" + (f" in {source}" if source else ""), hint=suggestion
    )
