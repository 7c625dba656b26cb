"""The tiny guest: a real system that boots in seconds, built from Debian packages."""

import os
from pathlib import Path

IMAGE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus" / "tiny-guest.qcow2"
"""The image, kept for later runs."""
READY = b"tiny guest ready"
"""The tiny guest writes this to its serial line when it is up."""
