"""Structures inside a page: packed small, drawn by Mol* from an installed package, with no request to anywhere.

Coordinates are stored as differences in two bytes.
"""

import base64
import gzip
import hashlib
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources

import numpy as np
from jaxtyping import Float, Int16, UInt8

UNIT_ANGSTROM = 0.02
"""Coordinates are rounded to it, a hundredth of what models of this kind are off by: a tenth smaller than at 0.01."""
MATRIX_SIZE = 400
"""Larger matrices are shown as means over so many rows and columns."""

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Model:
    """One structure of a scene: `atoms` in Å, NaN where missing, in the order of the scene's atom names.

    `confidence` is 0 to 100 per residue; `pairs` are base pairs by residue, from 0.
    """

    name: str
    note: str
    atoms: Float[Array, "n a 3"]
    confidence: Float[Array, "n"] | None
    pairs: Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Matrix:
    """A value for each two residues."""

    name: str
    unit: str
    values: Float[Array, "n n"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A molecule in one or more models that lie on each other: what a reader turns, picks and downloads.

    `strands` counts the strand of each residue from 0; `atom_names` names the atom axis of the models; `native` is
    drawn in grey beside any of them.
    """

    id: str
    sequence: str
    strands: Sequence[int]
    atom_names: Sequence[str]
    models: Sequence[Model]
    native: Model | None = None
    matrix: Matrix | None = None

    @property
    def caption(self) -> str:
        """What is shown, in words."""
        return f"{self.id}, {len(self.sequence)} nucleotides, {len(self.models)} models in three dimensions"

    @property
    def packed(self) -> str:
        """The scene in base64: the length of a JSON header, the header, arrays; compressed together."""
        arrays = list[bytes]()

        def kept(values: Array) -> dict[str, int | str]:
            at = sum(map(len, arrays))
            # All first bytes, then all second ones: those of small numbers are alike, and take no room compressed.
            arrays.append(values.reshape(-1, 1).view(np.uint8).T.tobytes())
            return {"at": at, "num": values.size, "type": values.dtype.name}

        middle = np.nanmean(self.models[0].atoms.reshape(-1, 3), axis=0)

        def model(one: Model) -> dict[str, object]:
            confidence = None if one.confidence is None else kept(np.round(one.confidence).astype(np.uint8))
            pairs = [list(map(int, pair)) for pair in one.pairs]
            known = np.isfinite(one.atoms).all(axis=-1)
            steps, there = kept(_differences(one.atoms[known] - middle)), kept(np.packbits(known))
            shown = {"steps": steps, "known": there, "confidence": confidence, "pairs": pairs}
            return {"name": one.name, "note": one.note, **shown}

        header: dict[str, object] = {
            "id": self.id,
            "sequence": self.sequence,
            "strands": list(map(int, self.strands)),
            "atomNames": list(self.atom_names),
            "unit": UNIT_ANGSTROM,
            "models": [model(one) for one in self.models],
            "native": model(self.native) if self.native else None,
        }
        if self.matrix:
            shown, top = _shades(self.matrix.values)
            size = {"size": len(shown), "top": top, "values": kept(shown)}
            header["matrix"] = {"name": self.matrix.name, "unit": self.matrix.unit, **size}
        text = json.dumps(header).encode()
        return _compressed(struct.pack("<I", len(text)) + text + b"".join(arrays))


def _differences(points: Float[Array, "m 3"]) -> Int16[Array, "_"]:
    """Units from each point to the next, the first from 0."""
    steps = np.diff(np.round(points / UNIT_ANGSTROM).astype(np.int64), axis=0, prepend=0)
    limits = np.iinfo(np.int16)
    return np.clip(steps, limits.min, limits.max).astype(np.int16).reshape(-1)


def _shades(values: Float[Array, "n n"]) -> tuple[UInt8[Array, "m m"], float]:
    """The matrix in 255 steps up to its largest value, averaged where it is large, and that value."""
    if len(values) > MATRIX_SIZE:
        starts = np.linspace(0, len(values), MATRIX_SIZE, endpoint=False).astype(int)
        sizes = np.diff([*starts, len(values)])
        values = np.add.reduceat(np.add.reduceat(values, starts, 0), starts, 1) / np.outer(sizes, sizes)
    top = float(np.nanmax(values)) or 1.0
    return np.round(255 * np.nan_to_num(values, nan=top) / top).astype(np.uint8), top


def _compressed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


@dataclass(frozen=True)
class Stage:
    """Where scenes are shown, one at a time: the first, until the reader chooses another."""

    scenes: Sequence[Scene]


_NO_EVAL = """
function compiled(...names) {
  const body = names.pop();
  if (names[0] === "body") return wrapped => wrapped;
  if (!body.startsWith("return `")) return () => globalThis;
  return (...values) => body.slice(8, -2).replace(/\\$\\{(\\w+)\\}/g, (_, name) => values[names.indexOf(name)]);
}
compiled.prototype = Function.prototype;
const never = () => new Promise(() => {});
const encoder = Object.assign(Object.create(WebAssembly), { instantiate: never, instantiateStreaming: never });
"""
"""What Mol* gets for `Function`, which would make programs of text: the page's policy forbids that, and should. It is
asked for a function of a certain name, for a text with gaps (a hint about keys), and for the global object. For `fetch`
and `WebAssembly`, which its encoder of films starts with, it gets what never answers: a page asks for nothing."""


@dataclass(frozen=True)
class Library:
    """Mol*: its program and its style, compressed, and the hash that a page's policy lets the program run by."""

    program: str
    style: str
    hash: str


@cache
def library() -> Library | None:
    """Mol* (Sehnal et al. 2021, Nucleic Acids Res. 49, W431) out of the package ipymolstar; None where it is not there.

    The file is a module that keeps Mol* to itself: its last lines are read for the name that it has there.
    """
    try:
        folder = resources.files("ipymolstar") / "static"
    except ModuleNotFoundError:
        return None
    program = (folder / "molviewspec.js").read_text(encoding="utf-8")
    style = (folder / "molviewspec.css").read_text(encoding="utf-8")
    end = program.rfind("export{")
    name = re.search(r"(\w+)\.Viewer\.create\(", program[-20_000:])
    if end < 0 or name is None:
        return None
    version = metadata.version("ipymolstar")
    inner = f"((Function, WebAssembly, fetch) => {{{program[:end]};window.molstar={name[1]};}})"
    program = f"/* Mol*, from ipymolstar {version} */(()=>{{{_NO_EVAL}{inner}(compiled, encoder, never);}})();"
    return Library(_compressed(program.encode()), _compressed(style.encode()), script_hash(program))


def script_hash(program: str) -> str:
    """The hash by which a page's policy lets a script run, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()}"
