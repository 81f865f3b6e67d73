"""Which residue of a model stands for which residue of the native: by number, by sequence, or by structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import factorial, prod
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int64

from monosome.errors import DataError
from monosome.rna.chain import Chain, empty_atoms, join
from monosome.rna.nucleotides import ATOM_INDEX, BACKBONE, NUM_ATOMS
from monosome.rna.superposition import MIN_POINTS, move, superpose
from monosome.rna.tm_align import tm_align
from monosome.rna.tm_score import tm_score
from monosome.sequences.alignment import align

MAX_DIFFERING = 0.1
"""Share of paired residues that may differ in base, as in a mutant; of 353 published model and native pairs 18 differ
in a third to nine tenths, having lost their numbering, and the others in 4 % at most."""
MIN_IDENTITY = 0.75
"""Share of the shorter chain that must be equal when two chains are aligned; of 240 random pairs of 20 to 400
nucleotides the likest had 0.70, and the median of those of 70 has 0.31."""
MIN_OVERLAP, FULL_OVERLAP = 0.5, 0.9
"""Share of the shorter chain whose numbers the other must have for residues to be paired by number; below the second
the sequences are looked at too."""
FAR = 1e6
"""Å"""
MISMATCH, GAP = -1.0, -3.0
"""Scores of an alignment where an equal base is 1."""
CLEAR_GAIN = 0.1
"""Gain in TM-score from which copies are exchanged for all scores. RNA-Puzzle 1, two copies, gains up to 0.06 in models
that fit neither way, and its published tables keep the order of the files."""
MAX_PERMUTATIONS = 120
"""Chain copies are tried in every order up to this many, five copies of one chain; beyond, in orders that superpose."""


PairedBy = Literal["number", "sequence", "structure"]


@dataclass(frozen=True, eq=False)
class Matching:
    """The native as one chain, and the model on its residues: NaN where a residue or an atom is missing.

    Where the bases differ (`num_differing`) the model's base is left out, as the names of its atoms mean other places;
    `by_name` has those atoms too, which published RMSDs count.
    `places` has the place in the native of each residue of the model as it came, all chains joined, or −1.
    `fitted` is the model with copies of a chain in the order that TM-score is highest for, where it is another: Kaggle
    scores TM so, while tables of RMSD and INF keep the order of the files. `paired_by` says what residues were paired
    by; `chain_ids` has the native's chain of each residue, `chain_pairs`
    which chain of the model stands for which of the native.
    """

    model: Chain
    native: Chain
    places: Int64[np.ndarray, "m"]
    fitted: Chain
    by_name: Float32[np.ndarray, "n 27 3"]
    num_common: int
    num_differing: int
    paired_by: PairedBy
    chain_ids: tuple[str, ...]
    chain_pairs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Link:
    """Places in a chain of the model and in one of the native that stand for each other."""

    model: Int64[np.ndarray, "p"]
    native: Int64[np.ndarray, "p"]
    by_number: bool

    def __len__(self) -> int:
        return len(self.model)


_Links = dict[tuple[int, int], _Link]
"""Links by the chains (model, native) that they are between."""


def match(models: Sequence[Chain], natives: Sequence[Chain], *, by_number_only: bool = False) -> Matching:
    """Model and native with their residues paired by number, or where numbers differ by aligned sequences.

    Chains are paired by what they have in common, copies of one chain so that TM-score (C1') is highest. Inserted
    residues, which repeat a number, are told apart by their order. Raises DataError with the reason where the molecules
    are not related or, with `by_number_only`, where numbers differ.
    """
    whole = [join(models)], [join(natives)]
    sides = (models, natives)
    links = _assigned(_find_links(*sides, by_number_only))
    if len(models) != len(natives):  # strands may be written as one chain or as several
        merged = _find_links(*whole, by_number_only)
        if sum(map(len, merged.values())) > sum(map(len, links.values())):
            links, sides = merged, whole
    if not links:
        raise _refusal(models, natives, by_number_only)
    paired_by: PairedBy = "number" if all(link.by_number for link in links.values()) else "sequence"
    exchanged, gain = _best_copies(*sides, links)
    ids = _chain_ids(natives)
    found = _matching(*sides, exchanged if gain > CLEAR_GAIN else links, paired_by, ids)
    fitted = _matching(*sides, exchanged, paired_by, ids).model if 0 < gain <= CLEAR_GAIN else found.model
    return replace(found, fitted=fitted)


def match_structures(models: Sequence[Chain], natives: Sequence[Chain], atom: str = "C1'") -> Matching:
    """Model and native with their residues paired as `tm_align` aligns them, whatever their numbers and bases.

    All chains of a file are taken as one, in its order. Raises DataError where either has fewer than three residues
    with `atom`.
    """
    model, native = join(models), join(natives)
    places = [np.flatnonzero(chain.resolved[:, ATOM_INDEX[atom]]) for chain in (model, native)]
    if min(map(len, places)) < MIN_POINTS:
        raise DataError(f"fewer than {MIN_POINTS} residues have {atom}", "choose another --atom")
    found = tm_align(model.atom(atom)[places[0]], native.atom(atom)[places[1]], len(places[1]))
    link = _Link(places[0][found.pairs[:, 0]], places[1][found.pairs[:, 1]], by_number=False)
    matching = _matching([model], [native], {(0, 0): link}, "structure", _chain_ids(natives))
    return replace(matching, by_name=matching.model.atoms)  # other bases are no mutants


def _find_links(models: Sequence[Chain], natives: Sequence[Chain], by_number_only: bool) -> _Links:
    """A link between any two chains that are related."""
    links = {}
    for (row, model), (column, native) in product(enumerate(models), enumerate(natives)):
        link = _link(model, native, by_number_only)
        if link is not None:
            links[row, column] = link
    return links


def _link(model: Chain, native: Chain, by_number_only: bool) -> _Link | None:
    """By number where that will do, else by sequence; None for chains that are not related."""
    numbered = _by_number(model, native)
    shorter = min(len(model), len(native))
    agrees = _agrees(numbered, model, native)
    if agrees and (by_number_only or len(numbered) >= FULL_OVERLAP * shorter):
        return numbered
    aligned = _by_sequence(model, native)
    if not _agrees(aligned, model, native):
        return numbered if agrees else None
    if not by_number_only:
        return numbered if agrees and len(numbered) >= len(aligned) else aligned
    # One sequence numbered in two ways is a slip. Where lengths differ and numbers are insisted on, they hold.
    return numbered if _overlap(numbered, model, native) and len(model) != len(native) else None


def _by_number(model: Chain, native: Chain) -> _Link:
    if np.array_equal(model.residue_numbers, native.residue_numbers):
        return _Link(np.arange(len(model)), np.arange(len(model)), by_number=True)
    places = {label: index for index, label in enumerate(model.labels)}
    pairs = [(places[label], index) for index, label in enumerate(native.labels) if label in places]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return _Link(both[:, 0], both[:, 1], by_number=True)


def _by_sequence(model: Chain, native: Chain) -> _Link:
    likeness = np.where(model.bases[:, None] == native.bases[None, :], 1, MISMATCH).astype(np.float32)
    partners = align(likeness[None], GAP)[0]
    places = np.flatnonzero(partners >= 0)
    return _Link(places, partners[places], by_number=False)


def _agrees(link: _Link, model: Chain, native: Chain) -> bool:
    """Whether enough residues are linked, and have the same base."""
    num_equal = int((model.bases[link.model] == native.bases[link.native]).sum())
    if link.by_number:
        return _overlap(link, model, native) and len(link) - num_equal <= MAX_DIFFERING * len(link)
    return num_equal >= MIN_IDENTITY * min(len(model), len(native))


def _overlap(link: _Link, model: Chain, native: Chain) -> bool:
    """Whether enough numbers are in both chains."""
    return len(link) >= max(1, MIN_OVERLAP * min(len(model), len(native)))


def _assigned(links: _Links) -> _Links:
    """Each chain linked to one other at most, so that most residues are linked; of equals in the order of the files."""
    if len(links) < 2:
        return links
    from scipy.optimize import linear_sum_assignment  # 0.2 s, for molecules of several chains

    sizes = np.zeros(np.max(list(links), axis=0) + 1)
    for (row, column), link in links.items():
        sizes[row, column] = len(link) + 0.5 * (row == column)
    rows, columns = linear_sum_assignment(sizes, maximize=True)
    return {key: links[key] for key in zip(rows.tolist(), columns.tolist(), strict=True) if key in links}


def _best_copies(models: Sequence[Chain], natives: Sequence[Chain], links: _Links) -> tuple[_Links, float]:
    """The links between copies of a chain exchanged so that the whole has the highest TM-score, and what that gains."""
    copies: dict[str, list[int]] = {}
    for column in sorted(column for _, column in links):
        copies.setdefault(natives[column].sequence, []).append(column)
    groups = list(copies.values())
    if max(map(len, groups)) == 1:
        return links, 0.0
    rows = {column: row for row, column in links}
    linked = _find_links(models, natives, by_number_only=False)
    points = {key: _points(models[key[0]], natives[key[1]], link) for key, link in linked.items()}
    num_orders = prod(factorial(len(group)) for group in groups)
    found = _all_orders(groups, rows) if num_orders <= MAX_PERMUTATIONS else _near_orders(groups, rows, points)
    orders = [order for order in found if all(key in points for key in order)]
    scores = [_total(sum(map(len, natives)), [points[key] for key in order]) for order in orders]
    best = int(np.argmax(scores))
    return {key: linked[key] for key in orders[best]}, scores[best] - scores[0]


_Order = tuple[tuple[int, int], ...]
"""Chains (model, native) that stand for each other."""
_Points = tuple[Float32[np.ndarray, "p 3"], Float32[np.ndarray, "p 3"]]


def _points(model: Chain, native: Chain, link: _Link) -> _Points:
    """C1' of linked residues, where both have it."""
    ours, theirs = model.atom("C1'")[link.model], native.atom("C1'")[link.native]
    known = np.isfinite(ours).all(axis=-1) & np.isfinite(theirs).all(axis=-1)
    return ours[known], theirs[known]


def _all_orders(groups: Sequence[Sequence[int]], rows: Mapping[int, int]) -> Iterator[_Order]:
    """The chains of the model in every order within each group of copies; first as they are."""
    for shuffled in product(*(permutations([rows[column] for column in group]) for group in groups)):
        yield tuple(
            key for mixed, group in zip(shuffled, groups, strict=True) for key in zip(mixed, group, strict=True)
        )


def _near_orders(
    groups: Sequence[Sequence[int]], rows: Mapping[int, int], points: Mapping[tuple[int, int], _Points]
) -> Iterator[_Order]:
    """As they are; then, with each chain superposed on each copy in turn, every copy on the nearest."""
    from scipy.optimize import linear_sum_assignment

    yield tuple((rows[column], column) for group in groups for column in group)
    for mobile, target in points.values():
        if len(mobile) < MIN_POINTS:
            continue
        motion = superpose(mobile, target)
        order: list[tuple[int, int]] = []
        for group in groups:
            ours = [rows[column] for column in group]
            distances = [[_distance(points.get((row, column)), motion) for column in group] for row in ours]
            chosen, places = linear_sum_assignment(distances)
            order += [(ours[row], group[column]) for row, column in zip(chosen, places, strict=True)]
        yield tuple(order)


def _distance(points: _Points | None, motion: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]) -> float:
    """Distance (Å) of the centres once the model is moved; far where the chains are not linked."""
    if points is None or not len(points[0]):
        return FAR
    return float(np.linalg.norm(move(points[0], *motion).mean(axis=0) - points[1].mean(axis=0)))


