"""Motifs of drawn structures, and of crystal structures whose motifs their papers name."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Int64

from monosome.rna.chain import Chain, empty_atoms, join
from monosome.rna.files import read_structure
from monosome.rna.interactions import BasePair, Interactions, find_interactions
from monosome.rna.motifs import Motifs, find_motifs
from monosome.rna.pairing import pairs_of


def strands(text: str) -> Int64[np.ndarray, "n"]:
    """Of a text with `&` between strands the strand of each letter."""
    lengths = [len(part) for part in text.split("&")]
    return np.repeat(np.arange(len(lengths)), lengths)


def unresolved(sequence: str, segments: Int64[np.ndarray, "n"]) -> Chain:
    """A chain of which no atom is known."""
    return Chain("A", sequence, empty_atoms(len(sequence)), np.arange(1, len(sequence) + 1), segments)


def of(text: str, sequence: str = "", others: tuple[BasePair, ...] = ()) -> Motifs:
    """Motifs of a dot-bracket text, all of whose pairs count as canonical, and of further pairs."""
    joined = text.replace("&", "")
    pairs = [BasePair(i, j, "cWW", True) for i, j in pairs_of(joined)]
    interactions = Interactions(tuple(sorted([*pairs, *others])), ())
    return find_motifs(unresolved(sequence or "G" * len(joined), strands(text)), interactions)


def names(motifs: Motifs) -> list[str]:
    return [loop.name for loop in motifs.loops]


@given(st.text("((((....))))[]&", max_size=60).filter(lambda text: "&&" not in text and text.strip("&") == text))
def test_every_residue_is_in_one_helix_or_in_one_loop(text: str):
    depth = 0
    balanced = ""
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        balanced += "." if depth < 0 or letter in "[]" else letter
        depth = max(depth, 0)
    motifs = of(balanced + ")" * depth)
    places = [residue for part in motifs.helices for residue in part.residues]
    places += [residue for loop in motifs.loops for residue in loop.unpaired]
    assert sorted(places) == list(range(len((balanced + ")" * depth).replace("&", ""))))
    assert len(motifs.loops) == len(motifs.helices) + 1
    ends = Counter(pair for loop in motifs.loops for pair in loop.closing)
    for helix in motifs.helices:
        assert ends[helix.pairs[0]] >= 1
        assert ends[helix.pairs[-1]] >= 1


@pytest.mark.parametrize(
    ("text", "loops", "sizes"),
    [
        ("....", ["exterior"], [(4,)]),
        ("((....))", ["exterior", "hairpin loop of 4"], [(0, 0), (4,)]),
        (".((((...))..))..", ["exterior", "bulge of 2", "hairpin loop of 3"], [(1, 2), (0, 2), (3,)]),
        ("((.((...))..))", ["exterior", "1×2 internal loop", "hairpin loop of 3"], [(0, 0), (1, 2), (3,)]),
        ("((((...))((...)).))", ["exterior", "3-way junction"], [(0, 0), (0, 0, 1)]),
        ("((...))..((...))", ["exterior", "hairpin loop of 3"], [(0, 2, 0), (3,)]),
        ("((((&))))", ["exterior", "open loop"], [(0, 0), (0,)]),
        ("((((&))((...))))", ["exterior", "3-way junction", "open loop", "hairpin loop of 3"], [(0, 0), (0, 0, 0)]),
        ("((&((...))))", ["exterior", "open loop", "hairpin loop of 3"], [(0, 0), (0, 0), (3,)]),
        ("((.(...).))", ["exterior", "hairpin loop of 7"], [(0, 0), (7,)]),
    ],
)
def test_loops_are_what_they_are_called(text: str, loops: list[str], sizes: list[tuple[int, ...]]):
    found = of(text)
    assert names(found)[: len(loops)] == loops
    assert [loop.sizes for loop in found.loops][: len(sizes)] == sizes


def test_a_single_pair_is_no_helix():
    found = of("((.(...).))")
    assert [len(helix.pairs) for helix in found.helices] == [2]
    assert found.isolated == ((3, 7),)


def test_symmetry_is_of_the_strands():
    assert of("((..((...))..))").loops[1].is_symmetric
    assert not of("((..((...)).))").loops[1].is_symmetric


@pytest.mark.parametrize(
    ("loop", "name"),
    [
        ("GAAA", "GNRA tetraloop"),
        ("GUGA", "GNRA tetraloop"),
        ("UUCG", "UNCG tetraloop"),
        ("UACG", "UNCG tetraloop"),
        ("CUUG", "CUUG tetraloop"),
        ("GACA", "hairpin loop of 4"),
        ("AAAG", "hairpin loop of 4"),
        ("GAAAA", "hairpin loop of 5"),
    ],
)
def test_tetraloops_by_sequence(loop: str, name: str):
    assert names(of("((" + "." * len(loop) + "))", f"GC{loop}GC"))[1] == name


def test_the_outer_two_of_a_cuug_loop_may_pair():
    assert names(of("(((..)))", "GGCUUGCC"))[1] == "CUUG tetraloop"


def test_pseudoknots_and_the_loops_that_they_join():
    (knot,) = of("((((.[[..))))...]]").pseudoknots
    assert knot.pairs == ((5, 17), (6, 16))
    assert knot.loops == ("hairpin", "exterior")
    assert not knot.is_kissing


def test_hairpin_loops_kiss_also_across_strands():
    for text in ("(((.[[[.)))..(((.]]].)))", "(((.[[[.)))&(((.]]].)))"):
        (kiss,) = of(text).pseudoknots
        assert kiss.is_kissing
        assert len(kiss.pairs) == 3


def test_a_stem_is_cut_where_a_strand_is():
    assert [len(helix.pairs) for helix in of("((&((...))))").helices] == [2, 2]


def test_a_triple_is_three_bases_and_their_pairs():
    third = BasePair(1, 5, "tHS", False)
    (triple,) = of("((....))", others=(third,)).triples
    assert triple.residues == (1, 5, 6)
    assert triple.pairs == (third, BasePair(1, 6, "cWW", True))


def test_nothing_is_found_in_nothing():
    found = find_motifs(unresolved("GAUC", strands("....")), Interactions((), ()))
    assert [loop.unpaired for loop in found.loops] == [(0, 1, 2, 3)]
    assert (found.helices, found.pseudoknots, found.triples) == ((), (), ())


def read(data_folder: Path, name: str) -> tuple[Chain, Motifs]:
    chain = join(read_structure(data_folder / "rna_raw_formats" / name).chains)
    return chain, find_motifs(chain, find_interactions(chain))


def named(chain: Chain, pairs: tuple[tuple[int, int], ...]) -> list[str]:
    """Pairs by the file's residue numbers."""
    number = chain.residue_numbers
    return [f"{chain.sequence[i]}{number[i]}-{chain.sequence[j]}{number[j]}" for i, j in pairs]


