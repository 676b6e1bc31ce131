"""How much a run of outcomes says against chance, by betting, so that it may be looked at whenever one likes.

In: blocks of outcomes that could not know of each other, each with its chance. Out: an e-value: the wealth of one who
bets on the rule being worse than chance. Were it at least as good, that wealth would be expected to stay at 1 or fall,
and by Ville's inequality it ever reaches 1/x with probability x at most, however often one looks (Shafer 2021, "Testing
by betting"; Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting").
"""

from collections.abc import Sequence
from math import exp, log
from typing import Final

import msgspec

#: Wealth at which the evidence is taken: of rules exactly like chance a tenth at most ever get there, of better ones
#: fewer. Chosen by hand: a rule that is wrongly muted is told of, and can be heard again.
ENOUGH: Final = 10.0
#: Once it was enough, it is no longer when all that had been won is lost.
GIVEN_BACK: Final = 1.0
#: Wealth never falls below: a good past is worth a factor of 100, so that a rule gone bad is found out (by hand).
FLOOR: Final = 0.01
#: Shares of the largest bet there can be; their mean is the wealth (by hand).
_SHARES: Final = (0.15, 0.4, 0.8)


class Evidence(msgspec.Struct, kw_only=True):
    """Wealth of bets against one statement."""

    logs: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(_SHARES))
    blocks: int = 0
    is_enough: bool = False  #: it was enough, and has not been given back since

    @property
    def value(self) -> float:
        """The e-value."""
        return sum(map(exp, self.logs)) / len(self.logs)

    def bet(self, outcomes: Sequence[tuple[float, bool]], *, on_fewer: bool) -> None:
        """One bet on the mean of a block.

        Args:
            outcomes: of each alert of the block: its chance in [0, 1], as it was known before, and whether it hit.
            on_fewer: against "hits are at least as frequent as chance"; else against "at most as frequent".
        """
        if not outcomes:
            return
        mean = sum(chance for chance, _ in outcomes) / len(outcomes)
        hits = sum(hit for _, hit in outcomes) / len(outcomes)
        gain, most_lost = (mean - hits, 1.0 - mean) if on_fewer else (hits - mean, mean)
        for at, share in enumerate(_SHARES):
            stake = share / max(most_lost, 0.02)
            self.logs[at] += log(1.0 + stake * gain)
        short = log(FLOOR) - log(self.value)
        if short > 0.0:
            self.logs = [each + short for each in self.logs]
        self.blocks += 1
        bound = GIVEN_BACK if self.is_enough else ENOUGH
        self.is_enough = self.value >= bound if not self.is_enough else self.value > bound
