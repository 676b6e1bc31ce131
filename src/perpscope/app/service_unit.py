"""A systemd unit for this installation: `perpscope doctor --systemd`.

In: settings and where things lie. Out: the text of a unit that runs heart and face as `perpscope live` does, may write
where the settings say and nowhere else, and is started again when it fails, but not when the settings are wrong.
"""

import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import places
from perpscope.errors import ConfigError
from perpscope.settings import Settings

#: Exit code of a setting that is wrong: starting again would not mend it.
_WRONG_SETTING: Final = 2
#: Real seconds an orderly end may take before it is forced; it takes five.
_END_S: Final = 20
_ROOT: Final = 0


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit is written for."""

    command: tuple[str, ...]  #: that starts this program
    database: Path
    config: Path | None  #: named on the command line
    folder: Path  #: whose perpscope.toml is read
    user: str  #: whom it runs as, as a system unit


def here(database: Path, config: Path | None) -> Installation:
    """This program, this user, this folder."""
    script = Path(sys.executable).with_name("perpscope")
    command = (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "perpscope")
    return Installation(
        command=command,
        database=database.absolute(),
        config=None if config is None else config.absolute(),
        folder=Path.cwd(),
        user=pwd.getpwuid(os.getuid()).pw_name if os.getuid() != _ROOT else "",
    )


def unit(settings: Settings, at: Installation, *, is_user: bool = False) -> str:
    """The unit's text.

    Args:
        settings: the whole tree.
        at: what it is written for; without a user systemd makes one up, and keeps the data in /var/lib/perpscope.
        is_user: for the user's own systemd, which can guard the file system less.

    Raises:
        ConfigError: "option-value": a path holds what a unit cannot.
    """
    lines = [
        "# perpscope: heart and face. Written by `perpscope doctor --systemd`; docs/deploy.md",
        "[Unit]",
        "Description=perpscope: collects perpetual futures and serves what it knows",
        *(() if is_user else ("Wants=network-online.target", "After=network-online.target")),
        "",
        "[Service]",
        *_program(settings, at, is_user=is_user),
        "",
        *_guards(is_user=is_user),
        *(() if is_user else _file_system(settings, at)),
        "",
        "[Install]",
        f"WantedBy={'default' if is_user else 'multi-user'}.target",
    ]
    return "\n".join(lines) + "\n"


def _program(settings: Settings, at: Installation, *, is_user: bool) -> Iterator[str]:
    """What is run, as whom, and when it is run again."""
    is_made_up = not at.user and not is_user
    command = [*at.command, "live", "--headless", "--port", str(settings.web.port), "--no-open"]
    if at.config is not None:
        command += ["--config", str(at.config)]
    command += ["--db", "/var/lib/perpscope/market.db" if is_made_up else str(at.database)]
    yield "Type=exec"
    yield f"ExecStart={' '.join(map(_word, command))}"
    yield f"WorkingDirectory={'/var/lib/perpscope' if is_made_up else _path(at.folder)}"
    yield from _owner(at.user, is_user=is_user)
    yield "# Secrets, one NAME=value a line, chmod 600: PERPSCOPE_REDIS, AWS_…"
    yield f"EnvironmentFile=-{'%h/.config' if is_user else '/etc'}/perpscope/secrets"
    yield "RuntimeDirectory=perpscope"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    yield f"RestartPreventExitStatus={_WRONG_SETTING}"
    yield "KillSignal=SIGTERM"
    yield "KillMode=mixed"
    yield f"TimeoutStopSec={_END_S}"
    yield "LimitNOFILE=4096"
    yield "UMask=0077"
    yield "# MemoryMax=2G"


def _owner(user: str, *, is_user: bool) -> Iterator[str]:
    if is_user:
        return
    if user:
        yield f"User={user}"
        return
    yield "DynamicUser=yes"
    yield "StateDirectory=perpscope"
    yield "StateDirectoryMode=0700"
    yield "Environment=XDG_DATA_HOME=/var/lib HOME=/var/lib/perpscope"


def _guards(*, is_user: bool) -> Iterator[str]:
    """What a service of any user may be denied. Memory may be made executable: that is what a compiler does."""
    yield "NoNewPrivileges=yes"
    yield "LockPersonality=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictSUIDSGID=yes"
    yield "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"
    yield "SystemCallArchitectures=native"
    if not is_user:
        yield "CapabilityBoundingSet="
        yield "AmbientCapabilities="
        yield "RestrictNamespaces=yes"
        yield "SystemCallFilter=@system-service"


def _file_system(settings: Settings, at: Installation) -> Iterator[str]:
    """All of it is read-only but for where the settings write."""
    yield "ProtectSystem=strict"
    yield "ProtectHome=read-only"
    yield "PrivateTmp=yes"
    yield "PrivateDevices=yes"
    yield "ProtectKernelTunables=yes"
    yield "ProtectKernelModules=yes"
    yield "ProtectKernelLogs=yes"
    yield "ProtectControlGroups=yes"
    yield "ProtectClock=yes"
    yield "ProtectHostname=yes"
    written = [settings.archive.folder, settings.recording.folder, settings.limits.folder]
    written.append("" if "://" in settings.map.share else settings.map.share)
    written.append(str(Path(settings.log.file).parent) if settings.log.file else "")
    folders = [(at.folder / Path(name).expanduser()) for name in written if name]
    if at.user:
        folders += [at.database.parent, places.data_folder()]
    for folder in sorted({os.path.normpath(folder) for folder in folders}):
        yield f"ReadWritePaths=-{_path(folder)}"


def _word(word: str) -> str:
    """A word of a command line; systemd reads quotes, backslashes, `%` and `$` in it."""
    plain = _path(word).replace("$", "$$")
    return f'"{plain}"' if " " in plain or "'" in plain or ";" in plain else plain


def _path(path: str | Path) -> str:
    text = str(path)
    if not text.isprintable() or set(text) & set('"\\'):
        raise ConfigError(
            "option-value", f"{text!r} cannot stand in a unit", hint="name a path without quotes and backslashes"
        )
    return text.replace("%", "%%")
