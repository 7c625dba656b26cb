"""A tiny guest: a real system that boots in seconds, made of Debian's packages."""

import os
from pathlib import Path

IMAGE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus" / "tiny-guest.qcow2"
"""Where it is kept from one run to the next."""
READY = b"tiny guest ready"
"""What it says on its serial line when one can log in."""
