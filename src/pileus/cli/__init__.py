"""Commands: they talk to the API over HTTP; `serve` and `keys` are the exceptions."""
