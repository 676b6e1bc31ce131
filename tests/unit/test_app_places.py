"""Where files go by default, and the reason that is given."""

from pathlib import Path

import pytest

from perpscope.app import places
from perpscope.errors import StoreError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a working folder with nothing in them."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_a_named_database_wins(home: Path) -> None:
    """A flag or a setting, with its origin in the reason; `~` is the home folder. Keeps S1-35."""
    Path("data").mkdir()
    Path("data/liquidations.db").touch()
    assert places.database("x.db", "command line") == (Path("x.db"), "named by command line")
    assert places.database("~/x.db") == (home / "x.db", "named by configuration")


def test_the_old_document_s_database_is_used_where_it_is(home: Path) -> None:
    """`./data/liquidations.db` if it exists, else the data folder; either way the reason is told. Keeps S1-21."""
    assert places.database("") == (home / ".local/share/perpscope/market.db", "the default place")
    Path("data").mkdir()
    Path("data/liquidations.db").touch()
    assert places.database("") == (places.LEGACY_DATABASE, "./data/liquidations.db exists here")


def test_the_data_folder_follows_the_desktop_s_rules(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`$XDG_DATA_HOME` where it is set, else `~/.local/share`."""
    assert places.data_folder() == home / ".local/share/perpscope"
    assert places.data_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/perpscope")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert places.data_folder() == tmp_path / "xdg/perpscope"


def test_a_demo_has_a_file_of_its_own() -> None:
    """Below the data folder, never the real database."""
    file = places.demo_database()
    assert file.parent == places.data_folder() / "demo"
    assert file.name.startswith("demo-")
    assert file != places.database("")[0]


def test_only_our_own_folder_is_made(home: Path, tmp_path: Path) -> None:
    """A folder somebody named must be there; ours is made, or the error says why not. Keeps S1-69."""
    places.make_own_folder(tmp_path / "nowhere/x.db")
    assert not (tmp_path / "nowhere").exists()
    ours = places.demo_database()
    places.make_own_folder(ours)
    places.make_own_folder(ours)
    assert ours.parent.is_dir()
    ours.parent.rmdir()
    ours.parent.touch()
    with pytest.raises(StoreError, match="cannot make the folder") as caught:
        places.make_own_folder(ours)
    assert caught.value.code == "store-folder"
    assert home in ours.parents
