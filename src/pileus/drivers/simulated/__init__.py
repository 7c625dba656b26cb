"""A cloud that is played: nothing runs, and everything behaves."""
