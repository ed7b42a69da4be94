"""Read the records of an event file: those that are whole, and where others were lost.

A file is a row of records, each a length, a checksum of the length, the bytes of an event and a
checksum of these. TensorBoard stops at the first that is damaged. Here the next whole record is
looked for, since both checksums together tell it from anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")
_PIECE = 1 << 24
"""Bytes read at once."""
_SEARCHED = 1 << 16
"""Bytes among which a header is looked for at once."""
_BLOCK = 256
"""Bytes that one look-up of each turns into a checksum, and the least worth NumPy's overhead."""


class Lost(NamedTuple):
    """Bytes of a file that belong to no whole record."""

    start: int
    n_bytes: int
    is_end: bool
    """Whether they are the beginning of a last record: one that is being written looks so."""


def records(read: Callable[[int], bytes], lost: list[Lost]) -> Iterator[bytes]:
    """Yield the events of a file, still serialized, whose checksums are right.

    Args:
        read: Returns the next bytes of the file, at most so many; none at its end.
        lost: Gets what is passed over, in order.
    """
    ahead = _Ahead(read)
    headers: set[bytes] = set()  # lengths repeat, and most are right
    while ahead.has(1):
        start = ahead.place
        if (record := _record(ahead, headers)) is None:
            is_cut = _is_cut(ahead)
            found = _find(ahead, headers)
            lost.append(Lost(start, ahead.place - start, is_cut and not found))
        else:
            yield record


class _Ahead:
    """A file that can be looked at before it is gone on in."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._bytes = b""
        self._at = self._before = 0

    @property
    def place(self) -> int:
        """How many bytes lie behind."""
        return self._before + self._at

    def has(self, n_bytes: int) -> bool:
        """Whether so many lie ahead."""
        while len(self._bytes) - self._at < n_bytes:
            # Not `n_bytes`, which a stranger's header may put beyond all memory.
            if not (more := self._read(max(_PIECE, len(self._bytes)))):
                return False
            self._before += self._at
            self._bytes = self._bytes[self._at :] + more
            self._at = 0
        return True

    def look(self, start: int, end: int) -> bytes:
        """The bytes ahead from `start` to `end`, fewer at the end of the file."""
        return self._bytes[self._at + start : self._at + end]

    def go(self, n_bytes: int) -> None:
        """Leave so many behind."""
        self._at = min(self._at + n_bytes, len(self._bytes))


def _record(ahead: _Ahead, headers: set[bytes]) -> bytes | None:
    """The event at the place, which is left behind; None if it is not whole."""
    if not ahead.has(_HEADER.size):
        return None
    header = ahead.look(0, _HEADER.size)
    if header not in headers:
        if not _is_header(header):
            return None
        headers.add(header)
    start, end = _HEADER.size, _HEADER.size + _HEADER.unpack(header)[0]
    if not ahead.has(end + _FOOTER.size):
        return None
    event = ahead.look(start, end)
    if _FOOTER.unpack(ahead.look(end, end + _FOOTER.size))[0] != _masked(checksum(event)):
        return None
    ahead.go(end + _FOOTER.size)
    return event


def _is_cut(ahead: _Ahead) -> bool:
    """Whether what lies ahead is the beginning of a record whose end is not there."""
    if not ahead.has(_HEADER.size):
        return True
    header = ahead.look(0, _HEADER.size)
    n_bytes = _HEADER.size + _HEADER.unpack(header)[0] + _FOOTER.size
    return _is_header(header) and not ahead.has(n_bytes)


def _find(ahead: _Ahead, headers: set[bytes]) -> bool:
    """Go to the next whole record; False where none is left, at the end of the file."""
    ahead.go(1)
    while ahead.has(_HEADER.size):
        ahead.has(_SEARCHED)
        searched = ahead.look(0, _SEARCHED)
        gone = 0
        for place in _headers_in(searched):
            ahead.go(place - gone)
            gone = place
            if _is_whole(ahead, headers):
                return True
        ahead.go(len(searched) - _HEADER.size + 1 - gone)
    ahead.go(_HEADER.size)
    return False


def _is_whole(ahead: _Ahead, headers: set[bytes]) -> bool:
    header = ahead.look(0, _HEADER.size)
    end = _HEADER.size + _HEADER.unpack(header)[0]
    if not ahead.has(end + _FOOTER.size):
        return False
    event = ahead.look(_HEADER.size, end)
    (expected,) = _FOOTER.unpack(ahead.look(end, end + _FOOTER.size))
    return bool(expected == _masked(checksum(event)))


# Checksums: CRC-32C, which is linear: that of a text is the sum (XOR) of those of its bytes, each
# by its distance from the end.


def _steps(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc


_OF_BYTE = [_steps(byte) for byte in range(256)]


def _by_distance(n: int) -> NDArray[np.uint32]:
    """``[p, b]``: what a byte ``b`` adds that stands before the last ``n - 1 - p`` of `n`."""
    table = np.empty((n, 256), np.uint32)
    table[-1] = _OF_BYTE
    for place in range(n - 2, -1, -1):
        last = table[place + 1]
        table[place] = table[-1][last & 255] ^ (last >> 8)
    return table


_IN_BLOCK = _by_distance(_BLOCK)
_PLACES = np.arange(_BLOCK)
_ACROSS = _IN_BLOCK[:4].tolist()
"""What each byte of a checksum adds to that after a block: it is added to the block's own."""


def checksum(text: bytes) -> int:
    """Return the CRC-32C of `text`.

    Example:
        >>> hex(checksum(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    n_short = len(text) % _BLOCK if len(text) > _BLOCK else len(text)
    table = _OF_BYTE
    for byte in text[:n_short]:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    if n_short < len(text):
        blocks = np.frombuffer(text, np.uint8, offset=n_short).reshape(-1, _BLOCK)
        first, second, third, fourth = _ACROSS
        for of_block in np.bitwise_xor.reduce(_IN_BLOCK[_PLACES, blocks], axis=1).tolist():
            crc = (
                first[crc & 255]
                ^ second[crc >> 8 & 255]
                ^ third[crc >> 16 & 255]
                ^ fourth[crc >> 24]
                ^ of_block
            )
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """How files hold a checksum."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _is_header(header: bytes) -> bool:
    return bool(_HEADER.unpack(header)[1] == _masked(checksum(header[:8])))


_OF_ZEROS = np.uint32(checksum(bytes(8)))


def _headers_in(text: bytes) -> list[int]:
    """Where in `text` a length and its checksum stand."""
    numbers = np.frombuffer(text, np.uint8)
    n_places = len(numbers) - _HEADER.size + 1
    crc = np.full(n_places, _OF_ZEROS)
    of_place = _IN_BLOCK[-8:]
    for number in range(8):
        crc ^= of_place[number][numbers[number : number + n_places]]
    masked = (crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)
    held = np.zeros(n_places, np.uint32)
    for number in range(4):
        held |= numbers[8 + number : 8 + number + n_places].astype(np.uint32) << (8 * number)
    return np.flatnonzero(masked == held).tolist()
