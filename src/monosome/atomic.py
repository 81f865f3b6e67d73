"""Files and folders that appear whole or not at all: written beside their place, then renamed into it."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write a file or a folder to; renamed into place when the block succeeds.

    On any failure, a full disk included, the temporary is removed and what stood at `path` is untouched. A folder
    that stands at `path` is replaced; a power cut between its removal and the rename leaves the new one under its
    temporary name only, so callers that need the old one give the new one another name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _sync(temporary)
        if temporary.is_dir() and path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """`path`, now holding `text`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _sync(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
