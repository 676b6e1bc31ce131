"""Pictures of the dashboard, to be looked at: `python tests/pictures.py FOLDER [--db DEMO] [--only desk,states …]`.

Every page at a desk and on a phone, dark, light and in Korean; the sheets; each state a panel can be in, made by what
makes it. `--readme` writes `docs/images/dashboard.png` too. `--db` is that of a demo that runs; else one is begun.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perpscope.app import key_file
from perpscope.app.key_file import Scope
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from tests.acceptance.facing import face, heart
from tests.acceptance.test_dashboard_faults import VENUES, collecting, lab
from tests.acceptance.test_dashboard_stores import spoil
from tests.browsing import PAGES, PHONE, WIDE, Look, browser, look, path_of, replayed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

README = Path(__file__).resolve().parents[1] / "docs" / "images" / "dashboard.png"
MOST_BYTES = 400_000
#: How a visitor has set it, by the folder the pictures go to: size of the window, settings, pages.
LOOKS: dict[str, tuple[tuple[int, int], dict[str, str], tuple[str, ...]]] = {
    "desk": (WIDE, {}, PAGES),
    "phone": (PHONE, {}, PAGES),
    "light": (WIDE, {"theme": "light"}, PAGES),
    "korean": (WIDE, {"language": "ko", "directions": "korean"}, PAGES),
    "western": (WIDE, {"directions": "western"}, ("map", "liquidations")),
    "phone-light": (PHONE, {"theme": "light", "language": "ko"}, ("overview", "map", "liquidations")),
}
SHEETS = {"help": "?", "palette": "/"}
#: What a page may take until nothing moves that is not meant to, ms.
REST_MS = 2500


class Album:
    """Where pictures go.

    Args:
        at: the browser.
        folder: theirs.
    """

    def __init__(self, at: "Browser", folder: Path) -> None:
        self._at = at
        self._folder = folder

    def take(self, seen: Look, name: str, *, is_whole: bool = True) -> None:
        """A picture of the page as it is, or of what the window shows of it."""
        path = self._folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        seen.page.wait_for_timeout(REST_MS)
        seen.page.screenshot(path=path, full_page=is_whole)
        wrong = [*seen.complaints, *seen.elsewhere]
        over = seen.runs_over_by()
        print(f"{path}{f', {over} px too wide' if over > 0 else ''}{f', complains: {wrong}' if wrong else ''}")
        seen.forgive()

    @contextlib.contextmanager
    def visit(self, url: str, size: tuple[int, int] = WIDE, **kept: str) -> Iterator[Look]:
        """A visitor; nothing is judged but by who looks at the pictures."""
        with look(self._at, url, size, **kept) as seen:
            yield seen
            seen.forgive()


def pages(album: Album, url: str, folder: str) -> None:
    """Every page as one visitor sees it."""
    size, kept, names = LOOKS[folder]
    with album.visit(url, size, **kept) as seen:
        for name in names:
            seen.open(path_of(name)).settled()
            seen.page.wait_for_selector(".heat-state", state="detached")
            album.take(seen, f"{folder}/{name}")


def sheets(album: Album, url: str) -> None:
    """What lies above a page: help, the palette, settings, the question for a key."""
    with album.visit(url) as seen:
        seen.open("/map").settled()
        for name, key in SHEETS.items():
            seen.page.keyboard.press(key)
            seen.page.wait_for_selector(f"dialog#{name}[open]")
            album.take(seen, f"sheets/{name}", is_whole=False)
            seen.page.keyboard.press("Escape")
        seen.page.locator('button[aria-label="Settings"]').click()
        album.take(seen, "sheets/settings", is_whole=False)
    with tempfile.TemporaryDirectory() as name:
        keys, database = Path(name) / "keys.json", Path(name) / "k.db"
        SqliteStore.open(database, kind=StoreKind.OBSERVED).close()
        key_file.add(keys, label="page", scopes=[Scope.READ], days=None, now_ns=time.time_ns())
        with (
            face(database, PERPSCOPE_WEB__KEYS=str(keys), PERPSCOPE_WEB__BEHIND_PROXY="true") as locked,
            album.visit(locked, PHONE) as seen,
        ):
            seen.open("/")
            album.take(seen, "sheets/unlock", is_whole=False)


def states(album: Album) -> None:
    """Each state a panel can be in, by what brings it about."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        SqliteStore.open(folder / "e.db", kind=StoreKind.OBSERVED).close()
        with face(folder / "e.db") as url, album.visit(url) as seen:
            for page in ("overview", "map", "liquidations", "sentiment"):
                seen.open(path_of(page)).settled()
                album.take(seen, f"states/empty-{page}")
            seen.page.route("**/api/v1/liquidation-map*", lambda _: None)  # never answered
            seen.open("/map")
            album.take(seen, "states/loading")
        _spoilt(album, folder / "s.db")
        _broken(album, folder)


