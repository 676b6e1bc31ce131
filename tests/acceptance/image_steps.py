"""The Dockerfile, read: its instructions, and the stages they belong to."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Instruction(NamedTuple):
    """One instruction, its continued lines joined."""

    name: str
    text: str


def dockerfile() -> list[Instruction]:
    """All of them, in order; comments left out."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def stages() -> list[list[Instruction]]:
    """Each FROM and what follows it."""
    found: list[list[Instruction]] = []
    for one in dockerfile():
        if one.name == "FROM":
            found.append([])
        found[-1].append(one)
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What the ENV of a stage sets; `$PATH` as it stands."""
    pairs = [pair for one in stage if one.name == "ENV" for pair in one.text.split()]
    return dict(pair.split("=", 1) for pair in pairs)
