from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from monosome.config import build, override
from monosome.errors import ConfigError, DataError
from monosome.rna.chain import Chain
from monosome.rna.evidence import NUM_SAMPLES, EvidenceSource, Given
from monosome.rna.examples import ChainExamples, Recipe
from monosome.rna.features import Source, layout
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
SEGMENTS = np.zeros(14, dtype=np.int64)
EVERY = get_args(Source)
SOURCES = ("evolution", "probing", "embedding", "thermodynamics")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A file of each kind for the chain `one`."""
    for name in ("msa", "probing", "embeddings"):
        (tmp_path / name).mkdir()
    rows = [CHAIN.sequence, "GGUACGAAAGUACC", "GCCACGAAAGUGGC", "GG-ACGAAAGU-CC"]
    (tmp_path / "msa" / "one.MSA.fasta").write_text("".join(f">{k}\n{row}\n" for k, row in enumerate(rows)))
    lines = [f"{place},{place / 14}" for place in range(1, 15)]
    (tmp_path / "probing" / "one.csv").write_text("position,reactivity\n" + "\n".join(lines) + "\n")
    np.savez(tmp_path / "embeddings" / "one.npz", embedding=np.ones((14, 6), dtype=np.float32))
    return {"evolution": tmp_path / "msa", "probing": tmp_path / "probing", "embedding": tmp_path / "embeddings"}


def test_files_are_found_by_the_name_of_the_chain(folders: dict[str, Path]):
    source = EvidenceSource(SOURCES, folders)
    found = source.gather("one", CHAIN.sequence, SEGMENTS)
    assert found.evolution is not None
    assert found.evolution.depth == 4
    assert found.reactivities is not None
    assert found.embedding is not None
    assert found.embedding.shape == (14, 6)
    assert found.energies is not None
    other = source.gather("two", CHAIN.sequence, SEGMENTS)
    assert (other.evolution, other.reactivities, other.embedding) == (None, None, None)
    (folders["evolution"] / "one.a3m").write_text(f">q\n{CHAIN.sequence}\n")
    with pytest.raises(DataError, match="several files of one"):
        source.gather("one", CHAIN.sequence, SEGMENTS)


def test_the_digest_is_of_the_files_content(folders: dict[str, Path]):
    source = EvidenceSource(SOURCES, folders)
    before = source.digest(["one"])
    assert source.digest(["two"]) != before
    (folders["probing"] / "one.csv").write_text("position,reactivity\n1,0.5\n")
    assert source.digest(["one"]) != before


def test_no_feature_depends_on_coordinates(folders: dict[str, Path]):
    whole = hairpin(CHAIN.sequence, 5)
    blind = whole.subset(range(14))
    blind.atoms[:] = np.nan
    inputs = layout(EVERY, 6)
    recipe = Recipe(EvidenceSource(EVERY, folders), inputs)
    named = (Chain("one", CHAIN.sequence, chain.atoms, chain.residue_numbers, SEGMENTS) for chain in (whole, blind))
    first, second = (recipe.example(chain).features for chain in named)
    for each in inputs.values():
        assert getattr(first, each.where)[..., slice(*each.channels)].any() or each.where == "offsets"
    assert np.array_equal(first.single, second.single)
    assert np.array_equal(first.pair, second.pair)


def test_a_recipe_learns_from_all_its_sources(folders: dict[str, Path], tmp_path: Path):
    (tmp_path / "structures").mkdir()
    for name, sequence in (("one", CHAIN.sequence), ("two", "GGAUAGCUUCGGCUAUCC")):
        write_structure(hairpin(sequence, 5), tmp_path / "structures" / f"{name}.cif")
    settings = [
        f"data.path={tmp_path / 'structures'}",
        "model.inputs=['context','thermodynamics','evolution','probing','embedding']",
        "model.embedding_channels=6",
        *(
            f"data.{key}={folder}"
            for key, folder in zip(("msa", "probing", "embeddings"), folders.values(), strict=True)
        ),
    ]
    task = BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, settings)))
    examples = [task.examples(split)[0] for split in ("train", "valid")]
    batch = task.collate(examples)
    loss = task.loss(task.forward(task.model(), batch), batch)
    assert np.isfinite(loss.weighted(task.config.loss.weights()).item())
    assert "covariation" in task.inputs()
    assert isinstance(task.examples("train"), ChainExamples)
    missing = BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, ["model.inputs=['evolution']"])))
    with pytest.raises(DataError, match="no folder of its files"):
        missing.examples("train")


def test_only_what_is_wanted_is_asked_of_viennarna():
    plain = EvidenceSource().gather("one", CHAIN.sequence, SEGMENTS)
    assert (plain.energies, len(plain.samples)) == (None, 0)
    wanted = EvidenceSource(("thermodynamics", "samples")).gather("one", CHAIN.sequence, SEGMENTS)
    assert wanted.energies is not None
    assert len(wanted.samples) == NUM_SAMPLES
    again = EvidenceSource(("samples",)).gather("one", CHAIN.sequence, SEGMENTS)
    assert again.samples == wanted.samples
    two = EvidenceSource(("samples",)).gather("two", 2 * CHAIN.sequence, np.repeat([0, 1], 14))
    assert {len(structure) for structure in two.samples} == {28}


def test_molecules_fold_in_the_conditions_of_the_recipe():
    settings = ["data.num_synthetic=4", "model.temperature_celsius=95", "model.salt_molar=0.1"]
    hot, standard = (
        BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, told))).examples("train")[0].features
        for told in (settings, settings[:1])
    )
    assert hot.single[:, 4].mean() > standard.single[:, 4].mean() + 0.1, "less is paired"
    warm = build(BetaRhoConfig, override({"domain": "rna"}, settings)).model.conditions
    assert Given().evidence(CHAIN.sequence, (), warm).pairing.conditions == warm


def test_an_embedding_of_other_width_says_what_to_set(folders: dict[str, Path]):
    recipe = Recipe(EvidenceSource(("embedding",), folders), layout(("embedding",), 7))
    with pytest.raises(DataError, match="6 channels") as error:
        recipe.example(Chain("one", CHAIN.sequence, CHAIN.atoms, CHAIN.residue_numbers, SEGMENTS))
    assert "model.embedding_channels=6" in error.value.hint


def test_an_input_is_named_once():
    with pytest.raises(ConfigError, match="once"):
        build(BetaRhoConfig, override({"domain": "rna"}, ["model.inputs=['context','context']"]))


def test_what_a_user_gives_is_taken(folders: dict[str, Path], tmp_path: Path):
    (tmp_path / "x.db").write_text("(((((....)))))\n")
    given = Given(tmp_path / "x.db", folders["evolution"] / "one.MSA.fasta", folders["probing"] / "one.csv")
    found = given.evidence(CHAIN.sequence, SOURCES)
    assert found.pairing.structure == "(((((....)))))"
    assert found.evolution is not None
    assert found.reactivities is not None
    assert [use.is_used for use in given.uses(SOURCES)] == [True, True, True]
    alone = Given().evidence(CHAIN.sequence, ())
    assert (alone.energies, alone.evolution, alone.reactivities) == (None, None, None)


def test_what_the_network_has_no_input_for_is_checked_and_left_out(folders: dict[str, Path]):
    given = Given(msa=folders["evolution"] / "one.MSA.fasta", embedding=folders["embedding"] / "one.npz")
    found = given.evidence(CHAIN.sequence, ("embedding",))
    assert found.evolution is None
    assert found.embedding is not None
    uses = given.uses(("embedding",))
    assert [(use.is_used, use.why) for use in uses] == [
        (False, "this checkpoint has no input for an alignment"),
        (True, "an input of the network"),
    ]
    with pytest.raises(DataError, match="the sequence of 13 residues"):
        given.evidence(CHAIN.sequence[:-1], ())
