"""Where things that can be made again are kept on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of caches: $MONOSOME_CACHE, else ~/.cache/monosome."""
    return Path(os.environ.get("MONOSOME_CACHE") or Path.home() / ".cache" / "monosome").expanduser()
