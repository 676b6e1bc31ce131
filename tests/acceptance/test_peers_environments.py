"""`tools/peers.sh`, in a project of its own: what can be installed is, what cannot is named."""

import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_DEADLINE_S = 60.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the tools, uv, and no peers yet."""
    uv = _ROOT / ".tools" / "installer"
    if not (uv / "bin" / "uv").exists():
        pytest.skip("uv is not where ./check puts it")
    shutil.copytree(_ROOT / "tools", tmp_path / "tools")
    (tmp_path / "tests" / "peers").mkdir(parents=True)
    (tmp_path / ".tools").mkdir()
    (tmp_path / ".tools" / "installer").symlink_to(uv)
    return tmp_path


def _peers(project: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", str(project / "tools" / "peers.sh"), *names],
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )


def test_peer_is_made_once_and_again_when_its_requirements_change(project: Path) -> None:
    """Protects every later run: an environment that is there costs nothing, one of other requirements is made anew."""
    wanted = project / "tests" / "peers" / "nobody.txt"
    wanted.write_text("# nothing\n", "utf-8")
    assert "installing nobody" in _peers(project).stderr
    mark = project / ".cache" / "peers" / "nobody" / ".installed"
    first = mark.read_text("utf-8")
    assert (project / ".cache" / "peers" / "nobody" / "bin" / "python").exists()
    assert _peers(project).stderr == ""
    wanted.write_text("# nothing else\n", "utf-8")
    assert "installing nobody" in _peers(project).stderr
    assert mark.read_text("utf-8") != first


def test_peer_that_cannot_be_installed_is_named_and_left_out(project: Path) -> None:
    """Protects a run without a network: the others are made, the status says that one is missing, the lock is free."""
    peers = project / "tests" / "peers"
    (peers / "broken.txt").write_text("./is-not-there\n", "utf-8")
    (peers / "nobody.txt").write_text("# nothing\n", "utf-8")
    done = _peers(project)
    assert done.returncode == 1
    assert "left out: broken" in done.stderr
    assert not (project / ".cache" / "peers" / "broken" / ".installed").exists()
    assert (project / ".cache" / "peers" / "nobody" / ".installed").exists()
    assert not (project / ".tools" / "lock").is_symlink()
