"""People become labels: votes, what to look at, agreement, and whose claim is final."""
