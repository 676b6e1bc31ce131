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
from typing import Annotated, TypeAlias, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from perpscope.errors import ConfigError

Table: TypeAlias = dict[str, object]
T = TypeVar("T")

#: Variables that steer the build or the tests, not the program.
RESERVED_VARIABLES = frozenset({"PERPSCOPE_DATA", "PERPSCOPE_WEB"})


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows go."""

    path: Annotated[
        str, Meta(description="database file; empty = ./data/liquidations.db if there, else the user's data folder")
    ] = ""
    batch_rows: Annotated[int, Meta(ge=1, le=100_000, description="rows per transaction at most; time flushes too")] = (
        2000
    )


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """What is listened to."""

    venues: Annotated[tuple[str, ...], Meta(description="exchanges by name")] = (
        *("binance", "bybit", "okx", "bitget", "hyperliquid"),
    )
    symbols: Annotated[
        tuple[str, ...], Meta(description="coins (BTC), symbols (BTCUSDT) or ids; empty = the default set")
    ] = ()
    books: Annotated[bool, Meta(description="keep full order books (diffs and REST snapshots)")] = True


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are opened, watched and given up."""

    connect_timeout_s: Annotated[float, Meta(gt=0, description="seconds a connection may take to open")] = 10.0
    ack_timeout_s: Annotated[float, Meta(gt=0, description="seconds a subscription may stay unacknowledged")] = 10.0
    refused_retry_s: Annotated[
        float, Meta(gt=0, description="seconds until a topic the venue refused is tried again; doubles, up to 16 times")
    ] = 60.0
    rotate_after_s: Annotated[
        float,
        Meta(ge=0, description="seconds after which a socket is replaced by a new one; 0 = before the venue does"),
    ] = 0.0
    silent_after_s: Annotated[
        float, Meta(gt=0, description="seconds without data after which a socket is replaced")
    ] = 5.0
    backoff_first_s: Annotated[float, Meta(gt=0, description="upper bound of the first wait before reconnecting")] = 1.0
    backoff_max_s: Annotated[float, Meta(gt=0, description="upper bound of any wait before reconnecting")] = 60.0
    healthy_after_s: Annotated[float, Meta(ge=0, description="seconds of data after which the backoff starts anew")] = (
        60.0
    )
    max_frame_bytes: Annotated[int, Meta(ge=1024, description="longer frames end the connection")] = 4_000_000
    max_bad_frames_per_minute: Annotated[
        int, Meta(ge=1, description="more rejected frames than this end the connection")
    ] = 600


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Raw frames kept for replay."""

    folder: Annotated[str, Meta(description="folder for raw recordings; empty = none are kept")] = ""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long rows are kept."""

    days: Annotated[int, Meta(ge=0, description="rows older than so many days are deleted daily; 0 = all are kept")] = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What all programs of this machine together may ask of a venue."""

    folder: Annotated[
        str,
        Meta(
            description="folder in which perpscope's processes agree on what was asked; empty = of this user's session"
        ),
    ] = ""


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """The way out, where there is no direct one."""

    url: Annotated[
        str,
        Meta(
            pattern="^$|^(http|https|socks4|socks5|socks5h)://",
            description="http://, socks4:// or socks5:// proxy for REST and WebSocket; empty = none",
        ),
    ] = ""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for afterwards."""

    days: Annotated[
        float, Meta(ge=0, le=365, description="days of history asked for at the first start, newest first; 0 = none")
    ] = 30.0
    gaps: Annotated[bool, Meta(description="ask for what was missed, after each reconnect and start")] = True


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Every tick, kept as Parquet."""

    folder: Annotated[str, Meta(description="folder of the archive; empty = no ticks are kept")] = ""
    file_s: Annotated[float, Meta(gt=0, le=86_400, description="market seconds of a stream in one file at most")] = (
        300.0
    )
    books: Annotated[bool, Meta(description="order books too: nine tenths of the volume")] = True
    quota_gb: Annotated[float, Meta(ge=0, description="oldest days go when it grows beyond this; 0 = no limit")] = 0.0
    days: Annotated[int, Meta(ge=0, description="days kept; 0 = all")] = 0


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidation maps kept current while collecting."""

    enabled: Annotated[bool, Meta(description="keep maps current, and snapshots of them")] = True
    symbols: Annotated[
        tuple[str, ...], Meta(description="coins whose maps are kept; empty = all that are collected")
    ] = ()
    every_min: Annotated[int, Meta(ge=1, le=1440, description="market minutes between two snapshots of a map")] = 5
    keep_days: Annotated[
        int, Meta(ge=0, description="days whose snapshots keep their maps; 0 = all; the chain of hashes always stays")
    ] = 0


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What is told on stderr, and kept in a file."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")] = (
        "warning"
    )
    file: Annotated[str, Meta(description="log file besides stderr; empty = none")] = ""
    max_bytes: Annotated[int, Meta(ge=1024, description="a log file of this size is set aside")] = 10_000_000
    keep: Annotated[int, Meta(ge=1, le=1000, description="log files set aside before the oldest goes")] = 5


class Ccxt(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges beyond those with a folder of their own, asked through ccxt."""

    venues: Annotated[tuple[str, ...], Meta(description="exchanges by ccxt's names; empty = none")] = ()
    symbols: Annotated[tuple[str, ...], Meta(description="coins taken of each")] = ("BTC", "ETH")
    every_s: Annotated[
        float, Meta(ge=5, description="seconds between two calls about open interest or funding of an instrument")
    ] = 60.0
    options: dict[str, Table] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tree."""

    database: Database = Database()
    collect: Collect = Collect()
    feed: Feed = Feed()
    recording: Recording = Recording()
    retention: Retention = Retention()
    limits: Limits = Limits()
    proxy: Proxy = Proxy()
    backfill: Backfill = Backfill()
    archive: Archive = Archive()
    map: Map = Map()
    log: Log = Log()
    ccxt: Ccxt = Ccxt()
    venue: dict[str, Table] = {}


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
        ConfigError: a file is missing or no TOML, a key is unknown, a value is out of range.
    """
    environment = os.environ if environment is None else environment
    merged: Table = {}
    origins: dict[str, str] = {}
    for path in [file] if file else _default_files(environment, home, folder):
        _merge(merged, _read(path, required=file is not None), origins, str(path))
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
        _put(table, path, _listed(path, text))
    return table


def _listed(path: Sequence[str], text: str) -> object:
    """Comma-separated text becomes a list where the setting is one."""
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
