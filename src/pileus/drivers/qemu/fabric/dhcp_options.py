"""Options of DHCP messages: parse and encode them, also options of more than 255 bytes (RFC 2132, 3396)."""

from collections.abc import Iterator

PAD, OVERLOAD, END = 0, 52, 255
PIECE_SIZE = 255
"""The most bytes of an option, a longer one is sent in pieces (RFC 3396)."""
FILE_SIZE, SERVER_NAME_SIZE = 128, 64
"""Bytes of the header's fields `file` and `sname`, which can hold options too."""
FILE_HAS_OPTIONS, SERVER_NAME_HAS_OPTIONS = 1, 2
"""The bits of the option that says so."""


class OptionsWriter:
    """Writes options into a message that has `size` bytes for them, and then into its fields `file` and `sname`."""

    def __init__(self, size: int) -> None:
        # Each area ends with an option of its own; the first one may need the option for the others.
        self._areas = [(bytearray(), room - 1) for room in (size - 3, FILE_SIZE, SERVER_NAME_SIZE)]

    @property
    def room(self) -> int:
        """How many bytes are left."""
        return sum(room - len(area) for area, room in self._areas)

    def add(self, code: int, *values: bytes, limit: int | None = None) -> None:
        """Add an option of one or more values, as many as fit in the room, or in `limit` bytes.

        A value is never split: a client that knows no pieces reads those of the first piece.
        """
        remaining, budget = list(values), self.room if limit is None else limit
        for area, room in self._areas:
            while remaining and (piece := _take_piece(remaining, min(room - len(area), budget))):
                area.extend((code, len(piece), *piece))
                budget -= 2 + len(piece)

    def encode(self) -> tuple[bytes, bytes, bytes]:
        """Return the options, and the content of the fields `file` and `sname`."""
        (options, _), (file, _), (server_name, _) = self._areas
        overload = FILE_HAS_OPTIONS * bool(file) + SERVER_NAME_HAS_OPTIONS * bool(server_name)
        if overload:
            options += bytes((OVERLOAD, 1, overload))
        return bytes((*options, END)), _encode_field(file, FILE_SIZE), _encode_field(server_name, SERVER_NAME_SIZE)


def _take_piece(values: list[bytes], room: int) -> bytes:
    """Remove from the list what fits in one piece, with its head, and return it."""
    piece = b""
    while values and len(piece + values[0]) <= min(room - 2, PIECE_SIZE):
        piece += values.pop(0)
    return piece


def _encode_field(content: bytearray, size: int) -> bytes:
    return (bytes((*content, END)) if content else b"").ljust(size, b"\0")


def parse_options(content: bytes) -> dict[int, bytes]:
    """Return the values of options by code. The pieces of an option are joined (RFC 3396)."""
    options: dict[int, bytes] = {}
    for code, value in _iterate_pieces(content):
        options[code] = options.get(code, b"") + value
    return options


def _iterate_pieces(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of all that is complete."""
    offset = 0
    while offset < len(content) and content[offset] != END:
        if content[offset] == PAD:
            offset += 1
            continue
        end = offset + 2 + int.from_bytes(content[offset + 1 : offset + 2], "big")
        if end > len(content):
            return
        yield content[offset], content[offset + 2 : end]
        offset = end
