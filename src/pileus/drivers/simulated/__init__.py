"""The simulated cloud: nothing runs, but everything behaves as in a real one."""
