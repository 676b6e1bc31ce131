"""From the closed one-minute candle to a probability, beside the feed's path (METHOD 11)."""
