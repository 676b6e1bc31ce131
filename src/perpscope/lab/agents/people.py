"""How the agent market's accounts stand: what venues publish as long/short ratios, counted instead of guessed."""

import math

import numpy as np

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.exchange import Exchange

_TOP = 0.2  # share of the holders that count as the largest, as on Binance


def stances(exchange: Exchange) -> Floats:
    """Who is long, by venue.

    Returns:
        Three rows with a column a venue, fractions: of the accounts that hold something; of the largest fifth of them
        by size; of what that fifth holds. One half where nobody holds anything.
    """
    found = np.full((3, len(exchange.places)), 0.5)
    for venue in range(len(exchange.places)):
        lots = exchange.lots[exchange.agents(venue)]
        lots = lots[lots != 0]
        if not lots.size:
            continue
        largest = lots[np.argsort(-np.abs(lots), kind="stable")[: math.ceil(_TOP * lots.size)]]
        longs = np.maximum(largest, 0.0).sum() / np.abs(largest).sum()
        found[:, venue] = (lots > 0).mean(), (largest > 0).mean(), longs
    return found
