"""How good the liquidation map is where the price went: windows, baselines, scores with intervals, one card."""
