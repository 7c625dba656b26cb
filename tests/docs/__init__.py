"""The documents are true: their examples run, their links lead somewhere."""
