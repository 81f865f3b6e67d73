"""Structures downloaded from the RCSB Protein Data Bank, when a list of their names asks for it."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from monosome.atomic import replacing
from monosome.errors import DataError

ADDRESS = "https://files.rcsb.org/download"
"""Where the archive hands out files (https://www.rcsb.org/docs/programmatic-access/file-download-services)."""
TIMEOUT_SECONDS = 60
"""A server that is silent so long is not there."""

_NAME = re.compile(r"([0-9][A-Za-z0-9]{3}|pdb_[0-9A-Za-z]{8})(?:_(\w+))?")

Names = dict[str, tuple[str, ...]]
"""The chains wanted of each entry; none means all."""


def read_names(path: Path) -> Names:
    """The entries of a text file that names one PDB id, or id_chain, a line; text after # is left out.

    Raises DataError naming the first line that is neither.
    """
    wanted: Names = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        found = _NAME.fullmatch(text)
        if found:
            name, chain = found[1].lower(), found[2]
            known = wanted.get(name)
            # An entry asked for whole stays so, whatever chains of it are named besides.
            wanted[name] = (*(known or ()), chain) if chain and known != () else ()
        elif text:
            raise DataError(f"{path}, line {number}: {text!r} is no PDB id", "one a line: 1EHZ, or 1EHZ_A for a chain")
    if not wanted:
        raise DataError(f"{path} names no PDB entry", "one a line: 1EHZ, or 1EHZ_A for a chain")
    return wanted


def download(name: str, folder: Path, address: str = ADDRESS) -> Path:
    """The entry's mmCIF file in `folder`, downloaded unless it is there.

    Raises DataError when the archive has no such entry, and ConnectionError when it cannot be reached.
    """
    place = folder / f"{name}.cif.gz"
    if place.is_file():
        return place
    url = f"{address}/{name.upper() if len(name) == 4 else name}.cif.gz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, replacing(place) as temporary:
            # All at once: only so does the answer say that it was cut short. The largest entry is below 100 MB.
            temporary.write_bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise DataError(f"{name}: {url} answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise ConnectionError(f"{url}: {error}") from error
    return place


def download_all(
    names: Names, folder: Path, watch: Callable[[int, int], None], address: str = ADDRESS
) -> tuple[dict[str, Path], list[str]]:
    """The file of each entry that the archive has, and notes on the others; `watch` is told how many are done.

    Raises DataError when the archive cannot be reached: what came before is kept, so the same call goes on.
    """
    files: dict[str, Path] = {}
    notes: list[str] = []
    for number, name in enumerate(names, start=1):
        try:
            files[name] = download(name, folder, address)
        except DataError as error:
            notes.append(error.message)
        except ConnectionError as error:
            raise DataError(
                f"cannot download {name} from the Protein Data Bank: {error}",
                "check the network and run the command again: it goes on; or give a folder of structure files",
            ) from error
        watch(number, len(names))
    return files, notes
