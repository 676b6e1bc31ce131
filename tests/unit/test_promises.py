"""`docs/promises.md` against the tests: every promise once, and `kept` only where a test or a place says so.

python tests/unit/test_promises.py            print the rows that disagree with the tests, as they should read
python tests/unit/test_promises.py --mend     put those rows into docs/promises.md
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "promises.md"

#: How many promises each document makes; B is what is owed beyond them.
COUNTS = {"S0": 52, "S1": 73, "S2": 67, "S3": 42, "S4": 75}
BEYOND = 25

IDENTIFIER = re.compile(r"\bS[0-4]-\d{2}\b|\bB\d{1,2}\b")
CLAIM = re.compile(r"\bKeeps\s+(?=[SB]\d)(.+?)(?:\.(?=\s|$)|$)", re.DOTALL)
LIST_OF_IDENTIFIERS = re.compile(rf"(?:(?:{IDENTIFIER.pattern})(?:,\s*|\s+and\s+|$))+")


class Row(NamedTuple):
    """One line of the table."""

    identifier: str
    text: str
    status: str

    def __str__(self) -> str:
        return f"| {self.identifier} | {self.text} | {self.status} |"


def identifiers() -> list[str]:
    """Every promise there is."""
    listed = [f"{source}-{number:02}" for source, count in COUNTS.items() for number in range(1, count + 1)]
    return [*listed, *(f"B{number}" for number in range(1, BEYOND + 1))]


def rows(markdown: str) -> list[Row]:
    """The lines of the table that begin with an identifier."""
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line[:1] == "|")
    return [
        Row(first, text, status)
        for first, text, status in (c for c in cells if len(c) == 3)
        if IDENTIFIER.fullmatch(first)
    ]


def claims(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Which tests say that they keep what, as `tests/unit/test_x.py::test_y`; and the claims that cannot be read."""
    kept: dict[str, list[str]] = {}
    unreadable: list[str] = []
    for path in sorted(folder.rglob("test_*.py")):
        for name, docstring in docstrings(path):
            where = f"{path.relative_to(folder.parent).as_posix()}::{name}"
            for claim in CLAIM.findall(docstring):
                if not LIST_OF_IDENTIFIERS.fullmatch(claim):
                    unreadable.append(f"{where}: write `Keeps S2-16, S2-17.`, not `Keeps {' '.join(claim.split())}`")
                for identifier in IDENTIFIER.findall(claim):
                    kept.setdefault(identifier, []).append(where)
    return kept, unreadable


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Name and docstring of each test in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node.name, ast.get_docstring(node) or ""


def complaints(table: list[Row], kept: Mapping[str, list[str]], root: Path) -> list[str]:
    """What is wrong with the table, one sentence each."""
    seen = [row.identifier for row in table]
    known = identifiers()
    found = [f"{identifier}: no row" for identifier in known if identifier not in seen]
    found += [
        f"{identifier}: {seen.count(identifier)} rows" for identifier in sorted(set(seen)) if seen.count(identifier) > 1
    ]
    found += [f"{identifier}: no such promise" for identifier in seen if identifier not in known]
    found += [
        f"{identifier}: no such promise, claimed by {kept[identifier][0]}"
        for identifier in kept
        if identifier not in known
    ]
    for row in table:
        if reason := disagreement(row, kept.get(row.identifier, []), root):
            found.append(f"{row.identifier}: {reason}")
    return found


def disagreement(row: Row, claimed_by: list[str], root: Path) -> str | None:
    """Why a row's status is not what the tests and the files say; None if it is."""
    verb, _, rest = row.status.partition(":")
    if verb == "not yet":
        return f"'not yet', but {claimed_by[0]} keeps it" if claimed_by else None
    if verb != "kept" or not rest.strip():
        return f"status {row.status!r} is neither 'kept: <test or place>' nor 'not yet'"
    places = [place.strip().strip("`") for place in rest.split(",")]
    for place in places:
        file, _, name = place.partition("::")
        if not (root / file.partition("#")[0]).exists():
            return f"{file} does not exist"
        if file.startswith("tests/") and not any(
            c == place or (not name and c.startswith(f"{file}::")) for c in claimed_by
        ):
            return f"{place} does not say that it keeps it"
    if claimed_by and not any(place.startswith("tests/") for place in places):
        return f"names a place only, but {claimed_by[0]} keeps it"
    return None


def mended(row: Row, claimed_by: list[str], root: Path) -> Row:
    """The row as the tests say it should read; unchanged where they say nothing."""
    if disagreement(row, claimed_by, root) is None:
        return row
    if claimed_by:
        named = [place.strip() for place in row.status.partition("kept:")[2].split(",") if place.strip()]
        places = [place for place in named if not place.startswith("tests/")]
        return row._replace(status=f"kept: {', '.join([*places, claimed_by[0]])}")
    return row._replace(status="not yet") if row.status.startswith("kept: tests/") else row


