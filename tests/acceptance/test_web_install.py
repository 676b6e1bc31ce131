"""The dashboard on its way into an installation: built where npm can be reached, replaced by the viewer where not.

Here npm's registry is always an address of this machine at which nothing listens, and no Node is on the PATH.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.facing import inherited
from tests.unit.test_web_build import hook

pytest.importorskip("hatchling")
ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = "http://127.0.0.1:9/"
PACKED = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore", "frontend", "src", "docs/errors.md")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What a wheel is packed from, as it is in a clone: nothing built."""
    folder = tmp_path / "project"
    out = shutil.ignore_patterns("node_modules", "static", "__pycache__", "tests", "schema.d.ts")
    for name in PACKED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=out, symlinks=True)
        else:
            shutil.copy(ROOT / name, target)
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of this machine, but for Node's."""
    folder = tmp_path_factory.mktemp("programs")
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if not program.name.startswith(("node", "npm", "npx")) and not link.is_symlink():
                link.symlink_to(program)
    return folder


def offline(folder: Path, programs: Path, **more: str) -> dict[str, str]:
    """An environment without npm's registry and without Node."""
    told = {name: value for name, value in inherited(folder).items() if not name.lower().startswith("npm_")}
    told |= {"PATH": str(programs), "npm_config_registry": UNREACHABLE, "npm_config_cache": str(folder / "npm")}
    return {**told, **more}


def pack(project: Path, told: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Build as an installer would, with what is installed here."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(project / "out"), *words]
    return subprocess.run(command, cwd=project, env=told, capture_output=True, text=True, timeout=100, check=False)


def only(folder: Path, pattern: str) -> Path:
    """The one file of that name."""
    (found,) = folder.glob(pattern)
    return found


def unpacked(wheel: Path) -> Path:
    """A wheel as it lies in an installation."""
    folder = wheel.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def serving(python: Path | str, folder: Path, told: dict[str, str]) -> Iterator[str]:
    """The URL of a face of an installation, which has no store; it is gone afterwards."""
    command = [str(python), "-m", "perpscope", "serve", "--port", "0", "--no-open", "--db", str(folder / "none.db")]
    with subprocess.Popen(command, cwd=folder, env=told, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http"), f"the face ended with {process.wait()}"
            yield url
        finally:
            process.terminate()


def body(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def shown(url: str) -> None:
    """A face without a dashboard shows the viewer at each of its paths, and says so."""
    for path in ("/", "/map", "/viewer"):
        status, text = body(url + path)
        assert status == 200
        assert "The dashboard is not built here" in text
    assert body(f"{url}/static/viewer.js")[0] == 200
    assert body(f"{url}/static/licenses.txt")[0] == 404


def test_without_npm_the_viewer_is_installed(project: Path, programs: Path, tmp_path: Path) -> None:
    """By default the wheel is made all the same, with a warning that names the cause, and serves."""
    told = offline(tmp_path, programs)
    done = pack(project, told, "-t", "wheel")
    assert done.returncode == 0, done.stderr
    assert "warning: the dashboard cannot be built: npm failed: code ECONNREFUSED" in done.stdout + done.stderr
    assert "ECONNREFUSED" in (project / "build" / "dashboard-failed.txt").read_text()
    assert not list(project.rglob("node_modules"))
    installed = unpacked(only(project / "out", "*.whl"))
    for url in serving(sys.executable, tmp_path, {**told, "PYTHONPATH": str(installed)}):
        shown(url)


def test_where_the_dashboard_is_required_nothing_is_installed(project: Path, programs: Path, tmp_path: Path) -> None:
    """With "require" there is no wheel, and the last lines say what to do."""
    done = pack(project, offline(tmp_path, programs, PERPSCOPE_WEB="require"), "-t", "wheel")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "error: the dashboard cannot be built: npm failed: code ECONNREFUSED" in said
    assert "hint: the build needs npm's registry once" in said
    assert not list((project / "out").glob("*.whl"))


def test_an_sdist_brings_the_dashboard_along(project: Path, programs: Path, tmp_path: Path) -> None:
    """What an sdist carries is taken as it is: no Node, no npm; until a source is changed."""
    page = '<!doctype html><script type="module" src="/static/assets/index-a1.js"></script>'
    static = hook.Place(project).static
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text(page)
    (static / "licenses.txt").write_text("none")
    (static / "assets" / "index-a1.js").write_text("export {};")
    (static / ".inputs").write_text(hook.stamp(project / "frontend"))
    told = offline(tmp_path, programs, PERPSCOPE_WEB="require")
    assert pack(project, told, "-t", "sdist").returncode == 0
    with tarfile.open(only(project / "out", "*.tar.gz")) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    sources = only(tmp_path / "sdist", "*")
    assert needs(sources, told) == []
    done = pack(sources, told, "-t", "wheel")
    assert done.returncode == 0, done.stderr
    assert "dashboard: up to date" in done.stdout + done.stderr
    installed = unpacked(only(sources / "out", "*.whl"))
    for url in serving(sys.executable, tmp_path, {**told, "PYTHONPATH": str(installed)}):
        assert [body(url + path) for path in ("/", "/alerts")] == [(200, page)] * 2
        assert body(f"{url}/static/assets/index-a1.js") == (200, "export {};")
        assert "not built" not in body(f"{url}/viewer")[1]
    (sources / "frontend" / "index.html").write_text("changed")
    assert needs(sources, told) == [hook.NODE]


def needs(sources: Path, told: dict[str, str]) -> list[str]:
    """What an installer is asked for before a wheel is made (PEP 517)."""
    ask = "from hatchling.build import get_requires_for_build_wheel as ask; print('\\n'.join(ask()))"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=sources, env=told, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("wanted", ["auto", "require"])
def test_pip_in_an_empty_environment(wanted: str, project: Path, programs: Path, tmp_path: Path) -> None:
    """`pip install` of a clone with all that pip does by itself, without npm: the viewer, or an error."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    told = offline(tmp_path, programs, PERPSCOPE_WEB=wanted, PIP_CACHE_DIR=str(tmp_path / "pip"))
    told["HOME"] = os.environ.get("HOME", str(tmp_path))  # pip's own settings of this machine
    told.pop("PYTHONPATH", None)
    command = [str(python), "-m", "pip", "install", str(project)]
    done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, timeout=500, check=False)
    if wanted == "require":
        assert done.returncode == 1
        assert "PERPSCOPE_WEB=auto installs with the simple viewer instead" in done.stdout + done.stderr
        return
    assert done.returncode == 0, done.stderr
    for url in serving(python, tmp_path, told):
        shown(url)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_clone_on_a_machine_without_node(project: Path, programs: Path, tmp_path: Path) -> None:
    """`./run` in a fresh clone builds the dashboard with the Node it brings, and shows it at each path. Keeps S4-59."""
    for name in ("run", "tools/environment.sh"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    told = {
        **inherited(tmp_path),
        "PATH": str(programs),
        "PERPSCOPE_WEB": "require",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }
    told.pop("PYTHONPATH", None)
    made = subprocess.run(
        [project / "run", "--version"], env=told, capture_output=True, text=True, timeout=800, check=False
    )
    assert made.returncode == 0, made.stderr
    assert not list((project / "frontend").rglob("node_modules"))
    for url in serving(project / ".venv/bin/python", tmp_path, told):
        status, page = body(f"{url}/map")
        assert (status, 'type="module"' in page) == (200, True)
        assert "lightweight-charts" in body(f"{url}/static/licenses.txt")[1]
