"""How well a model has each motif of the native: its pairs, its local shape, the angles between its helices."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from monosome.rna.chain import Chain
from monosome.rna.ermsd import ermsd
from monosome.rna.interactions import BasePair, Interactions
from monosome.rna.motifs import Helix, Loop, Motifs, find_motifs
from monosome.rna.nucleotides import HELIX, NUM_ATOMS, TEMPLATE
from monosome.rna.superposition import MIN_POINTS, best_rotation, superpose

KINDS = (
    *("helix", "hairpin", "bulge", "internal", "junction", "exterior"),
    *("pseudoknot", "kissing", "triple", "a_minor"),
)
"""Classes of motifs, in the order in which they are reported."""


@dataclass(frozen=True)
class HelixAngle:
    """Angle in degrees between two helices (numbers in `Motifs.helices`) that meet in a loop, 180 if coaxial.

    Each axis points away from the loop; it is that of the ideal A-form helix superposed on the helix.
    """

    helices: tuple[int, int]
    native: float
    model: float
    error: float
    """Model less native."""


@dataclass(frozen=True)
class MotifScore:
    """Scores of a model on one motif of the native, None where undefined.

    `residues` include the pairs that close a loop. `pair_f1` counts base pairs among them as right that are of the same
    Leontis–Westhof class, and is undefined where the native has none. `rmsd` (Å) runs over all heavy atoms in common
    after superposition on the motif alone, `helix_angle_error` is the mean size of the errors in degrees.
    """

    kind: str
    name: str
    residues: tuple[int, ...]
    pair_f1: float | None
    lddt: float | None
    ermsd: float | None
    rmsd: float | None
    helix_angles: tuple[HelixAngle, ...]
    helix_angle_error: float | None


@dataclass(frozen=True)
class ClassScore:
    """Means over the native's motifs of one class, each over those where it is defined; None where it nowhere is."""

    kind: str
    num_motifs: int
    pair_f1: float | None
    lddt: float | None
    ermsd: float | None
    rmsd: float | None
    helix_angle_error: float | None


def score_motifs(
    native: Chain,
    model: Chain,
    native_interactions: Interactions,
    model_interactions: Interactions,
    residue_lddt: Float[np.ndarray, "n"],
) -> tuple[MotifScore, ...]:
    """Scores of every motif of the native, class by class.

    Both chains have the same residues in the same order, NaN where atoms are missing, as `residue_lddt` is where it is
    undefined. An exterior loop without unpaired residues is no motif.
    """
    motifs = find_motifs(native, native_interactions)
    found = sorted(_members(motifs), key=lambda member: KINDS.index(member[0]))
    residues = [np.array(sorted(member[2]), dtype=np.int64) for member in found]
    rmsds = local_rmsds(native, model, residues)
    f1s = _pair_f1s(native_interactions, model_interactions, residues)
    angles = _helix_angles(native, model, motifs)
    return tuple(
        MotifScore(
            kind=kind,
            name=name,
            residues=tuple(members.tolist()),
            pair_f1=f1,
            lddt=_mean(residue_lddt[members].tolist()),
            ermsd=ermsd(native.subset(members), model.subset(members)).value,
            rmsd=rmsd,
            helix_angles=angles.get(loop, ()),
            helix_angle_error=_mean([abs(angle.error) for angle in angles.get(loop, ())]),
        )
        for (kind, name, _, loop), members, f1, rmsd in zip(found, residues, f1s, rmsds, strict=True)
    )


