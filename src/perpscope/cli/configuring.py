"""`config`: show the settings and where each came from, check them, or write a commented file."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from perpscope.cli.options import Config, Json, settings
from perpscope.config import SECRETS, keys
from perpscope.errors import ConfigError
from perpscope.settings import Settings


def config(
    action: Annotated[Literal["show", "check", "init"], typer.Argument(help="What to do.")] = "show",
    file: Config = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    json: Json = False,
) -> None:
    """Show the settings, check them, or write a commented file."""
    if action == "init":
        _init(file or Path("perpscope.toml"))
    from perpscope.app import venues
    from perpscope.feeds.redaction import redacted

    loaded = settings(config=file)
    venues.refuse_unknown(loaded.settings.venue)
    if action == "check":
        print('{"ok":true}' if json else "configuration ok")
    elif json:
        print(redacted(msgspec.json.encode({"settings": loaded.settings, "origins": loaded.origins}).decode()))
    else:
        _show(loaded.settings, loaded.origins if origin else None)


def _show(tree: Settings, origins: dict[str, str] | None) -> None:
    from perpscope.feeds.redaction import redacted

    for key, _, _ in keys():
        value: object = tree
        for part in key.split("."):
            value = getattr(value, part)
        print(f"{key} = {redacted(_toml(value))}" + ("" if origins is None else f"   # {origins.get(key, 'default')}"))
    for name, table in tree.venue.items():
        for part, value in table.items():
            key = f"venue.{name}.{part}"
            print(
                f"{key} = {redacted(_toml(value))}" + ("" if origins is None else f"   # {origins.get(key, 'default')}")
            )


def _init(path: Path) -> None:
    lines: list[str] = ["# perpscope settings; every line is the default. docs/config.md explains them.", ""]
    section = ""
    for key, default, description in keys():
        head, _, name = key.rpartition(".")
        if key in SECRETS:
            continue
        if head != section:
            section = head
            lines += [f"[{head}]"]
        lines += [f"# {description}", f"# {name} = {_toml(default)}", ""]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines))
    except FileExistsError:
        raise ConfigError("config-exists", f"{str(path)!r} exists and is left as it is", hint="edit it") from None
    except OSError as error:
        raise ConfigError("config-file", f"cannot write {str(path)!r}: {error.strerror}") from error
    print(f"wrote {path}")


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return msgspec.json.encode(value).decode()
