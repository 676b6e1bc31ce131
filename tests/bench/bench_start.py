"""How long `perpscope --help` takes, against an interpreter that does nothing."""

import os
import subprocess
import sys

from measure import interleaved, judge, ratio, tell


def _cpu_ms(*words: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = os.times()
    return 1000 * (after.children_user + after.children_system - before.children_user - before.children_system)


def help_text() -> bool:
    """CPU of the whole process."""
    figures = interleaved(
        {
            "python -c pass": lambda: _cpu_ms("-c", "pass"),
            "perpscope --help": lambda: _cpu_ms("-m", "perpscope", "--help"),
        }
    )
    tell("start-up, CPU of the process", figures, unit="ms")
    floor, ours = figures.values()
    return judge("--help ÷ python -c pass", ratio(ours, floor), 10.0)
