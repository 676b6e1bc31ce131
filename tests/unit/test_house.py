"""The rules of the house that no other tool checks: sizes, names, and documents that say what the code says."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from perpscope.app.venues import VenueSettings
from perpscope.cli.commands import app
from perpscope.config import keys

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "perpscope"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

#: Names that say nothing of what is inside.
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|common|misc|core|base|managers?|handlers?|processors?|new|old|v\d+)$")
#: Rooms without effects, as far as they exist.
PURE = ("model", "ports", "engine", "venues", "strategies", "trading", "analytics")
#: What the lab may know of ours.
LAB_MAY_IMPORT = {"model", "errors", "analytics", "lab"}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 45


def named(path: Path) -> str:
    """A path as a reader of the repository writes it."""
    return path.relative_to(ROOT).as_posix()


def rooms() -> set[str]:
    """The rooms that are lived in."""
    modules = {p.stem for p in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    return modules | {p.parent.name for p in SOURCE.glob("*/__init__.py")}


def contract(words: str) -> dict[str, object]:
    """The import contract whose name contains these words."""
    contracts: list[dict[str, object]] = PROJECT["tool"]["importlinter"]["contracts"]
    return next(c for c in contracts if words in str(c["name"]))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_module_says_what_it_is_for() -> None:
    """Each module begins with a docstring of at most eight lines."""
    for path in MODULES:
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert docstring, f"{named(path)} has no docstring"
        if path.name != "errors.py":  # the tree is drawn there
            assert len(docstring.splitlines()) <= 8, f"{named(path)}: the docstring is a chapter"


def test_modules_and_functions_stay_readable() -> None:
    """No module over 400 lines, no function over 60 with its docstring: over that there is a second noun in it."""
    long = [named(path) for path in MODULES if len(path.read_text("utf-8").splitlines()) > LONGEST_MODULE]
    long += [
        f"{named(path)}::{f.name}"
        for path in MODULES
        for f in functions(path)
        if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION
    ]
    assert not long


def test_names_come_from_the_trade() -> None:
    """No file or folder is called utils, core, manager or the like."""
    nameless = [
        named(path)
        for path in [*SOURCE.rglob("*"), *(ROOT / "tests").rglob("*.py")]
        if FORBIDDEN.search(path.stem) and "__pycache__" not in path.parts
    ]
    assert not nameless


def test_every_test_says_what_it_protects() -> None:
    """A failing test can be read without its body."""
    silent = [
        f"{named(path)}::{f.name}"
        for path in TESTS
        for f in functions(path)
        if f.name.startswith("test") and path.name.startswith("test") and not ast.get_docstring(f)
    ]
    assert not silent


def test_test_files_have_names_of_their_own() -> None:
    """Two test files of one name could not be collected together."""
    stems = [path.stem for path in TESTS if path.name.startswith("test_")]
    assert sorted(set(stems)) == sorted(stems)


def test_import_contracts_know_every_room() -> None:
    """A new room cannot slip past the street, purity or independence."""
    layers = " ".join(map(str, contract("street")["layers"]))  # type: ignore[call-overload]  # read from TOML
    assert rooms() <= set(re.findall(r"\w+", layers))
    assert contract("Purity")["source_modules"] == [f"perpscope.{room}" for room in PURE if room in rooms()]
    forbidden = contract("the lab knows")["forbidden_modules"]
    assert forbidden == sorted(f"perpscope.{room}" for room in rooms() - LAB_MAY_IMPORT)


def test_no_message_broker_is_needed() -> None:
    """Bytes go to state in one process: nothing that queues between processes is a dependency. Keeps S4-17."""
    declared = PROJECT["project"]["dependencies"]
    assert not [d for d in declared if re.search(r"kafka|rabbit|pika|celery|nats|pulsar|zmq", d)]


def test_requirements_install_the_package() -> None:
    """`pip install -r requirements.txt` installs perpscope with what pyproject.toml lists. Keeps S0-08. Keeps S3-37."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e ."]


