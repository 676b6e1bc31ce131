"""Small models of what comes after a candle, what makes their figures probabilities, and what they are worth."""
