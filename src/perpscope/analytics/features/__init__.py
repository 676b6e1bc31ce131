"""What is known when a one-minute candle has closed, as numbers a model can be fed (METHOD 11.1)."""
