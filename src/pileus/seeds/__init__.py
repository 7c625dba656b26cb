"""Create what a seed file describes, by names, as a client of the public API."""

from pileus.seeds.files import SeedError
from pileus.seeds.seeders import seed_cloud

__all__ = ["SeedError", "seed_cloud"]
