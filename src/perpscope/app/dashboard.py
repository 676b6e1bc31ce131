"""The built dashboard of this installation: where it lies, its paths, what it weighs, and how to get it."""

import gzip
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
FOLDER: Final = _PACKAGE / "web" / "static"
#: Each is the one page; what is shown there its script decides.
PATHS: Final = (
    "/",
    *(f"/{page}" for page in "map liquidations sentiment signals backtest trade health alerts".split()),
)


def is_built(folder: Path = FOLDER) -> bool:
    """Whether there is one; else the viewer is shown."""
    return (folder / "index.html").is_file()


def script_bytes(folder: Path = FOLDER) -> int:
    """What its scripts weigh on the wire, in bytes, packed; all of them, whichever page is open."""
    return sum(len(gzip.compress(script.read_bytes(), 9, mtime=0)) for script in sorted(folder.rglob("*.js")))


def remedy(package: Path = _PACKAGE) -> str:
    """The command that builds one: in a checkout `./run` does."""
    is_checkout = (package.parents[1] / "hatch_build.py").is_file()
    return f"PERPSCOPE_WEB=require {'./run' if is_checkout else 'pip install --force-reinstall --no-deps perpscope'}"
