"""The liquidation map judged on real hours (METHOD 14b): tables in, figures with intervals out."""
