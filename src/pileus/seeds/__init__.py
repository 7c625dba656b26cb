"""Create what a seed file describes, by names, as a client of the public API."""

from pileus.seeds.files import SeedError
from pileus.seeds.seeders import apply_seed_file

__all__ = ["SeedError", "apply_seed_file"]
