"""docs/security.md says of each line of the checklist by what it is kept, and names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def rows() -> dict[int, str]:
    """Number of a line of the checklist → by what it is kept."""
    found: dict[int, str] = {}
    for lines, kept in re.findall(r"^\| (S\d+(?:, S\d+)*) \|[^|]+\| (.+) \|$", PAGE, re.MULTILINE):
        found |= dict.fromkeys([int(line[1:]) for line in lines.split(", ")], kept)
    return found


def test_every_line_of_the_checklist_is_told() -> None:
    """S1–S38: each is there, once: kept by a test, or why it is not yet."""
    assert sorted(rows()) == list(range(1, 39))


def test_the_tests_it_names_exist_and_name_the_line() -> None:
    """A file that is said to keep a line says so itself, where it is one of the security's own."""
    for number, kept in rows().items():
        for name in re.findall(r"`((?:unit|acceptance|contract)/\w+\.py)`", kept):
            text = (ROOT / "tests" / name).read_text("utf-8")
            if "security" in name:
                assert re.search(rf"\bS{number}\b|_s{number}_", text), f"{name} does not name S{number}"
