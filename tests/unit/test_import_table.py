"""Files as tables: compression, marks, quotes, and what is no table at all."""

import gzip
from pathlib import Path

import pytest
import zstandard

from perpscope.errors import DataError
from perpscope.feeds.csv_table import CsvTable

TEXT = b"a,b\r\n\r\n1, 2 \n"
ROWS = [(1, ["a", "b"]), (3, ["1", "2"])]


def rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    """Line numbers and cells of a file with this content."""
    path.write_bytes(content)
    return [(record.number, record.cells) for record in CsvTable(path).records()]


def fault(path: Path, content: bytes) -> str:
    """What is said of a file that is no table."""
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(CsvTable(path).records())
    assert caught.value.code == "import-form"
    return caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.rstrip(b"\n"),
        b"\xef\xbb\xbf" + TEXT,
        gzip.compress(TEXT, mtime=0),
        gzip.compress(TEXT[:4], mtime=0) + gzip.compress(TEXT[4:], mtime=0),
        zstandard.compress(TEXT),
        zstandard.compress(TEXT[:4]) + zstandard.compress(TEXT[4:]),
        TEXT.replace(b",", b";"),
        TEXT.replace(b",", b"\t"),
        b'"a","b"\n\n"1"," 2"\n',
    ],
)
def test_a_table_is_the_same_however_it_is_packed(tmp_path: Path, content: bytes) -> None:
    """Plain, gzip, zstd, in several members, with a BOM, CRLF, quotes, or another delimiter."""
    assert rows(tmp_path / "t.csv", content) == ROWS


def test_a_file_without_delimiters_has_one_column(tmp_path: Path) -> None:
    """No delimiter is no error of the table's."""
    assert rows(tmp_path / "t.csv", b"\xef\xbb\xbfa") == [(1, ["a"])]


def test_decimal_commas_do_not_make_the_delimiter(tmp_path: Path) -> None:
    """Of two marks that are there, the one that most lines agree on."""
    assert rows(tmp_path / "t.csv", b"a;b\n1,5;2,5\n1;2\n")[1] == (2, ["1,5", "2,5"])


def test_a_broken_line_costs_that_line(tmp_path: Path) -> None:
    """An open quote does not swallow what follows; a line that is not UTF-8 or has control characters is named."""
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\n"1,2\n\xff,2\n1\r2,3\n1\x002,3\n1,2\n')
    faults = [(record.number, record.fault) for record in CsvTable(path).records()]
    assert [number for number, why in faults if why is None] == [1, 6]
    assert [str(why).split(":")[0] for _, why in faults if why] == [
        "quotes",
        "not UTF-8 text",
        "a control character in the line",
        "a control character in the line",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"PK\x03\x04xx", "zip archive"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(TEXT * 99, mtime=0)[:-9], "cut short or damaged"),
        (zstandard.compress(TEXT * 99)[:-3], "cut short or damaged"),
        (zstandard.compress(TEXT * 99)[:5] + b"x" * 50, "cut short or damaged"),
        (b"\x1f\x8b\x08\x00nonsense", "cut short or damaged"),
        (b"a,b\n" + b"x" * 1_500_000, "longer than"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    """Each file that is not what it should be has one clear error."""
    assert what in fault(tmp_path / "t.csv", content)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"e":"forceOrder"}\n', "raw frames"),
        (b'1718901133106000000 {"e":1}\n', "raw frames"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not text"),
        (b"a\x00b", "not text"),
        (b"a,b", None),
    ],
)
def test_another_form_is_recognised(tmp_path: Path, content: bytes, what: str | None) -> None:
    """A recording and an image are told apart from a table nobody knows."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    found = CsvTable(path).other_form()
    assert (found and found[0].split(",")[0]) == what


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file and a folder are named, before anything else."""
    for path, why in ((tmp_path / "none.csv", "does not exist"), (tmp_path, "not a regular file")):
        with pytest.raises(DataError, match=why) as caught:
            CsvTable(path)
        assert caught.value.code == "import-missing"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No permission, or a disk that fails, is an error of ours and no traceback."""
    path = tmp_path / "t.csv"
    path.write_bytes(TEXT)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        CsvTable(path)
