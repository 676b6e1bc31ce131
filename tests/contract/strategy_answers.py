"""What every strategy answers on watches at random: printed, so that two processes can be compared."""

import sys

import numpy as np

from perpscope.app import strategies
from perpscope.trading.compiling import IS_COMPILED, blank
from perpscope.trading.layout import ACCOUNT, BARS, NOTE_EDGE, NOTE_OWN, NS, NUMBERS, WATCH
from perpscope.trading.strategy import Record, Strategy

START = 1_767_225_600 * NS
#: In one watch of so many each figure on its own may be unknown.
_HOLED = 4


def watched(rng: np.random.Generator) -> tuple[Record, Record]:
    """A watch in which anything may be, and an account that holds something or nothing."""
    w, account = blank(WATCH)[0], blank(ACCOUNT)[0]
    now = START + int(rng.integers(0, 10**15))
    w["now"], w["bars"], w["bar_at"] = now, int(rng.integers(0, 2 * BARS)), now - int(rng.integers(0, 3)) * NS
    w["bar_ns"] = 60 * NS * int(rng.choice([1, 15]))
    w["returns"] = rng.normal(0.0, 0.001, BARS)
    w["closes"] = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.001, BARS)))
    w["volumes"] = rng.exponential(10.0, BARS) * rng.choice([1.0, 8.0], BARS, p=[0.9, 0.1])
    w["seconds"] = int(rng.integers(0, 100))
    w["imbalances"] = rng.uniform(-1.0, 1.0) * rng.uniform(0.5, 1.0, 16)
    price = w["closes"][(int(w["bars"]) - 1) % BARS]
    w["above_price"], w["below_price"] = price * np.exp(rng.uniform(-0.001, 0.03, 2) * (1, -1))
    w["pull"], w["map_at"] = rng.uniform(-1.0, 1.0), now - int(rng.integers(0, 2 * 7200)) * NS
    w["p_up"], w["p_down"], w["edge"] = *rng.uniform(0.0, 1.0, 2), rng.normal(0.0, 5e-4)
    w["is_promoted"], w["forecast_for"], w["forecast_at"] = int(rng.integers(0, 2)), w["bar_at"], now
    if rng.integers(0, _HOLED) == 0:
        for name in rng.choice(
            ["closes", "volumes", "returns", "imbalances", "pull", "edge", "p_up", "above_price"], 2
        ):
            w[str(name)] = np.nan
    account["size"] = int(rng.choice([0, 0, 5, -5]))
    account["opened_at"], account["opened_bar"] = (
        now - int(rng.integers(0, 20_000)) * NS,
        w["bars"] - rng.integers(0, 9),
    )
    account["closed_at"] = int(rng.choice([0, now - 30 * NS, now - 7200 * NS]))
    account["trades"] = int(rng.integers(0, 2))
    return w, account


def answers(strategy: Strategy, count: int, seed: int) -> list[str]:
    """Each answer with its notes, to the last bit."""
    rng = np.random.default_rng(seed)
    numbers, notes, found = np.zeros(NUMBERS), np.zeros(NUMBERS), []
    own = strategy.numbers(strategy.parameters())
    numbers[: own.size] = own
    for _ in range(count):
        w, account = watched(rng)
        w["is_bar"] = int(rng.integers(0, 4) > 0)
        notes[:NOTE_OWN], notes[NOTE_EDGE] = 0.0, np.nan
        notes[NOTE_OWN:] = rng.uniform(0.0, 20.0, NUMBERS - NOTE_OWN)
        answer = strategy.rule(w, account, numbers, notes)
        found.append(" ".join([str(int(answer)), *(float(note).hex() for note in notes[: NOTE_OWN + 4])]))
    return found


def main() -> None:
    """All of them, one answer a line; the first line says whether they were compiled."""
    print(IS_COMPILED)
    for name in strategies.names():
        for line in answers(strategies.proven(strategies.find(name)), int(sys.argv[1]), 1):
            print(name, line)


if __name__ == "__main__":
    main()
