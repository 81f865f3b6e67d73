"""Known structures: which are found, which may be used, and what is made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.commands.fold import with_templates
from monosome.errors import DataError
from monosome.rna.candidates import TRUSTED
from monosome.rna.dotbracket import dot_bracket
from monosome.rna.evidence import Given
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin, random_hairpin
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.pairing import pairs_of, predict_pairing
from monosome.rna.predict import fold
from monosome.rna.prepared import Entry
from monosome.rna.superposition import move, superpose
from monosome.rna.templates import Hit, TemplateLibrary, Templates
from monosome.rna.threading import threaded, threaded_pairs

SEQUENCE = "GGCGAACUGCGAAAGCAGUUCGCCAUUA"
NATIVE = hairpin(SEQUENCE, 10, num_trailing=4)


@pytest.fixture(scope="module")
def library() -> TemplateLibrary:
    """Forty hairpins of which one, of 2020, is of SEQUENCE; the last has no date."""
    others = [Entry(random_hairpin(seed), date="2021-01-01") for seed in range(38)]
    undated = Entry(replace(random_hairpin(99), id="undated"))
    return TemplateLibrary([Entry(replace(NATIVE, id="same"), date="2020-06-01"), *others, undated])


def _search(library: TemplateLibrary, before: str = "any", max_identity: float = 1.0) -> list[Hit]:
    probabilities = predict_pairing(SEQUENCE, np.zeros(len(SEQUENCE), dtype=np.int64)).probabilities
    return library.search(SEQUENCE, probabilities, before=before, max_identity=max_identity)


def test_what_is_the_same_is_found_first(library: TemplateLibrary) -> None:
    first, *others = _search(library)
    assert first.template.id == "same"
    assert first.identity == 1.0
    assert first.coverage == 1.0
    assert first.agreement == pytest.approx(1.0, abs=0.1)
    assert all(0 <= hit.expected_tm <= 1 and hit.z < first.z for hit in others)


def test_limits_are_kept(library: TemplateLibrary) -> None:
    assert "same" not in {hit.template.id for hit in _search(library, max_identity=0.9)}
    assert "same" in {hit.template.id for hit in _search(library, before="2020-06-02")}
    assert not _search(library, before="2020-06-01")  # not even what has no date
    assert all(hit.template.date for hit in _search(library, before="2022-01-01"))


def test_limits_cannot_be_forgotten(library: TemplateLibrary) -> None:
    with pytest.raises(TypeError, match="before"):
        library.search(SEQUENCE, np.zeros((28, 28), dtype=np.float32))  # type: ignore[call-arg]


def test_a_trace_is_a_template_too() -> None:
    """Of a structure of which C1' alone is known, frames and pairs are found all the same."""
    only = np.full_like(NATIVE.atoms, np.nan)
    only[:, ATOM_INDEX["C1'"]] = NATIVE.atom("C1'")
    whole, traced = (TemplateLibrary([Entry(chain)]).templates[0] for chain in (NATIVE, replace(NATIVE, atoms=only)))
    assert traced.pairs == whole.pairs
    off = (traced.frames.translations - whole.frames.translations).norm(dim=-1)
    assert off.isfinite().all()
    assert off.median() < 0.5


def test_a_sequence_on_its_own_structure_is_that_structure(library: TemplateLibrary) -> None:
    hit = _search(library)[0]
    pairs = threaded_pairs(hit, torch.from_numpy(NATIVE.bases), [(0, 5)])
    assert pairs == [(i, 23 - i) for i in range(10)]  # those of the template, for all that is aligned
    places = threaded(hit, torch.zeros(len(SEQUENCE), dtype=torch.long), pairs).translations.numpy()
    origins = hit.template.frames.translations.numpy()
    moved = move(places, *superpose(places, origins))
    assert np.sqrt(np.square(moved - origins).sum(axis=1).mean()) < 0.7


def test_a_helix_that_the_template_lacks_is_docked(library: TemplateLibrary) -> None:
    """The sequence with a second hairpin behind: both stems stand as helices, the strand between them is closed."""
    longer = SEQUENCE + "GCGCUUUUGCGC"
    template = _search(library)[0].template
    residues = np.stack([np.arange(28)] * 2, axis=1)
    hit = Hit(template, residues, 9.0, 0.7, 1.0, 1.0, len(longer))
    second = [(28 + i, 39 - i) for i in range(4)]
    pairs = threaded_pairs(hit, torch.zeros(len(longer), dtype=torch.long), second)
    assert set(second) <= set(pairs)
    places = threaded(hit, torch.zeros(len(longer), dtype=torch.long), pairs).translations
    steps = (places[1:] - places[:-1]).norm(dim=-1)
    assert places.isfinite().all()
    assert steps.max() < 10
    paired = torch.tensor([(places[i] - places[j]).norm() for i, j in second])
    assert ((paired > 10) & (paired < 11.2)).all()  # C1' of a pair


def test_fold_takes_a_trusted_template_first(library: TemplateLibrary) -> None:
    first, *_, last = fold(SEQUENCE, num_models=3, given=Given(templates=Templates(library, "any", 1.0)))
    assert first.rank == TRUSTED
    assert first.origin.startswith("template same: 100% aligned, 100% identical")
    assert first.structure == dot_bracket(len(SEQUENCE), [(i, 23 - i) for i in range(10)])
    assert not last.origin.startswith("template same")
    assert pairs_of(last.structure)


def test_what_a_user_gives_is_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2020 is no day"):
        with_templates(Given(), tmp_path, before="2020", identity=1.0)
    with pytest.raises(DataError):
        with_templates(Given(), tmp_path, before="any", identity=1.0)
    write_structure(NATIVE, tmp_path / "native.cif")
    given = with_templates(Given(), tmp_path, before="any", identity=0.5)
    assert given.templates
    assert [each.sequence for each in given.templates.library.templates] == [SEQUENCE]
