"""The picture that `user-ok-img` has to read: digits drawn as a PNG, without a library."""

import base64
import struct
import zlib

_FONT = {
    "1": ("00100", "01100", "00100", "00100", "00100", "00100", "01110"),
    "2": ("01110", "10001", "00001", "00110", "01000", "10000", "11111"),
    "3": ("11110", "00001", "00001", "01110", "00001", "00001", "11110"),
    "4": ("00010", "00110", "01010", "10010", "11111", "00010", "00010"),
    "5": ("11111", "10000", "11110", "00001", "00001", "10001", "01110"),
    "6": ("00110", "01000", "10000", "11110", "10001", "10001", "01110"),
}
_SCALE, _MARGIN = 6, 2


def picture(digits: str) -> str:
    """Return *digits* (1 to 6 only) as a base64 PNG in shades of grey."""
    lines = ["0".join(_FONT[d][row] for d in digits) for row in range(7)]
    blank = "0" * (len(lines[0]) + 2 * _MARGIN)
    padded = [blank] * _MARGIN + ["0" * _MARGIN + line + "0" * _MARGIN for line in lines] + [blank] * _MARGIN
    rows = [_pixels(line, number) for number, line in enumerate(padded) for _ in range(_SCALE)]
    header = struct.pack(">IIBBBBB", len(blank) * _SCALE, len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def _pixels(line: str, number: int) -> bytes:
    # A little noise, as such pictures have.
    shades = (40 if bit == "1" else 205 + (column * 7 + number * 13) % 50 for column, bit in enumerate(line))
    return b"".join(bytes([shade]) * _SCALE for shade in shades)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
