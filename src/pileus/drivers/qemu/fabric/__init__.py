"""The fabric: a process that carries the frames of all machines of a host, as nobody in particular."""