def _spoilt(album: Album, database: Path) -> None:
    SqliteStore.open(database, kind=StoreKind.OBSERVED).close()
    with face(database) as url, album.visit(url) as seen:
        spoil(database)
        seen.open("/liquidations")
        album.take(seen, "states/error")


def _broken(album: Album, folder: Path) -> None:
    """A market that has just begun, then without one venue, then without its heart, then without its face."""
    start_ns = time.time_ns() // 10**9 * 10**9
    with contextlib.ExitStack() as stack:
        labs = {venue: stack.enter_context(lab(venue, start_ns)) for venue in VENUES}
        environment = {key: value for _, variables in labs.values() for key, value in variables.items()}
        heart_of = stack.enter_context(collecting(folder / "d.db", **environment))
        with contextlib.ExitStack() as facing:
            url = facing.enter_context(face(folder / "d.db"))
            seen = stack.enter_context(album.visit(url))
            seen.open("/").settled()
            seen.page.wait_for_selector('[data-health="live"]')
            album.take(seen, "states/warming")
            labs["bybit"][0].kill()
            seen.page.wait_for_selector('[data-health="stale"]')
            album.take(seen, "states/partial")
            heart_of.kill()
            seen.page.wait_for_selector('[data-health="gone"]')
            album.take(seen, "states/stale")
            facing.close()
            seen.page.wait_for_selector('[data-health="lost"]')
            album.take(seen, "states/disconnected")


def replays(album: Album, recordings: Path) -> None:
    """Recordings of real venues."""
    for name, tape, coin in (
        ("binance", "wire/recordings/binance_futures.jsonl.zst", "SUSHI"),
        ("books", "books/hyperliquid_sol_20260611_ctx.jsonl.gz", "SOL"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            database = Path(folder) / "r.db"
            replayed(recordings / tape, database)
            with face(database) as url, album.visit(url) as seen:
                for page in ("overview", "map", "liquidations", "health"):
                    seen.open(f"{path_of(page)}?coin={coin}").settled()
                    album.take(seen, f"replay-{name}/{page}")


def readme(album: Album, url: str, folder: Path) -> None:
    """The map page as the README shows it: 256 colours, so that it is small."""
    with album.visit(url, (1440, 900)) as seen:
        seen.open("/map").settled()
        seen.until("() => window.perpscope.firstMapMs !== null")
        seen.page.wait_for_selector(".heat-state", state="detached")
        album.take(seen, "readme", is_whole=False)
    README.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(folder / "readme.png") as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(README, optimize=True)
    assert README.stat().st_size < MOST_BYTES, README.stat().st_size
    print(f"{README}, {README.stat().st_size:,} B")


def main() -> None:
    """All of it, or what is asked for."""
    every = [*LOOKS, "sheets", "states", "replays"]
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--db", type=Path)
    asked.add_argument("--only", default=",".join(every), help=", ".join(every))
    asked.add_argument("--readme", action="store_true")
    asked.add_argument("--recordings", type=Path)
    words = asked.parse_args()
    only = words.only.split(",")
    with contextlib.ExitStack() as stack:
        album = Album(stack.enter_context(browser()), words.folder)
        if words.readme or set(only) & {*LOOKS, "sheets"}:
            database = words.db
            if database is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
                database = Path(folder) / "demo.db"
                stack.enter_context(heart(database, "--days", "3"))
            url = stack.enter_context(face(database, PERPSCOPE_WEB__REQUESTS_PER_MIN="100000"))
            for name in LOOKS:
                if name in only:
                    pages(album, url, name)
            if "sheets" in only:
                sheets(album, url)
            if words.readme:
                readme(album, url, words.folder)
        if "states" in only:
            states(album)
        if "replays" in only and words.recordings:
            replays(album, words.recordings)


if __name__ == "__main__":
    main()