def summarise(scores: Sequence[MotifScore]) -> tuple[ClassScore, ...]:
    """Means of each class that the native has."""
    groups: dict[str, list[MotifScore]] = {kind: [] for kind in KINDS}
    for score in scores:
        groups[score.kind].append(score)
    measures = ("pair_f1", "lddt", "ermsd", "rmsd", "helix_angle_error")
    return tuple(
        ClassScore(kind, len(group), *(_mean([getattr(score, measure) for score in group]) for measure in measures))
        for kind, group in groups.items()
        if group
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else None


def _members(motifs: Motifs) -> Iterator[tuple[str, str, tuple[int, ...], Loop | None]]:
    """Class, name and residues of each motif, and the loop where it is one."""
    for helix in motifs.helices:
        yield "helix", f"helix of {len(helix.pairs)}", helix.residues, None
    for loop in motifs.loops:
        if loop.unpaired or loop.kind != "exterior":
            yield loop.kind, loop.name, loop.residues, loop
    for knot in motifs.pseudoknots:
        residues = tuple(residue for pair in knot.pairs for residue in pair)
        kind = "kissing" if knot.is_kissing else "pseudoknot"
        yield kind, f"{'kissing loops' if knot.is_kissing else 'pseudoknot'} of {len(knot.pairs)}", residues, None
    for triple in motifs.triples:
        yield "triple", " ".join(pair.kind for pair in triple.pairs), triple.residues, None
    for contact in motifs.a_minors:
        yield "a_minor", "A-minor", (contact.adenine, *contact.pair), None


def _pair_f1s(
    native: Interactions, model: Interactions, groups: Sequence[Int64[np.ndarray, "_"]]
) -> Iterator[float | None]:
    of_native, of_model = _by_residue(native), _by_residue(model)
    for group in groups:
        members = set(group.tolist())
        true, made = _within(of_native, members), _within(of_model, members)
        yield 2 * len(true & made) / (len(true) + len(made)) if true else None


def _by_residue(interactions: Interactions) -> dict[int, list[BasePair]]:
    found = defaultdict(list)
    for pair in interactions.pairs:
        found[pair.i].append(pair)
    return found


def _within(pairs: dict[int, list[BasePair]], members: set[int]) -> set[tuple[int, int, str]]:
    return {(pair.i, pair.j, pair.kind) for i in members for pair in pairs.get(i, ()) if pair.j in members}


def local_rmsds(native: Chain, model: Chain, groups: Sequence[Int64[np.ndarray, "_"]]) -> list[float | None]:
    """RMSD (Å) of each group of residues, superposed by itself: all heavy atoms that both have, None for under three.

    All groups at once, from their covariances: 0.7 ms for the motifs of a tRNA.
    """
    residues = np.concatenate([*groups, np.empty(0, dtype=np.int64)])
    group_of_residue = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    is_common = (native.resolved & model.resolved)[residues]
    group = np.repeat(group_of_residue, NUM_ATOMS)[is_common.ravel()]
    counts = np.bincount(group, minlength=len(groups))
    target, target_square = _centred(native.atoms[residues][is_common], group, counts)
    mobile, mobile_square = _centred(model.atoms[residues][is_common], group, counts)
    covariance = _sums(mobile[:, :, None] * target[:, None], group, len(groups))
    overlap = np.einsum("sij,sji->s", best_rotation(covariance), covariance)
    squares = np.maximum(target_square + mobile_square - 2 * overlap, 0) / np.maximum(counts, 1)
    return [
        float(root) if count >= MIN_POINTS else None
        for root, count in zip(np.sqrt(squares).tolist(), counts.tolist(), strict=True)
    ]


def _centred(
    points: Float[np.ndarray, "a 3"], group: Int64[np.ndarray, "a"], counts: Int64[np.ndarray, "groups"]
) -> tuple[Float64[np.ndarray, "a 3"], Float64[np.ndarray, "groups"]]:
    """Points about the centre of their group, and each group's sum of squares."""
    points = points.astype(np.float64)
    points = points - (_sums(points, group, len(counts)) / np.maximum(counts, 1)[:, None])[group]
    return points, _sums(np.square(points).sum(axis=1), group, len(counts))


def _sums(
    values: Float64[np.ndarray, "a *rest"], group: Int64[np.ndarray, "a"], num_groups: int
) -> Float64[np.ndarray, "groups *rest"]:
    sums = np.zeros((num_groups, *values.shape[1:]))
    np.add.at(sums, group, values)
    return sums


def _helix_angles(native: Chain, model: Chain, motifs: Motifs) -> dict[Loop | None, tuple[HelixAngle, ...]]:
    """Of each loop in which helices meet the angles between every two of them; without those of undefined axes."""
    meeting = [loop for loop in motifs.loops if loop.kind != "exterior" and len(loop.closing) > 1]
    opened_by = {helix.pairs[-1]: index for index, helix in enumerate(motifs.helices)}
    begun_by = {helix.pairs[0]: index for index, helix in enumerate(motifs.helices)}
    needed = {opened_by[loop.closing[0]] for loop in meeting} | {
        begun_by[pair] for loop in meeting for pair in loop.closing[1:]
    }
    axes = {index: helix_axes(native, model, motifs.helices[index]) for index in needed}
    found: dict[Loop | None, tuple[HelixAngle, ...]] = {}
    for loop in meeting:
        outer = opened_by[loop.closing[0]]
        away = {outer: -axes[outer]} | {begun_by[pair]: axes[begun_by[pair]] for pair in loop.closing[1:]}
        found[loop] = tuple(_angle(two, away) for two in combinations(away, 2) if not np.isnan(_both(two, away)).any())
    return found


def _both(helices: tuple[int, int], away: dict[int, Float64[np.ndarray, "2 3"]]) -> Float64[np.ndarray, "2 2 3"]:
    return np.stack([away[helix] for helix in helices])


def _angle(helices: tuple[int, int], away: dict[int, Float64[np.ndarray, "2 3"]]) -> HelixAngle:
    first, second = _both(helices, away)
    native, model = np.degrees(np.arccos(np.clip((first * second).sum(axis=-1), -1, 1))).tolist()
    return HelixAngle(helices, native, model, model - native)


def helix_axes(native: Chain, model: Chain, helix: Helix) -> Float64[np.ndarray, "2 3"]:
    """Unit vectors along the helix in the native and in the model, from its first pair to its last.

    The axis of the ideal A-form helix superposed on all heavy atoms; NaN where fewer than three are known.
    """
    residues = np.array([[i for i, _ in helix.pairs], [j for _, j in helix.pairs]]).ravel()
    ideal = _ideal(native.bases[residues]).reshape(-1, 3)
    observed = np.stack([chain.atoms[residues].reshape(-1, 3) for chain in (native, model)])
    known: Bool[np.ndarray, "2 a"] = np.isfinite(observed).all(axis=-1) & np.isfinite(ideal).all(axis=-1)
    enough = known.sum(axis=1) >= MIN_POINTS
    weights = np.where(enough[:, None], known, 1.0)  # a sum of zero weights is no centre
    mobile = np.broadcast_to(np.nan_to_num(ideal), observed.shape)
    rotation, _ = superpose(mobile, np.nan_to_num(observed), weights)
    return np.where(enough[:, None], rotation[..., 2], np.nan)


def _ideal(bases: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n 27 3"]:
    """Atoms of an A-form helix up the z axis: the bases of one strand, then their partners in the same order."""
    num = len(bases) // 2
    angle = np.arange(num) * HELIX.twist
    turn = np.zeros((num, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1] = np.sin(angle), -np.sin(angle)
    turn[:, 2, 2] = 1
    rise = np.outer(np.arange(num) * HELIX.rise, [0, 0, 1])
    first = TEMPLATE.astype(np.float64) @ HELIX.rotation.T + HELIX.origin
    strands = [first, first * np.array([1, -1, -1])]  # the dyad is the x axis
    placed = [strand[bases[part]] for strand, part in zip(strands, (slice(num), slice(num, None)), strict=True)]
    return np.concatenate([atoms @ np.swapaxes(turn, 1, 2) + rise[:, None] for atoms in placed])
