"""What a browser gets: the dashboard at its paths, its scripts for ever, the viewer where there is none."""

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.unit.asking import Maker, ask, endpoint

from perpscope.app import dashboard as built
from perpscope.app import doctor_machine
from perpscope.settings import Settings, Web
from perpscope.web import dashboard
from perpscope.web.app import create_app
from perpscope.web.front import Front
from perpscope.web.guard import PUBLIC

SCRIPT = b"export const words = 'liquidations';\n" * 2_000
INDEX = b'<!doctype html><div id="app"></div><script type="module" src="/static/assets/index-a1.js"></script>'
FILES = {
    "index.html": INDEX,
    "licenses.txt": b"The dashboard contains: preact\n",
    "assets/index-a1.js": SCRIPT,
    "assets/index-b2.css": b"body{margin:0}",
    ".inputs": b"0123\n",
    "assets/index-a1.js.map": b"{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built dashboard."""
    for name, content in FILES.items():
        path = tmp_path / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "static"


def site(folder: Path) -> ASGIApp:
    """What is served of a folder, without what stands before it."""
    front = Front(FastAPI(openapi_url=None, docs_url=None, redoc_url=None), dashboard.served(folder))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        await front(scope, receive, send)

    return app


@pytest.mark.parametrize("path", built.PATHS)
async def test_the_page_stands_at_each_of_its_paths(path: str, folder: Path) -> None:
    """A deep link opens the page, which is asked for anew each time. Keeps S4-59."""
    told = await ask(site(folder), path)
    assert (told.status, told.body) == (200, INDEX)
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert told.headers["cache-control"] == "no-cache"
    assert path in PUBLIC
    again = await ask(site(folder), path, {"if-none-match": told.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "kind", "kept"),
    [
        ("/static/assets/index-a1.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/static/assets/index-b2.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/static/licenses.txt", "text/plain; charset=utf-8", "no-cache"),
    ],
)
async def test_assets_are_kept_by_browsers(path: str, kind: str, kept: str, folder: Path) -> None:
    """A file whose name tells its content is never asked for twice; each has its type by name."""
    told = await ask(site(folder), path)
    assert (told.status, told.body) == (200, FILES[path.removeprefix("/static/")])
    assert (told.headers["content-type"], told.headers["cache-control"]) == (kind, kept)
    head = await ask(site(folder), path, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", told.headers["content-length"])


async def test_scripts_are_packed_as_small_as_gzip_can(folder: Path) -> None:
    """A browser gets the packed script, packed once at the start."""
    told = await ask(site(folder), "/static/assets/index-a1.js", {"accept-encoding": "gzip, br"})
    assert told.headers["content-encoding"] == "gzip"
    assert int(told.headers["content-length"]) == len(gzip.compress(SCRIPT, 9, mtime=0)) == built.script_bytes(folder)


@pytest.mark.parametrize(
    "path",
    [
        "/static/.inputs",
        "/static/index.html",
        "/static/assets/index-a1.js.map",
        "/static/../pages.py",
        "/static/assets/../../pages.py",
        "/static//etc/passwd",
        "/static/%2e%2e/pages.py",
        "/static/assets/",
        "/map/",
        "/nothing",
    ],
)
async def test_nothing_else_is_served(path: str, folder: Path) -> None:
    """Whole paths are looked up in what was read at the start: no path leads anywhere else."""
    assert (await ask(site(folder), path)).status == 404


async def test_an_unknown_page_is_a_problem(tmp_path: Path) -> None:
    """A link to a page that does not exist says so as every other mistake does."""
    app = create_app(Settings(web=Web(keys=str(tmp_path / "keys"))), tmp_path / "m.db", endpoints=[endpoint(Maker())])
    told = await ask(app, "/mapp")
    assert (told.status, told.json["code"]) == (404, "path-unknown")
    assert (await ask(app, "/map")).status == 200


async def test_without_a_dashboard_the_viewer_says_how_to_build_it(tmp_path: Path) -> None:
    """Everywhere the simple page, with one line that names the command; it needs no build."""
    for path in (*built.PATHS, "/viewer"):
        told = await ask(site(tmp_path / "nothing"), path)
        assert told.status == 200
        assert told.headers["content-type"] == "text/html; charset=utf-8"
        text = told.body.decode()
        assert "/static/viewer.js" in text
        assert f"<code>{built.remedy()}</code>" in text


async def test_the_viewer_is_always_there(folder: Path) -> None:
    """Beside a dashboard the viewer stands at its own path, and asks for nothing."""
    text = (await ask(site(folder), "/viewer")).body.decode()
    assert "/static/viewer.js" in text
    assert "not built" not in text


def test_a_build_that_is_moved_while_it_is_read_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files vanish under the reading; what is served is one build, whole."""
    newer = folder.with_name("newer")
    (newer / "assets").mkdir(parents=True)
    (newer / "index.html").write_bytes(b"newer")
    (newer / "assets" / "index-c3.js").write_bytes(b"c3")
    read_bytes = Path.read_bytes

    def reading(path: Path) -> bytes:
        if newer.exists():
            folder.rename(folder.with_name("older"))
            newer.rename(folder)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    assert dashboard.read(folder) == {"index.html": b"newer", "assets/index-c3.js": b"c3"}


def test_a_checkout_is_told_of_run(tmp_path: Path) -> None:
    """The command fits the installation: `./run` in a checkout, pip elsewhere."""
    package = tmp_path / "src" / "perpscope"
    assert "pip install" in built.remedy(package)
    (tmp_path / "hatch_build.py").touch()
    assert built.remedy(package) == "PERPSCOPE_WEB=require ./run"


def test_the_doctor_tells_of_the_dashboard(folder: Path, tmp_path: Path) -> None:
    """Built with its weight, or not built with the command; never a failure."""
    settings = Settings()
    named = {told.name: told for told in doctor_machine.look(tmp_path / "market.db", settings)}
    assert named["dashboard"].state == ("ok" if built.is_built() else "warn")
    there, missing = doctor_machine.of_dashboard(folder), doctor_machine.of_dashboard(tmp_path / "nothing")
    assert (there.state, there.fix) == ("ok", None)
    assert f"{built.script_bytes(folder) / 1e3:.0f} kB" in there.detail
    assert (missing.state, missing.fix) == ("warn", built.remedy())
