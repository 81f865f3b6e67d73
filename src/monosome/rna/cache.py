"""Arrays that take long to compute and depend on little, kept on disk."""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from zipfile import BadZipFile

import numpy as np

from monosome.atomic import replacing
from monosome.places import cache_folder

Values = dict[str, Any]
"""Arrays by name."""


def cached(kind: str, digest: str, shapes: Mapping[str, tuple[int, ...]], compute: Callable[[], Values]) -> Values:
    """The arrays of this kind and digest, read from the cache folder where they lie there in their shapes.

    Else they are computed and written there.
    """
    file = cache_folder() / kind / f"{digest}.npz"
    try:
        values = dict(np.load(io.BytesIO(file.read_bytes()), allow_pickle=False))
    except (OSError, ValueError, EOFError, BadZipFile):
        values = {}
    if all(name in values and values[name].shape == shape for name, shape in shapes.items()):
        return values
    values = dict(compute())
    # Read-only homes and full disks cost the time of computing again, not the result.
    with suppress(OSError), replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, **values)
    return values
