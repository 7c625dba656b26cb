"""The request log: the last requests of a server with their answers, in memory, for tests and their authors."""
