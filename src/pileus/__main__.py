"""The `pileus` command, also reached as `python -m pileus`."""

from pileus.cli.main import pileus


def main() -> None:
    """Run the command line."""
    pileus(prog_name="pileus")


if __name__ == "__main__":
    main()
