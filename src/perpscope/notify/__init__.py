"""Ways to tell people: each sink takes alerts and sayings and says whether they went out."""
