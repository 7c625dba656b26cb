"""The fabric: an unprivileged process that carries the frames of all machines of a host."""
