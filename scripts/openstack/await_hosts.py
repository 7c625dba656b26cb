"""Succeed if as many hypervisors are up as the second argument says."""

import sys
from pathlib import Path

from accounts import connect

services = connect(Path(sys.argv[1])).compute.services(binary="nova-compute")
sys.exit(sum(service.state == "up" for service in services) < int(sys.argv[2]))
