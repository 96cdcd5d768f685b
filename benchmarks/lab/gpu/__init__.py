"""One script for a borrowed GPU: correctness, speed, three arms, in some minutes."""
