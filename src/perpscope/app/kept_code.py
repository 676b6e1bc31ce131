"""Where numba keeps what it compiles: a folder of our data folder that goes by the sources it was compiled of.

Numba looks at the file a loop stands in, and not at those of the loops it calls, which are compiled in: a change there
would go unseen. So the folder's name is a hash of all of them; it has to be set before numba is imported.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from perpscope.app.places import data_folder

#: Packages whose loops call each other.
_ROOMS: Final = ("analytics", "trading", "strategies")
#: Folders of other sources that stay, the newest: an older version may be installed beside this one.
_OTHERS: Final = 3


def keep_compiled() -> Path:
    """Tell numba the folder, unless `NUMBA_CACHE_DIR` names another; it is made when something is first kept."""
    ours = data_folder() / "numba" / _fingerprint()
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(ours)
        _forget_old(ours)
    return ours


def _fingerprint() -> str:
    """Of every source file that is compiled from, by name and content."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted((package / room).rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _forget_old(ours: Path) -> None:
    """Remove what was compiled of sources that are no more; a process that still uses it compiles anew."""
    if not ours.parent.is_dir():
        return
    others = [folder for folder in ours.parent.iterdir() if folder != ours and folder.is_dir()]
    for folder in sorted(others, key=lambda folder: folder.stat().st_mtime, reverse=True)[_OTHERS:]:
        shutil.rmtree(folder, ignore_errors=True)