def _total(length: int, parts: Sequence[_Points]) -> float:
    ours, theirs = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return tm_score(ours, theirs, length).score if len(ours) >= MIN_POINTS else 0.0


def _matching(
    models: Sequence[Chain], natives: Sequence[Chain], links: _Links, paired_by: PairedBy, chain_ids: tuple[str, ...]
) -> Matching:
    native = join(natives)
    model_starts, starts = (np.cumsum([0, *map(len, chains)]) for chains in (models, natives))
    atoms, all_places = empty_atoms(len(native)), np.full(model_starts[-1], -1)
    differs = np.zeros(len(native), dtype=bool)
    for (row, column), link in links.items():
        places = starts[column] + link.native
        differs[places] = models[row].bases[link.model] != native.bases[places]
        atoms[places] = models[row].atoms[link.model]
        all_places[model_starts[row] + link.model] = places
    num_common, num_differing = sum(map(len, links.values())), int(differs.sum())
    is_mutated_base = differs[:, None] & (np.arange(NUM_ATOMS) >= len(BACKBONE))
    alike = np.where(is_mutated_base[..., None], np.float32(np.nan), atoms)
    model = replace(native, id=models[0].id, atoms=alike)
    return Matching(
        model=model,
        native=native,
        places=all_places,
        fitted=model,
        by_name=atoms,
        num_common=num_common,
        num_differing=num_differing,
        paired_by=paired_by,
        chain_ids=chain_ids,
        chain_pairs=tuple(
            (models[row].id, natives[column].id) for row, column in sorted(links, key=lambda key: key[1])
        ),
        notes=tuple(_notes(models, natives, links, paired_by, num_differing)),
    )


