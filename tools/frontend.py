"""What `./check frontend` runs: the dashboard's types, style, tests and weight, in a copy that has all its packages.

The copy is `.tools/frontend`; its packages stay until the lock file changes. Exit 1: something is wrong; 75: npm's
registry could not be reached.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hatch_build  # noqa: E402 - a module beside pyproject.toml

from perpscope.app import dashboard  # noqa: E402

SOURCES: Final = ROOT / "frontend"
COPY: Final = ROOT / ".tools" / "frontend"
MOST_BYTES: Final = 90_000  #: of all scripts, packed
UNREACHABLE: Final = 75
_NETWORK: Final = re.compile(r"ENOTFOUND|ECONN(REFUSED|RESET)|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|CERT|network|took longer")
_STEPS: Final = (
    ("types", "openapi-typescript", str(ROOT / "docs/schemas/openapi.json"), "-o", "src/live/schema.d.ts"),
    ("compile", "tsc", "--noEmit"),
    ("style", "biome", "check", "--error-on-warnings"),
    ("tests", "vitest", "run"),
    ("build", "vite", "build", "--manifest", "--logLevel", "warn"),
)


def main() -> int:
    """Run everything, and stop at the first that fails."""
    node = hatch_build.node_of_wheel()
    told = hatch_build.node_environment(os.environ, node, ROOT / ".cache" / "npm")
    copy_sources()
    try:
        fetch_packages(node, told)
    except hatch_build.CannotBuild as why:
        print(why, file=sys.stderr)
        return UNREACHABLE if _NETWORK.search(str(why)) else 1
    for name, program, *words in _STEPS:
        began = time.monotonic()
        done = subprocess.run([node, f"node_modules/.bin/{program}", *words], cwd=COPY, env=told, check=False)  # noqa: S603
        print(f"frontend: {name} {time.monotonic() - began:.1f} s", file=sys.stderr)
        if done.returncode:
            return 1
    return weigh()


def copy_sources() -> None:
    """Everything of `frontend/` as it is now, beside the packages that are there."""
    COPY.mkdir(parents=True, exist_ok=True)
    for old in COPY.iterdir():
        if old.is_dir() and old.name != "node_modules":
            shutil.rmtree(old)
        elif old.is_file() and not old.name.startswith("."):
            old.unlink()
    beside = shutil.ignore_patterns("node_modules", "schema.d.ts", "dist")
    shutil.copytree(SOURCES, COPY, ignore=beside, dirs_exist_ok=True)


def fetch_packages(node: Path, told: dict[str, str]) -> None:
    """`npm ci`, where the lock file is not the one it was last run for.

    Raises:
        CannotBuild: it failed.
    """
    lock, mark = (COPY / "package-lock.json").read_text("utf-8"), COPY / ".fetched"
    if mark.is_file() and mark.read_text("utf-8") == lock:
        return
    mark.unlink(missing_ok=True)
    hatch_build.fetch(node, COPY, told)
    mark.write_text(lock, "utf-8")


def weigh() -> int:
    """What each page loads, the shell with it, as it goes over the wire: none may weigh more than `MOST_BYTES`."""
    folder = COPY / "dist"
    pages = scripts_of_pages(folder)
    weights = {
        name: sum(len(gzip.compress((folder / script).read_bytes(), 9)) for script in scripts)
        for name, scripts in pages.items()
    }
    for name, weight in sorted(weights.items()):
        print(f"frontend: {name:<12} {weight / 1e3:6.1f} kB packed in {len(pages[name])} scripts", file=sys.stderr)
    heaviest = max(weights, key=weights.__getitem__)
    all_kb = dashboard.script_bytes(folder) / 1e3
    print(f"frontend: all pages and both languages {all_kb:.1f} kB packed", file=sys.stderr)
    print(f"frontend: heaviest is {heaviest}, of {MOST_BYTES / 1e3:.0f} kB at most", file=sys.stderr)
    return int(weights[heaviest] > MOST_BYTES)


def scripts_of_pages(folder: Path) -> dict[str, set[str]]:
    """Page → the scripts that are loaded to show it, from the manifest of the build."""
    parts = json.loads((folder / ".vite" / "manifest.json").read_text("utf-8"))

    def needed(name: str) -> set[str]:
        part = parts[name]
        return {part["file"]}.union(*(needed(other) for other in part.get("imports", ())))

    shell = set[str]().union(*(needed(name) for name, part in parts.items() if part.get("isEntry")))
    pages = (name for name in parts if re.fullmatch(r"src/pages/\w+/page\.tsx", name))
    return {"shell": shell} | {name.split("/")[2]: shell | needed(name) for name in pages}


if __name__ == "__main__":
    sys.exit(main())
