"""How far a venue's clock is ahead of this machine's, as exactly as one call can tell.

In: a venue that tells its clock. Out: a `Skew`. Everything is kept by the venue's own times, so that a machine whose
clock is wrong loses nothing; but what is plausible, and what was covered, has to be reckoned with it.
"""

import msgspec

from perpscope.ports import Clock, Http, Timed


class Skew(msgspec.Struct, frozen=True):
    """A difference between two clocks."""

    lead_ns: int  #: the venue's clock less ours
    uncertain_ns: int  #: half the time the call took: it may be off by so much

    @property
    def surely_ns(self) -> int:
        """What no slowness of the call explains, >= 0."""
        return max(0, abs(self.lead_ns) - self.uncertain_ns)

    def __str__(self) -> str:
        side = "behind" if self.lead_ns > 0 else "ahead of"
        return f"{abs(self.lead_ns) / 1e6:,.0f} ± {self.uncertain_ns / 1e6:,.0f} ms {side}"


async def measure(venue: Timed, http: Http, clock: Clock) -> Skew:
    """Ask a venue for its time.

    Raises:
        VenueError: it does not tell.
    """
    before = clock.now_ns()
    theirs = venue.server_time(await http.get(venue.time_request()))
    after = clock.now_ns()
    return Skew(theirs - (before + after) // 2, (after - before) // 2)
