"""The task: splits, crops, and that the network can fit what it is shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.config import build, override
from monosome.errors import DataError
from monosome.rna.examples import ChainExamples, crop, ideal_shape, synthetic_chains
from monosome.rna.files import write_structure
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask, random_walk
from monosome.task import Examples
from monosome.train.loop import Trainer


def _task(*settings: str) -> BetaRhoTask:
    return BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, list(settings))))


def test_held_out_chains_are_of_other_shapes_and_other_sequences() -> None:
    task = _task("data.num_synthetic=60")
    train, valid = task.examples("train"), task.examples("valid")
    assert isinstance(train, ChainExamples)
    assert isinstance(train, Examples)
    assert len(train) + len(valid) == 60
    assert not set(train.groups) & set(valid.groups)
    assert not {chain.sequence for chain in train.chains} & {chain.sequence for chain in valid.chains}
    assert train.content_hash != valid.content_hash
    assert train.content_hash == _task("data.num_synthetic=60").examples("train").content_hash


def test_a_day_can_part_what_is_learned_from_what_is_held_out(tmp_path: Path) -> None:
    known = {
        "one": ("GGCACGAAAGUGCC", "2019-05-01"),
        "two": ("GGAUAGCUUCGGCUAUCC", "2023-01-02"),
        "old": ("GGGAGCGAAAGCUCCC", ""),
    }
    for name, (sequence, _) in known.items():
        write_structure(hairpin(sequence, 5), tmp_path / f"{name}.cif")
    rows = [f"{name},{date},2.5\n" for name, (_, date) in known.items()]
    (tmp_path / "manifest.csv").write_text("id,date,resolution\n" + "".join(rows))
    task = _task(f"data.path={tmp_path}", "data.valid_after=2022-05-27")
    assert [chain.id for chain in task.examples("train").chains] == ["one"]
    assert [chain.id for chain in task.examples("valid").chains] == ["two"]
    with pytest.raises(DataError, match="only after 2024-01-01"):
        _task(f"data.path={tmp_path}", "data.valid_after=2024-01-01").examples("train")


def test_the_shape_of_an_ideal_chain_is_its_stem_and_loop_whatever_its_tail() -> None:
    assert ideal_shape(hairpin("GGGCGAAAGCCC", 4)) == "4 pairs, loop of 4"
    assert ideal_shape(hairpin("AUGGGUGAAAGCCC", 4, num_leading=2)) == "4 pairs, loop of 4"
    assert ideal_shape(hairpin("GGCCAAAGGCCUUUU", 4, num_trailing=4)) == "4 pairs, loop of 3"
    assert ideal_shape(duplex("GACUG")) == "5 pairs, loop of 0"


def test_crops_are_stretches_of_chain_and_features_alike() -> None:
    chains, groups = synthetic_chains(8, seed=0)
    whole = ChainExamples(chains, groups)[0]
    length = len(whole.chain) - 5
    starts = set()
    for draw in range(40):
        part = crop(whole, length, draw)
        start = int(part.chain.residue_numbers[0]) - 1
        starts.add(start)
        assert part.chain.sequence == whole.chain.sequence[start : start + length]
        assert np.array_equal(part.features.pair, whole.features.pair[start : start + length, start : start + length])
    assert starts == set(range(6)), "every place is drawn"
    assert crop(whole, 500, 3).chain.sequence == whole.chain.sequence


def test_no_chain_of_usable_length_is_said() -> None:
    with pytest.raises(DataError, match="usable length"):
        _task("data.min_length=200", "data.max_length=220").examples("train")


def test_chains_that_are_left_out_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    task = _task("data.num_synthetic=40", "data.max_length=20")
    assert all(len(chain) <= 20 for chain in task.examples("train").chains)
    num_kept = len(task.examples("train")) + len(task.examples("valid"))
    expected = f"note: {40 - num_kept} of 40 chains left out by data.min_length=8 data.max_length=20\n"
    assert capsys.readouterr().err == expected


def test_rows_have_the_loss_the_scores_and_their_floors() -> None:
    task = _task("data.num_synthetic=20", "model.num_trunk_blocks=1")
    rows = task.evaluate(task.model().eval(), task.examples("valid"))
    assert len(rows) == len(task.examples("valid"))
    names = {metric.value for metric in task.metrics}
    for row in rows:
        assert names <= row.values.keys()
        assert 0 < row.values["tm_score"] <= 1
        assert row.values["tm_score"] == pytest.approx(row.values["tm_helix"], abs=0.02), "an untrained network stays"
        assert row.values["tm_walk"] < row.values["tm_helix"]


def test_chains_of_c1_alone_have_no_fape_and_still_teach_distances() -> None:
    task = _task("data.num_synthetic=12", "model.num_trunk_blocks=1")
    whole = task.examples("valid").chains[0]
    bare = np.full_like(whole.atoms, np.nan)
    bare[:, ATOM_INDEX["C1'"]] = whole.atom("C1'")
    examples = ChainExamples([replace(whole, atoms=bare)], ["a"])
    (row,) = task.evaluate(task.model().eval(), examples)
    assert row.values["fape"] is None
    assert row.values["tm_score"] is not None
    batch = task.collate([examples[0]])
    sums = task.loss(task.forward(task.model(), batch), batch).sums
    assert float(sums["fape"].detach()) == 0
    assert float(sums["distogram"].detach()) > 1


def test_a_random_walk_has_steps_of_the_right_length() -> None:
    steps = random_walk(50).diff(dim=0).norm(dim=-1)
    assert torch.allclose(steps, torch.full_like(steps, 5.9), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_four_hairpins_are_learned_by_heart_from_frames_at_the_origin(seed: int, tmp_path: Path) -> None:
    """C1' RMSD falls from above 3 Å to 0.5 Å or less on four ideal hairpins of 20 to 40 nucleotides."""
    task = _task(
        f"seed={seed}",
        "model.start=identity",
        "loss.unclamped_share=1",
        "train.steps=700",
        "train.batch_size=4",
        "optim.learning_rate=3e-3",
        "execution.evaluate_every=0",
        "execution.save_every=0",
        "execution.threads=1",
    )
    chains = [chain for chain in synthetic_chains(60, seed)[0] if chain.segments[-1] == 0 and 20 <= len(chain) <= 40]
    four = ChainExamples(chains[:4], ["a", "b", "c", "d"])
    task.__dict__["_splits"] = {"train": four, "valid": four}
    before = task.evaluate(task.model(), four)
    assert all(row.values["rmsd"] > 3 for row in before)
    after = Trainer(task, tmp_path / "run", progress=False).fit().rows
    assert [row.id for row in after] == [chain.id for chain in four.chains]
    assert all(row.values["rmsd"] <= 0.5 for row in after), [row.values["rmsd"] for row in after]


