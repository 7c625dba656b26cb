"""The `pileus` command, also reached as `python -m pileus`.

This module imports nothing that takes time: Ctrl-C while the rest is imported ends the program as it does later.
"""

import sys

from pileus.cli.exit_codes import INTERRUPTED


def main() -> None:
    """Run the command line."""
    try:
        from pileus.cli.main import pileus  # noqa: PLC0415  # see above

        pileus(prog_name="pileus")
    except KeyboardInterrupt:
        # The terminal has echoed ^C.
        sys.stderr.write("\npileus: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
