"""Structures from sequences: several candidates per RNA, best first by the network's own confidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from monosome.config import build, fill_auto
from monosome.errors import CheckpointError
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.examples import ChainExample, collate
from monosome.rna.features import featurise
from monosome.rna.geometry import place_atoms
from monosome.rna.losses import FAPE_UNIT, expected_plddt
from monosome.rna.model import BetaRho, Outputs
from monosome.rna.nucleotides import parse_sequence
from monosome.rna.pairing import Pairing, predict_pairing, sample_structures
from monosome.rna.recipe import BetaRhoConfig
from monosome.train.checkpoint import find, load_manifest, load_weights
from monosome.train.memory import Fitting
from monosome.train.precision import process_settings

SHIPPED = "betarho-micro"
"""The package's own weights, used where no checkpoint is named."""
SAMPLE_WEIGHT = 0.5
"""Share of a sampled secondary structure in a candidate's pair probabilities; the rest is the ensemble's."""
JITTER = 1.0
"""Standard deviation in Å by which the start of each further candidate is moved, so that no two are alike."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One candidate: a chain with all heavy atoms, lDDT predicted per residue (0–100), and how it differs."""

    chain: Chain
    plddt: Float32[np.ndarray, "n"]
    structure: str
    origin: str

    @property
    def mean_plddt(self) -> float:
        """Mean predicted lDDT, 0 to 100: what candidates are ordered by."""
        return float(self.plddt.mean())


@dataclass(frozen=True)
class Predictor:
    """A trained BetaRho with its recipe, ready to fold; `name` and `fingerprint` say which."""

    model: nn.Module
    config: BetaRhoConfig
    name: str
    fingerprint: str

    def fold(self, sequence: str, *, id: str = "query", num_models: int = 5, seed: int = 0) -> list[Prediction]:
        """Candidates, best first; the same for the same seed.

        The first comes from ViennaRNA's whole ensemble. Each further one leans half on a secondary structure sampled
        from that ensemble, and starts from frames moved at random by 1 Å. Raises DataError for letters that are no
        RNA, HardwareError when memory runs out.
        """
        letters, _ = parse_sequence(sequence)
        segments = np.zeros(len(letters), dtype=np.int64)
        chain = Chain(id, letters, empty_atoms(len(letters)), np.arange(1, len(letters) + 1), segments)
        ensemble = predict_pairing(letters, segments)
        sampled = sample_structures(letters, num_models - 1, seed) if num_models > 1 else []
        origins = [
            "ensemble pair probabilities",
            *(f"sampled structure {k}, start moved" for k in range(1, num_models)),
        ]
        fitting = Fitting()
        found = []
        shorter = "fold a shorter stretch, or on a machine with more memory: monosome doctor"
        with process_settings(self.config.execution, self.config.numerics), fitting.explained("folding", None, shorter):
            for number, pairing in enumerate([ensemble, *(_leaning(ensemble, structure) for structure in sampled)]):
                with fitting.trying(1, len(letters)):
                    outputs = self._run(chain, pairing, jitter=_jitter(len(letters), seed, number))
                found.append(_prediction(chain, outputs, pairing.structure, origins[number]))
        return sorted(found, key=lambda prediction: -prediction.mean_plddt)

    @torch.no_grad()
    def _run(self, chain: Chain, pairing: Pairing, jitter: Float[Tensor, "n 3"]) -> Outputs:
        example = ChainExample(chain, featurise(chain.sequence, chain.segments, pairing), "")
        batch = collate([example], self.config.model.start, torch.tensor([FAPE_UNIT]))
        batch = replace(batch, start_translations=batch.start_translations + jitter)
        batch = batch.to(next(self.model.parameters()).device)
        outputs: Outputs = self.model(batch.single, batch.pair, batch.offsets, batch.start, batch.mask)
        return outputs


def fold(
    sequence: str, *, checkpoint: str | Path | None = None, num_models: int = 5, seed: int = 0
) -> list[Prediction]:
    """Candidate structures of one RNA, best first; see Predictor.fold."""
    return load(checkpoint).fold(sequence, num_models=num_models, seed=seed)


def load(path: str | Path | None = None) -> Predictor:
    """The predictor of a run or checkpoint; without a path, the package's own.

    Raises CheckpointError when there is none, when it is damaged, or when it is no BetaRho.
    """
    checkpoint = find(Path(path)) if path else _shipped()
    manifest = load_manifest(checkpoint)
    if manifest.config.get("domain") != "rna":
        raise CheckpointError(f"{checkpoint} is no BetaRho: its domain is {manifest.config.get('domain')!r}")
    config = build(BetaRhoConfig, manifest.config)
    model = BetaRho(config.model)
    load_weights(model, checkpoint)
    device = detect(config.execution.device)
    resolved = fill_auto(config, preset(device).values())
    return Predictor(model.to(device.torch_device).eval(), resolved, str(path or SHIPPED), manifest.fingerprint)


def _shipped() -> Path:
    folder = resources.files("monosome.rna") / "weights" / SHIPPED
    if not folder.is_dir():
        raise CheckpointError("no checkpoint was named", "monosome train rna/micro, then add --checkpoint RUN")
    return Path(str(folder))


def _leaning(ensemble: Pairing, structure: str) -> Pairing:
    """The ensemble with SAMPLE_WEIGHT of it replaced by one structure."""
    certain = ensemble.holding(structure).probabilities
    mixed = (1 - SAMPLE_WEIGHT) * ensemble.probabilities + SAMPLE_WEIGHT * certain
    return replace(ensemble, structure=structure, probabilities=mixed)


def _jitter(length: int, seed: int, number: int) -> Float[Tensor, "n 3"]:
    """Random moves of the start; none for the first candidate."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    return torch.randn(length, 3, generator=generator) * (JITTER if number else 0.0)


def _prediction(chain: Chain, outputs: Outputs, structure: str, origin: str) -> Prediction:
    frames = outputs.frames[0].to(torch.device("cpu"))
    atoms = place_atoms(frames, torch.from_numpy(chain.bases)).numpy()
    plddt = expected_plddt(outputs.plddt_logits)[0].cpu().numpy()
    return Prediction(replace(chain, atoms=atoms.astype(np.float32)), plddt, structure, origin)


def order_reason(predictions: Sequence[Prediction]) -> str:
    """Why the candidates stand in this order, in words."""
    values = ", ".join(f"{prediction.mean_plddt:.1f}" for prediction in predictions)
    return f"by mean predicted lDDT of C1': {values}"