def test_further_terms_are_computed_where_they_count() -> None:
    task = _task("data.num_synthetic=8", "loss.tm=1.0", "loss.smooth_lddt=0.5", "loss.ramps.tm=[0,100]")
    model = task.model()
    batch = task.collate([task.examples("train")[0], task.examples("train")[1]])
    loss = task.loss(task.forward(model, batch), batch)
    assert {"tm", "smooth_lddt"} <= loss.sums.keys()
    assert 0 < loss.sums["tm"].item() < 2
    loss.sums["tm"].backward()
    gradients = [weight.grad for weight in model.structure.parameters() if weight.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in gradients)
    assert "tm" not in _task("data.num_synthetic=8").loss(task.forward(model, batch), batch).sums


def test_breaks_that_only_coordinates_show_are_no_feature(tmp_path: Path) -> None:
    whole = hairpin("GGCACGGAAACGUGCC", 6)
    parted = whole.atoms.copy()
    parted[8:] += 30
    for name, chain in (("whole", whole), ("parted", replace(whole, atoms=parted))):
        write_structure(chain, tmp_path / f"{name}.cif")
    write_structure(hairpin("GGAUAGCUUCGGCUAUCC", 5), tmp_path / "other.cif")
    task = _task(f"data.path={tmp_path}", "data.valid_share=0.34")
    splits = [task.examples(split) for split in ("train", "valid")]
    found = {split[place].id: split[place] for split in splits for place in range(len(split))}
    assert np.array_equal(found["parted"].features.single, found["whole"].features.single)
    assert np.array_equal(found["parted"].features.pair, found["whole"].features.pair)
    assert np.array_equal(found["parted"].features.offsets, found["whole"].features.offsets)
