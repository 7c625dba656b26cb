"""Records, states and rules: pure functions of what they are given; no I/O, no clock, no randomness."""
