"""The command line. Commands use the API over HTTP, except `serve`, `keys` and `catalog`."""
