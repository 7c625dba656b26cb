"""Exit codes that do not come from an error of the command line. docs/cli.md has all."""

INTERRUPTED = 130
"""Ctrl-C."""
