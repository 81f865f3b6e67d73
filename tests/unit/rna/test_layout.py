import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, hairpin, helix_frames
from monosome.rna.layout import paired_frames
from monosome.rna.nucleotides import HELIX
from monosome.rna.pairing import pairs_of
from monosome.rna.superposition import move, superpose

TRNA = "(((((((..((((........)))).((((.........)))).....(((((.......))))))))))))...."
KNOT = "...(((((..[[[[[..)))))......]]]]].."


def laid(structure: str, seed: int = 0) -> Frames:
    """Frames of strands in dot-bracket form, parted by `&`."""
    strands = structure.split("&")
    segments = torch.repeat_interleave(torch.arange(len(strands)), torch.tensor([len(strand) for strand in strands]))
    return paired_frames(segments, pairs_of("".join(strands)), seed)


def rmsd(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.square(move(one, *superpose(one, other)) - other).sum(-1).mean()))


@pytest.mark.parametrize(("num_loop", "num_tail"), [(3, 0), (4, 4), (7, 0), (12, 4)])
def test_an_ideal_hairpin_comes_back(num_loop: int, num_tail: int):
    ideal = hairpin("GGACG" + "A" * num_loop + "CGUCC" + "A" * num_tail, 5, num_trailing=num_tail)
    frames = laid("(((((" + "." * num_loop + ")))))" + "." * num_tail)
    assert rmsd(frames.translations.numpy(), ideal.atom("C1'")) < 0.3


def test_an_ideal_duplex_comes_back():
    frames = laid("((((((((((&))))))))))")
    assert rmsd(frames.translations.numpy(), duplex("GGACUUCGAC").atom("C1'")) < 0.3


@pytest.mark.parametrize("length", [1, 2, 3, 20])
def test_without_pairs_a_strand_is_a_straight_helix(length: int):
    frames = laid("." * length)
    turned = helix_frames(length).rotations
    assert torch.allclose(frames.rotations[0].T @ frames.rotations, turned[0].T @ turned, atol=0.01)
    assert rmsd(frames.translations.numpy(), helix_frames(length).translations.numpy()) < 0.3


def test_strands_that_nothing_holds_lie_apart():
    frames = laid("......&....&......")
    apart = torch.cdist(frames.translations[:6], frames.translations[6:])
    assert apart.min() > 4.5
    assert frames.translations.mean(0).abs().max() < 1e-3


@pytest.mark.parametrize(("structure", "seed"), [(TRNA, 0), (KNOT, 1), ("((((..((((&))))....))))", 2)])
def test_helices_are_right_handed_and_ideal(structure: str, seed: int):
    frames = laid(structure, seed)
    partner = dict(pairs_of(structure.replace("&", "")))
    turns = []
    for i, j in partner.items():
        if partner.get(i + 1) == j - 1:
            screw = frames.rotations[i + 1] @ frames.rotations[i].T
            axis = torch.stack([screw[2, 1] - screw[1, 2], screw[0, 2] - screw[2, 0], screw[1, 0] - screw[0, 1]])
            step = frames.translations[[i + 1, j - 1]].mean(0) - frames.translations[[i, j]].mean(0)
            turns.append(float(torch.sign(axis @ step) * torch.acos((screw.trace().clamp(-1, 3) - 1) / 2)))
    assert np.mean(turns) == pytest.approx(HELIX.twist, abs=0.05)
    assert min(turns) > HELIX.twist / 2
    pairs = torch.tensor(sorted(partner.items()))
    across = (frames.translations[pairs[:, 0]] - frames.translations[pairs[:, 1]]).norm(dim=-1)
    assert torch.allclose(across, torch.tensor(10.6), atol=1.5)


@pytest.mark.parametrize("structure", [TRNA, "(((.....(((((...))))).(((....))))))&...(((....)))"])
def test_equal_seeds_give_equal_frames_and_others_do_not(structure: str):
    frames, again, other = laid(structure), laid(structure), laid(structure, 1)
    assert torch.equal(frames.translations, again.translations)
    assert torch.equal(frames.rotations, again.rotations)
    assert rmsd(frames.translations.numpy(), other.translations.numpy()) > 1


@st.composite
def structures(draw: st.DrawFn) -> str:
    """Nested structures of one or two strands, loops of 3 and more."""

    def grow(depth: int) -> str:
        kind = draw(st.sampled_from(("loop", "stem", "both", "strands"))) if depth else "loop"
        stem = draw(st.integers(2, 7))
        size = draw(st.integers(3, 14))
        match kind:
            case "loop":
                return "." * size
            case "stem":
                inner = grow(depth - 1)
                return "." * (size % 4) + "(" * stem + inner + ")" * stem + "." * (size % 3)
            case "both":
                return grow(depth - 1) + grow(depth - 1)
        return grow(depth - 1) + "&" + grow(depth - 1)

    return "((((" + grow(3) + "))))" + "." * draw(st.integers(0, 5))


@given(structure=structures(), seed=st.integers(0, 3))
@settings(max_examples=6, deadline=None)
def test_strands_are_whole_and_nothing_is_at_one_place(structure: str, seed: int):
    frames = laid(structure, seed)
    assert torch.isfinite(frames.translations).all()
    assert torch.allclose(torch.linalg.det(frames.rotations), torch.tensor(1.0), atol=1e-3)
    distances = torch.cdist(frames.translations, frames.translations)
    apart = torch.ones_like(distances).triu(2).bool()
    assert distances[apart].min() > 3.5
    breaks = {place - number for number, place in enumerate(i for i, c in enumerate(structure) if c == "&")}
    steps = [float(distances[i, i + 1]) for i in range(len(distances) - 1) if i + 1 not in breaks]
    assert max(steps) < 9


def test_a_pseudoknot_is_two_helices():
    places = laid(KNOT).translations
    across = [float((places[i] - places[j]).norm()) for i, j in pairs_of(KNOT)]
    assert np.allclose(across, 10.6, atol=1.0)


@pytest.mark.parametrize("pairs", [[(0, 10)], [(-1, 4)], [(3, 3)], [(0, 9), (9, 5)], [(0, 9), (0, 8)]])
def test_what_cannot_pair_is_refused(pairs: list[tuple[int, int]]):
    with pytest.raises(DataError):
        paired_frames(torch.zeros(10, dtype=torch.int64), pairs)
