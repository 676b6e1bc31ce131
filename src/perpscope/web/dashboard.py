"""The dashboard: one page at all its paths, its scripts and styles beside it; where it is not built, the viewer.

All is read once and packed at the start. Names of assets tell their content, so browsers keep them; the page is asked
for each time.
"""

import html
from pathlib import Path
from typing import Final

from perpscope.app import dashboard as built
from perpscope.web import pages
from perpscope.web.answers import Answer, ready
from perpscope.web.pages import Page

VIEWER: Final = "/viewer"
_FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_HARDEST: Final = 9
_READINGS: Final = 3  #: a build may put a new folder in the place of the one that is being read


def served(folder: Path = built.FOLDER) -> dict[str, Page]:
    """Path → what is served there.

    Args:
        folder: of the built dashboard.
    """
    files = read(folder)
    index = files.pop("index.html", None)
    plain = viewer(is_stand_in=index is None)
    front = plain if index is None else pages.document(index)
    made = {path: Page(front) for path in built.PATHS}
    made[VIEWER] = Page(plain, "viewer")
    made |= {f"/static/{name}": Page(_file(name, content), "static") for name, content in files.items()}
    return made


def read(folder: Path) -> dict[str, bytes]:
    """The files a browser may ask for, by their path below the folder; none without a page."""
    for _ in range(_READINGS):
        if not built.is_built(folder):
            return {}
        try:
            found = sorted(path for path in folder.rglob("*") if path.suffix in pages.TYPES and path.is_file())
            return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
        except FileNotFoundError:
            continue
    return {}


def viewer(*, is_stand_in: bool) -> Answer:
    """The page that needs no build; where it stands in for the dashboard it says so, and how to build that."""
    frame = (pages.FOLDER / "viewer.html").read_text("utf-8")
    command = f"<code>{html.escape(built.remedy())}</code>"
    notice = f'<p class="notice">The dashboard is not built here; this is its simple stand-in. {command} builds it.</p>'
    return pages.document(frame.replace("<!--notice-->", notice if is_stand_in else "").encode())


def _file(name: str, content: bytes) -> Answer:
    own = _FOREVER if name.startswith("assets/") else None
    return ready(content, content_type=pages.TYPES[Path(name).suffix], own=own, packing=_HARDEST)
