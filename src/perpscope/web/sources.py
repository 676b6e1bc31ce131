"""What every answer is made from: the settings, the store, and what the heart told last."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from perpscope.app.answers.kept_figures import KeptFigures
from perpscope.app.backtest_jobs import BacktestJobs
from perpscope.errors import StoreError
from perpscope.ports import Cache
from perpscope.settings import Settings
from perpscope.web.standing import Stand, Standing

if TYPE_CHECKING:
    from perpscope.app.face import Live


class Sources(msgspec.Struct):
    """One face's; handed to each `Endpoint.make`, which reads it from a worker thread."""

    settings: Settings
    database: Path | None  #: None: a replica, which serves what its heart tells and what others put into the cache
    live: "Live"
    cache: Cache
    standing: Standing | None = None  #: made by `stand`
    figures: KeptFigures | None = None  #: made by `kept_figures`
    jobs: BacktestJobs | None = None  #: made by `backtests`

    def stand(self) -> Stand:
        """How the heart, its feeds and the market's time stand just now."""
        if self.standing is None:
            self.standing = Standing(self.database, self.live)
        return self.standing.look()

    def kept_figures(self) -> KeptFigures:
        """What is kept of every coin while somebody asks; see `store`."""
        if self.figures is None:
            self.figures = KeptFigures(self.store())
        return self.figures

    def backtests(self) -> BacktestJobs:
        """The backtests this face was asked for; see `store`."""
        if self.jobs is None:
            self.jobs = BacktestJobs(self.settings, self.store())
        return self.jobs

    def store(self) -> Path:
        """The store's path, for an answer that cannot be made without one.

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