@pytest.mark.data
def test_the_cloverleaf_of_trna_phe(data_folder: Path):
    """Yeast tRNA-Phe, 1EHZ (Shi & Moore 2000): A31-Ψ39 is open in the crystal, its N1-N3 being 4.8 Å apart."""
    chain, found = read(data_folder, "1ehz-assembly-1.cif")
    stems = [named(chain, helix.pairs) for helix in found.helices]
    assert [(stem[0], len(stem)) for stem in stems] == [("G1-C72", 7), ("G10-C25", 4), ("C27-G43", 4), ("C49-G65", 5)]
    assert names(found)[1:] == ["4-way junction", *(f"hairpin loop of {size}" for size in (8, 9, 7))]
    assert [loop.sizes for loop in found.loops[:2]] == [(0, 4), (2, 1, 5, 0)]
    (kiss,) = found.pseudoknots
    assert (named(chain, kiss.pairs), kiss.is_kissing) == (["G19-C56"], True), "D loop and T loop"
    triples = [sorted(chain.residue_numbers[list(triple.residues)].tolist()) for triple in found.triples]
    assert triples == [[9, 12, 23], [10, 25, 45], [13, 22, 46]]


@pytest.mark.data
def test_the_kissing_loops_of_the_adenine_riboswitch(data_folder: Path):
    """add riboswitch, 1Y26 (Serganov et al. 2004): P1, P2, P3 about a junction, loops L2 and L3 kissing."""
    chain, found = read(data_folder, "1Y26.cif")
    assert [len(helix.pairs) for helix in found.helices] == [9, 6, 6]
    assert names(found) == ["exterior", "3-way junction", "hairpin loop of 9", "hairpin loop of 7"]
    assert found.loops[1].sizes == (3, 8, 2)
    kisses = [pair for knot in found.pseudoknots if knot.is_kissing for pair in named(chain, knot.pairs)]
    assert kisses == ["G37-C61", "G38-C60"]


@pytest.mark.data
def test_the_tetraloop_and_the_a_minor_contacts_of_p4_p6(data_folder: Path):
    """P4-P6 domain, 1GID (Cate et al. 1996): A153 of the GAAA loop in its receptor, A183 to A186 of the bulge."""
    chain, found = read(data_folder, "1gid.cif.gz")
    first = chain.subset(range(158))
    loops = [loop for loop in found.loops if loop.residues[-1] < 158]
    tetraloop = next(loop for loop in loops if loop.tetraloop)
    assert (tetraloop.tetraloop, first.residue_numbers[list(tetraloop.unpaired)].tolist()) == (
        "GNRA",
        [150, 151, 152, 153],
    )
    assert [loop.name for loop in loops if loop.kind == "junction"] == ["3-way junction"]
    contacts = [(chain.residue_numbers[one.adenine], *named(chain, (one.pair,))) for one in found.a_minors]
    molecule = [(153, "C223-G250"), (183, "G110-C211"), (184, "C109-G212"), (186, "C137-G181")]
    assert contacts == 2 * molecule