def test_licence_is_mit() -> None:
    """The licence is MIT, in the file and in the metadata. Keeps S1-71."""
    assert "Permission is hereby granted, free of charge" in (ROOT / "LICENSE").read_text("utf-8")
    assert PROJECT["project"]["license"] == "MIT"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of the documentation names a file that exists, and a heading that is in it."""
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        assert path.exists(), f"{named(document)} links to {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{named(document)} links to {target}"


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as repository hosts make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_no_path_or_registry_of_one_machine() -> None:
    """What is committed runs anywhere: no absolute path of somebody's folder, no package index."""
    private = re.compile(r"/(?:work|root|home|Users)/[\w.]|pypi\.org|pythonhosted|file:///")
    files = [*DOCUMENTS, *MODULES, *TESTS, *(ROOT / n for n in ("run", "check", "pyproject.toml", "requirements.txt"))]
    files += [*(ROOT / "tools").glob("*.sh"), ROOT / ".ci" / "run"]
    named_there = [named(f) for f in files if f != Path(__file__) and private.search(f.read_text("utf-8"))]
    assert not named_there


def raised_codes() -> set[str]:
    """Codes of every error raised in the source, and of those that ./run and ./check print."""
    codes: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = ast.unparse(node.func)
                is_base = path.name == "errors.py" and name == "super().__init__"
                if is_base or name.endswith(("Error", "TooLittle", "Unfit")):
                    codes.add(str(node.args[0].value))
                if name.endswith(("Refused", "problem", "_refuse")) and len(node.args) > 1:  # after the status
                    codes.update(str(its.value) for its in node.args[1:2] if isinstance(its, ast.Constant))
    for shell in (ROOT / "tools" / "environment.sh", ROOT / "check"):
        codes.update(re.findall(r"\b(?:die|failed) ([a-z]+(?:-[a-z]+)*) \"", shell.read_text("utf-8")))
    return {code for code in codes if re.fullmatch(r"[a-z]+(-[a-z]+)*", code)}


def test_every_error_code_is_explained() -> None:
    """`docs/errors.md` has one section for each code that can appear, and none for codes that cannot."""
    sections = re.findall(r"^### (\S+)$", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(raised_codes())


def test_every_setting_is_documented_with_its_default() -> None:
    """`docs/config.md` lists each key of the configuration, with its default, and no other."""
    text = (ROOT / "docs" / "config.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `([a-z0-9_.<>]+)` \| `([^`]*)` \|", text, re.MULTILINE))
    expected = {key: written(value) for key, value, _ in keys()}
    defaults = VenueSettings()
    expected |= {f"venue.<name>.{f}": written(getattr(defaults, f)) for f in VenueSettings.__struct_fields__}
    assert listed == expected


def written(value: object) -> str:
    """A default as it stands in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(written(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:_}" if isinstance(value, int) else f"{value:g}"


def test_every_command_and_flag_is_documented() -> None:
    """`docs/cli.md` has a section for each command that names each of its flags and arguments, and no other flag."""
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    heading = r"^## `perpscope (study [a-z-]+|[a-z]+)[^`]*`\n(.*?)(?=^## |\Z)"
    sections = dict(re.findall(heading, text, re.MULTILINE | re.DOTALL))
    commands = dict(typer.main.get_group(app).commands)
    studies = commands.pop("study")
    assert isinstance(studies, TyperGroup)
    commands |= {f"study {name}": study for name, study in studies.commands.items()}
    assert sorted(sections) == sorted(commands)
    for name, command in commands.items():
        parts = command.commands.values() if isinstance(command, TyperGroup) else [command]  # a group has one section
        options = [p for part in parts for p in part.params if p.param_type_name == "option"]
        flags = {o for p in options for o in [*p.opts, *p.secondary_opts]}
        rows = re.findall(r"^\| `([^`]+)` \|", sections[name], re.MULTILINE)
        documented = {word for row in rows for word in re.findall(r"--[a-z-]+", row)}
        assert documented == flags - {"--help"}, name
