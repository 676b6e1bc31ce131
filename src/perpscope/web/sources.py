"""What every answer is made from: the settings, the store, and what the heart told last."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from perpscope.app.answers.kept_figures import KeptFigures
from perpscope.app.backtest_jobs import BacktestJobs
from perpscope.app.shown_market import Shown, ShownMarket
from perpscope.errors import StoreError
from perpscope.ports import Cache
from perpscope.settings import Settings
from perpscope.web.standing import Stand, Standing

if TYPE_CHECKING:
    from perpscope.app.face import Live


class Sources(msgspec.Struct):
    """One face's; handed to each `Endpoint.make`, which reads it from a worker thread."""

    settings: Settings
    #: That it was named, beside which runs, journals and the mode are. None: a replica, which serves what its heart
    #: tells and what others put into the cache.
    database: Path | None
    live: "Live"
    cache: Cache
    standing: Standing | None = None  #: made by `stand`
    figures: KeptFigures | None = None  #: made by `kept_figures`
    jobs: BacktestJobs | None = None  #: made by `backtests`
    shown: ShownMarket | None = None  #: whose market is shown; None = the database's

    def stand(self) -> Stand:
        """How the heart, its feeds and the market's time stand just now."""
        if self.standing is None:
            self.standing = Standing(self.market, self.live)
        return self.standing.look()

    def kept_figures(self) -> KeptFigures:
        """What is kept of every coin while somebody asks; see `store`."""
        store = self.store()
        if self.figures is None or self.figures.path != store:
            self.figures = KeptFigures(store)
        return self.figures

    def backtests(self) -> BacktestJobs:
        """The backtests this face was asked for; see `store`."""
        if self.jobs is None:
            self.jobs = BacktestJobs(self.settings, self.home())
        return self.jobs

    def market(self) -> Shown | None:
        """Whose market is shown, and what is to be said of it; None = this face has no store."""
        if self.database is None:
            return None
        return Shown(store=self.database, note="") if self.shown is None else self.shown.look()

    def store(self) -> Path:
        """Path of the store whose market is shown, for an answer that cannot be made without one.

        Raises:
            StoreError: this face has none ("replica-without-answer").
        """
        home, market = self.home(), self.market()
        return home if market is None else market.store

    def home(self) -> Path:
        """The database it was named, for an answer about runs, orders or the mode.

        Raises:
            StoreError: this face has none ("replica-without-answer").
        """
        if self.database is None:
            raise StoreError(
                "replica-without-answer",
                "this face has no store, and no face that has one has put this answer into the cache",
                hint="ask a face beside the store, or ask again once one of them was asked the same",
            )
        return self.database