def test_every_promise_is_kept_where_the_table_says() -> None:
    """Nothing is claimed that no test or file shows, and nothing that a test shows is left out."""
    kept, unreadable = claims(ROOT / "tests")
    found = unreadable + complaints(rows(TABLE.read_text("utf-8")), kept, ROOT)
    if found:
        pytest.fail(
            "docs/promises.md (python tests/unit/test_promises.py --mend helps):\n  " + "\n  ".join(found),
            pytrace=False,
        )


@pytest.mark.parametrize(
    ("status", "claimed_by", "reason"),
    [
        ("not yet", [], None),
        ("not yet: analytics", [], None),
        ("not yet", ["tests/unit/test_a.py::test_b"], "keeps it"),
        ("done", [], "neither"),
        ("kept:", [], "neither"),
        ("kept: LICENSE", [], None),
        ("kept: LICENSE#mit", [], None),
        ("kept: LICENSE, nowhere.py", [], "nowhere.py does not exist"),
        ("kept: LICENSE", ["tests/unit/test_a.py::test_b"], "names a place only"),
        ("kept: tests/unit/test_a.py::test_b", ["tests/unit/test_a.py::test_b"], None),
        ("kept: tests/unit/test_a.py", ["tests/unit/test_a.py::test_b"], None),
        ("kept: tests/unit/test_a.py::test_c", ["tests/unit/test_a.py::test_b"], "does not say"),
        ("kept: tests/unit/test_a.py", [], "does not say"),
    ],
)
def test_a_row_is_judged_by_tests_and_files(
    tmp_path: Path, status: str, claimed_by: list[str], reason: str | None
) -> None:
    """The checker finds each kind of false or missing claim."""
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_a.py").touch()
    (tmp_path / "LICENSE").touch()
    found = disagreement(Row("S0-01", "words", status), claimed_by, tmp_path)
    assert found is None if reason is None else found is not None and reason in found


def test_a_row_is_put_right_by_what_tests_say(tmp_path: Path) -> None:
    """Mending adds the test to the places, withdraws a test's lost claim, and leaves the rest alone."""
    test = "tests/unit/test_a.py::test_b"
    (tmp_path / "LICENSE").touch()

    def status(before: str, *claimed_by: str) -> str:
        return mended(Row("S0-01", "words", before), list(claimed_by), tmp_path).status

    assert status("not yet: analytics", test) == f"kept: {test}"
    assert status("kept: LICENSE", test) == f"kept: LICENSE, {test}"
    assert status(f"kept: {test}") == "not yet"
    assert status("kept: nowhere.py") == "kept: nowhere.py"
    assert status("kept: LICENSE") == "kept: LICENSE"


def test_rows_missing_doubled_or_invented_are_named(tmp_path: Path) -> None:
    """The table cannot lose a promise or make one up."""
    table = [Row(identifier, "words", "not yet") for identifier in identifiers() if identifier != "S3-42"]
    table += [Row("B7", "words", "not yet"), Row("S3-99", "words", "not yet")]
    found = complaints(table, {"B26": ["tests/unit/test_a.py::test_b"]}, tmp_path)
    assert found == [
        "S3-42: no row",
        "B7: 2 rows",
        "S3-99: no such promise",
        "B26: no such promise, claimed by tests/unit/test_a.py::test_b",
    ]


def test_claims_are_read_from_docstrings(tmp_path: Path) -> None:
    """A claim is a sentence of the agreed form in a test's docstring; anything else is reported, not guessed."""
    source = (
        'def test_one() -> None:\n    """Right. Keeps S2-16, S2-17 and B5. More."""\n'
        'async def test_two() -> None:\n    """Keeps order. Wrong: Keeps S1-01…S1-06."""\n'
        'def other() -> None:\n    """Keeps S0-01."""\n'
    )
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text(source, "utf-8")
    kept, unreadable = claims(folder)
    assert kept == {
        "S2-16": ["tests/test_a.py::test_one"],
        "S2-17": ["tests/test_a.py::test_one"],
        "B5": ["tests/test_a.py::test_one"],
        "S1-01": ["tests/test_a.py::test_two"],
        "S1-06": ["tests/test_a.py::test_two"],
    }
    assert [line.partition(":")[0] for line in unreadable] == ["tests/test_a.py"]


def main(arguments: list[str]) -> None:
    """Print, or put right, the rows that disagree."""
    kept, unreadable = claims(ROOT / "tests")
    markdown = TABLE.read_text("utf-8")
    table = rows(markdown)
    lines = {str(row): str(mended(row, kept.get(row.identifier, []), ROOT)) for row in table}
    if arguments == ["--mend"]:
        TABLE.write_text("".join(f"{lines.get(line, line)}\n" for line in markdown.splitlines()), "utf-8")
    else:
        sys.stdout.writelines(f"{right}\n" for line, right in lines.items() if right != line)
    left = unreadable + complaints(rows(TABLE.read_text("utf-8")), kept, ROOT)
    sys.stderr.writelines(f"{line}\n" for line in left)


if __name__ == "__main__":
    main(sys.argv[1:])
