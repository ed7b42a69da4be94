"""Turn a sample's integer states into one 64-bit symbol, and activations into symbols.

`symbols` and `keys` define what a symbol is (`it_callbacks.codes.spec`, in plain words); `encode`
gives the symbols of activations read with a ruler, by the same definition but faster
(`it_callbacks.codes.fast`).
"""

from it_callbacks.codes.fast import (
    Encoded,
    encode,
    encode_keys,
    encoded,
    encoded_at_once,
    encoded_twice,
    kind_of,
)
from it_callbacks.codes.spec import keys, symbols

__all__ = [
    "Encoded",
    "encode",
    "encode_keys",
    "encoded",
    "encoded_at_once",
    "encoded_twice",
    "keys",
    "kind_of",
    "symbols",
]
