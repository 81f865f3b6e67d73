from pathlib import Path
from typing import Any

import pytest
import torch

from monosome.errors import CheckpointError, DataError
from monosome.protein import plddt
from monosome.protein.plddt import predict_plddt, predict_plddts, read_plddt, read_plddts

SEQUENCES = ["MKTAYIAKQRQISFVKSHFSRQ", "MKT", "GAVLIMCFYW"]
ATOM = (
    "ATOM  {number:5d}  {name:<3s} GLY A{number:4d}      0.000   0.000   0.000  1.00{value:6.2f}           {element}\n"
)


@pytest.fixture(scope="module")
def esmfold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ESMFold's architecture at 92,000 random parameters, as transformers saves it."""
    from transformers import EsmConfig, EsmForProteinFolding
    from transformers.models.esm.configuration_esm import get_default_vocab_list

    sizes = {"sequence_state_dim": 32, "pairwise_state_dim": 16, "sequence_head_width": 8, "pairwise_head_width": 8}
    module = {"sequence_dim": 32, "pairwise_dim": 16, "ipa_dim": 4, "resnet_dim": 16, "num_heads_ipa": 2}
    points = {"num_qk_points": 2, "num_v_points": 2, "num_blocks": 1}
    trunk = {"num_blocks": 1, "position_bins": 4, "max_recycles": 1, **sizes, "structure_module": {**module, **points}}
    config = EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=200,
        position_embedding_type="rotary",
        is_folding_model=True,
        vocab_list=get_default_vocab_list(),
        esmfold_config={"trunk": trunk, "fp16_esm": False, "lddt_head_hid_dim": 16},
    )
    folder = tmp_path_factory.mktemp("esmfold")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EsmForProteinFolding(config)
        torch.nn.init.normal_(model.lddt_head[-1].weight, std=5.0)  # else every value is 50 to two digits
        model.save_pretrained(folder)
    return folder


def test_it_is_the_mean_over_alpha_carbons_whatever_is_folded_beside_it(esmfold: Path):
    from transformers import EsmForProteinFolding

    model = EsmForProteinFolding.from_pretrained(esmfold).eval()
    found = predict_plddts(SEQUENCES, str(esmfold))
    for sequence, value in zip(SEQUENCES, found, strict=True):
        with torch.no_grad():
            expected = 100 * float(model.infer(sequence)["plddt"][0, :, 1].mean())
        assert value == pytest.approx(expected, abs=0.01)
    assert len({round(value, 2) for value in found}) == 3


def test_what_was_predicted_is_kept(esmfold: Path, monkeypatch: pytest.MonkeyPatch):
    first = predict_plddts(SEQUENCES, str(esmfold))

    def refuse(*_: Any) -> list[float]:
        raise AssertionError("folded again")

    monkeypatch.setattr(plddt, "_folded", refuse)
    assert predict_plddts(SEQUENCES, str(esmfold)) == first
    assert predict_plddt(SEQUENCES[1], str(esmfold)) == first[1]


def test_batches_hold_so_many_residues():
    batches = list(plddt._batches(["A" * 400, "A" * 500, "A" * 600, "A" * 2000]))
    assert [[len(each) for each in batch] for batch in batches] == [[400, 500], [600], [2000]]


def test_a_place_without_a_model_is_named():
    with pytest.raises(CheckpointError, match="cannot be loaded from"):
        predict_plddt("MKTAYIAKQRGG", "no/where")


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_b_factors_of_either_scale(tmp_path: Path, scale: float):
    lines = [("N", 10.0), ("CA", 50.0), ("CA", 90.0)]
    atoms = [
        ATOM.format(number=number, name=name, value=value * scale, element=name[0])
        for number, (name, value) in enumerate(lines, start=1)
    ]
    (tmp_path / "a.pdb").write_text("".join(atoms) + "END\n")
    assert read_plddt(tmp_path / "a.pdb") == pytest.approx(70)
    assert read_plddts(tmp_path) == {"a": pytest.approx(70)}


def test_what_is_no_prediction_is_refused(tmp_path: Path):
    (tmp_path / "a.pdb").write_text(ATOM.format(number=1, name="CA", value=-7, element="C"))
    (tmp_path / "b.pdb").write_text(ATOM.format(number=1, name="N", value=7, element="N"))
    with pytest.raises(DataError, match="B-factors of -7"):
        read_plddt(tmp_path / "a.pdb")
    with pytest.raises(DataError, match="no alpha carbon"):
        read_plddt(tmp_path / "b.pdb")
    with pytest.raises(DataError, match="not there"):
        read_plddt(tmp_path / "c.pdb")


@pytest.mark.data
def test_esmfold_predictions(data_folder: Path):
    """Nine predictions; 5dxw_1 has a mean of its CA records' B-factors, counted by their columns."""
    found = read_plddts(data_folder / "esmfold_pdb")
    assert len(found) == 9
    lines = (data_folder / "esmfold_pdb" / "5dxw_1_692b6.pdb").read_text().splitlines()
    values = [float(line[60:66]) for line in lines if line.startswith("ATOM") and line[12:16].strip() == "CA"]
    assert found["5dxw_1_692b6"] == pytest.approx(sum(values) / len(values), abs=1e-3)
    assert all(0 < value < 100 for value in found.values())
