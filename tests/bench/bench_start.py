"""How long `perpscope --help` takes, against an interpreter that does nothing."""

import resource
import subprocess
import sys

from measure import interleaved, judge, ratio, tell


def _cpu_ms(*words: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


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
