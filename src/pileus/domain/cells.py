"""Cells: databases that share the tenants of a cloud. Each has regions of its own, and cell 0 has the tenants."""

from collections.abc import Mapping

from msgspec import Struct

from pileus.domain.ids import UUID_TEXT, parse_id_cell

TENANTS_CELL = 0


class Cells(Struct, frozen=True, kw_only=True):
    """The cells of a cloud: the own one of this server, where the servers of each are, and the cell of each region."""

    own: int
    addresses: Mapping[int, str]
    region_cells: Mapping[int, int]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All cells, in order."""
        return tuple(sorted(self.addresses))

    def cell_of_region(self, region_id: int) -> int:
        """Return the cell of a region; an unknown one is looked for here."""
        return self.region_cells.get(region_id, self.own)

    def cell_of_id(self, identity: str) -> int:
        """Return the cell that an id names. Ids from before their layout are those of cell 0."""
        if not UUID_TEXT.fullmatch(identity):
            return self.own
        number = parse_id_cell(identity)
        return number if number in self.addresses else TENANTS_CELL


def parse_cell_addresses(text: str) -> dict[int, str]:
    """Return the addresses of cells by number, from a text such as `0=http://a:8080,1=http://b:8080`."""
    pairs = (entry.partition("=") for entry in text.split(",") if entry)
    return {int(number): address for number, _, address in pairs}