def _chain_ids(natives: Sequence[Chain]) -> tuple[str, ...]:
    return tuple(chain.id for chain in natives for _ in range(len(chain)))


def _notes(
    models: Sequence[Chain], natives: Sequence[Chain], links: _Links, paired_by: PairedBy, num_differing: int
) -> Iterator[str]:
    if paired_by == "sequence":
        yield "residue numbers differ: residues were paired by aligning the sequences"
    if paired_by == "number" and num_differing > MAX_DIFFERING * sum(map(len, links.values())):
        yield f"{num_differing} residues of the same number differ in base: the files may be numbered differently"
    for row, column in links:
        if row != column and len(models) > 1:
            yield f"chain {models[row].id} of the model stands for chain {natives[column].id} of the native"
    rows, columns = ({key[side] for key in links} for side in (0, 1))
    for row in sorted(set(range(len(models))) - rows):
        yield f"chain {models[row].id} of the model ({len(models[row])} nt) stands for none of the native: left out"
    for column in sorted(set(range(len(natives))) - columns):
        yield f"chain {natives[column].id} of the native ({len(natives[column])} nt) is missing from the model"


def _refusal(models: Sequence[Chain], natives: Sequence[Chain], by_number_only: bool) -> DataError:
    """Why nothing is linked, from the chains that have most numbers in common."""
    pairs = [(_by_number(model, native), model, native) for model, native in product(models, natives)]
    link, model, native = max(pairs, key=lambda pair: len(pair[0]))
    if not _overlap(link, model, native):
        reason = f"{len(link)} residue numbers are in common: model {_range(models)}, native {_range(natives)}"
    else:
        differing = np.flatnonzero(model.bases[link.model] != native.bases[link.native])
        ours, theirs = link.model[differing[0]], link.native[differing[0]]
        reason = (
            f"{len(differing)} of {len(link)} residues of the same number differ in base, the first is "
            f"{native.residue_numbers[theirs]}: {model.sequence[ours]} in the model, {native.sequence[theirs]} in the "
            "native"
        )
    if by_number_only and any(
        _agrees(_by_sequence(model, native), model, native) for model, native in product(models, natives)
    ):
        return DataError(
            f"the files are numbered differently: {reason}", "leave out --mode residue: sequences are aligned"
        )
    lengths = [" + ".join(str(len(chain)) for chain in chains) for chains in (models, natives)]
    return DataError(
        f"model ({lengths[0]} nt) and native ({lengths[1]} nt) are not the same molecule: {reason}, "
        "and their sequences do not align",
        "--mode sequence compares shapes whatever the sequence",
    )


def _range(chains: Sequence[Chain]) -> str:
    return ", ".join(f"{chain.residue_numbers.min()} to {chain.residue_numbers.max()}" for chain in chains)
