"""`keys`: make, list and revoke the API keys of the service. A key's secret is printed once, when it is made."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.key_file import ApiKey, Scope

_LONGEST_LABEL = 64
_WIDTH = 80


def keys(
    action: Annotated[Literal["add", "list", "revoke"], typer.Argument(help="What to do.")],
    key: Annotated[str | None, typer.Argument(metavar="[ID]", help="revoke: the key's id.")] = None,
    label: Annotated[str, typer.Option("--label", help="add: what you call it.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="add: read, trade or admin; may be repeated.")
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0.001, max=36_500, help="add: days until it ends; default: never.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make, list and revoke the service's API keys."""
    from perpscope.app import api_keys, key_file
    from perpscope.feeds.clock import wall_ns

    path = api_keys.path_of(settings(config=config).settings.web)
    print(f"keys {path}", file=sys.stderr)
    now_ns = wall_ns()
    if action == "revoke":
        if key is None:
            raise ConfigError("option-value", "revoke wants the id of a key", hint="perpscope keys list names them")
        _print_one(key_file.revoke(path, key, now_ns=now_ns), None, now_ns, json=json, out=sys.stdout)
        return
    if key is not None:
        raise ConfigError("option-value", f"{action} takes no id, {key!r} is one too many", hint="--label names a key")
    if action == "add":
        made, text = key_file.add(path, label=_label(label), scopes=_scopes(scope), days=days, now_ns=now_ns)
        _print_one(made, text, now_ns, json=json, out=sys.stdout)
    else:
        _print_all(key_file.listed(path), now_ns, json=json, out=sys.stdout)


def _label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not text.isprintable():
        raise ConfigError("option-value", f"--label {text!r}: at most {_LONGEST_LABEL} characters that can be printed")
    return text


def _scopes(names: list[str] | None) -> "list[Scope]":
    from perpscope.app.key_file import Scope

    try:
        return [Scope(name) for name in names or ("read",)]
    except ValueError as error:
        known = ", ".join(scope.value for scope in Scope)
        raise ConfigError("option-value", f"--scope: {error}", hint=f"one of {known}") from error


def _told(key: "ApiKey", now_ns: int) -> dict[str, object]:
    """What may be told of a key: everything but its hash."""
    ended = "expired" if key.revoked_ms is None else "revoked"
    state = "valid" if key.is_valid(now_ns // 1_000_000) else ended
    fields = ("id", "label", "scopes", "created_ms", "expires_ms", "revoked_ms")
    return {name: msgspec.to_builtins(getattr(key, name)) for name in fields} | {"state": state}


def _print_one(key: "ApiKey", text: str | None, now_ns: int, *, json: bool, out: TextIO) -> None:
    told = _told(key, now_ns)
    if json:
        out.write(msgspec.json.encode(told if text is None else told | {"key": text}).decode() + "\n")
    elif text is None:
        out.write(f"{key.id} is revoked; faces refuse it within a second\n")
    else:
        out.write(f"{text}\n")
        print("this is the only time it is shown; send it as Authorization: Bearer, or X-API-Key", file=sys.stderr)


def _print_all(found: "list[tuple[ApiKey, int | None]]", now_ns: int, *, json: bool, out: TextIO) -> None:
    if json:
        rows = [_told(key, now_ns) | {"last_used_ms": used} for key, used in found]
        out.write(msgspec.json.encode({"keys": rows}).decode() + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    from perpscope.reports.numerals import moment

    def day(ms: int | None, otherwise: str) -> str:
        return otherwise if ms is None else moment(ms, "%Y-%m-%d %H:%M")

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in ("id", "label", "scopes", "state", "ends", "last used"):
        table.add_column(name, overflow="fold")
    for key, used in found:
        scopes = ", ".join(scope.value for scope in key.scopes)
        state = str(_told(key, now_ns)["state"])
        table.add_row(key.id, key.label, scopes, state, day(key.expires_ms, "never"), day(used, "never"))
    terminal = Console(file=out, highlight=False, markup=False)
    page = terminal if terminal.is_terminal else Console(file=out, highlight=False, markup=False, width=_WIDTH)
    page.print(table if found else "no keys: perpscope keys add")
