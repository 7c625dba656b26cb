"""Build the documentation site: python -m website --output FOLDER."""

import argparse
import sys
from pathlib import Path

from website.builder import BuildError, build_site


def main() -> None:
    """Build the site, or check its links."""
    parser = argparse.ArgumentParser(prog="python -m website", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="The folder for the site; its contents are replaced")
    parser.add_argument("--check-links", action="store_true", help="Request the links to other sites instead")
    arguments = parser.parse_args()
    try:
        build_site(arguments.output, check_links=arguments.check_links)
    except BuildError as error:
        sys.exit(f"website: {error}")
    print(f"{arguments.output}/{'output.txt' if arguments.check_links else 'index.html'}")  # noqa: T201  # the output


if __name__ == "__main__":
    main()
