"""Where files are by default, and why there."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from perpscope.errors import StoreError

#: Where the liquidation-collector document keeps its database; used where it exists.
LEGACY_DATABASE = Path("data/liquidations.db")


def data_folder(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_DATA_HOME/perpscope`, else `~/.local/share/perpscope`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "perpscope"


def make_own_folder(file: Path) -> None:
    """Make the folder of a file that lies in our own data folder; anybody else's folder must be there already.

    Raises:
        StoreError: it cannot be made.
    """
    if not file.is_relative_to(data_folder()):
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "store-folder",
            f"cannot make the folder {str(file.parent)!r}: {error.strerror}",
            hint="name a file with --db",
        ) from error


def database(configured: str, origin: str = "configuration") -> tuple[Path, str]:
    """The database to use, and the reason.

    Args:
        configured: path from a flag or setting; empty = none given.
        origin: where `configured` came from.
    """
    if configured:
        return Path(configured).expanduser(), f"named by {origin}"
    if LEGACY_DATABASE.is_file():
        return LEGACY_DATABASE, "./data/liquidations.db exists here"
    return data_folder() / "market.db", "the default place"


def demo_database() -> Path:
    """A new file for one demo; demo rows never enter a real database."""
    return data_folder() / "demo" / time.strftime("demo-%Y%m%d-%H%M%S.db", time.gmtime())
