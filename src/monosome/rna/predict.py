"""Structures from sequences: several candidates per RNA, best first by the network's own confidence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from monosome.config import build, fill_auto
from monosome.errors import CheckpointError, HardwareError
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.backbone import place_atoms
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.evidence import Given
from monosome.rna.examples import Recipe, collate
from monosome.rna.features import Evidence, layout
from monosome.rna.frames import Frames
from monosome.rna.interactions import BasePair, Interactions
from monosome.rna.losses import FAPE_UNIT, expected_plddt, predicted_tm_score
from monosome.rna.model import BetaRho, Outputs
from monosome.rna.nucleotides import parse_sequence
from monosome.rna.pair_labels import CANONICAL, likely_structure
from monosome.rna.pairing import Pairing, pairs_of, sample_structures, unknown_pairing
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.refinement import refine
from monosome.rna.start import start_frames
from monosome.rna.torsion_head import directions
from monosome.train.checkpoint import find, load_manifest, load_weights
from monosome.train.memory import Fitting
from monosome.train.precision import process_settings

SHIPPED = "betarho-micro"
"""The package's own weights, used where no checkpoint is named."""
SAMPLE_WEIGHT = 0.5
"""Share of a sampled secondary structure in a candidate's pair probabilities; the rest is the ensemble's."""
SHORTER = "fold a shorter stretch, or on a machine with more memory: monosome doctor"
JITTER = 1.0
"""Standard deviation in Å by which the start of each further candidate is moved, so that no two are alike."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One candidate: a chain with all heavy atoms, and how sure the network is of it.

    `plddt` is lDDT predicted per residue, 0 to 100; `ptm` the TM-score predicted for the whole, 0 to 1; `structure` the
    base pairs that it starts from; `origin` says how it differs from the others, `is_sampled` that a structure drawn
    from the ensemble, less likely than its best one, had a say.
    """

    chain: Chain
    plddt: Float32[np.ndarray, "n"]
    ptm: float
    structure: str
    origin: str = ""
    is_sampled: bool = False

    @property
    def mean_plddt(self) -> float:
        """Mean predicted lDDT, 0 to 100: what candidates are ordered by."""
        return float(self.plddt.mean())


@dataclass(frozen=True)
class Predictor:
    """A trained BetaRho with its recipe, ready to fold; `name` and `fingerprint` say which.

    `fitting` remembers the longest RNA that memory held.
    """

    model: BetaRho
    config: BetaRhoConfig
    name: str
    fingerprint: str
    fitting: Fitting = field(default_factory=Fitting)

    def fold(
        self,
        sequence: str,
        *,
        id: str = "query",
        num_models: int = 5,
        seed: int = 0,
        given: Given | None = None,
    ) -> list[Prediction]:
        """Candidates, best first by their confidence, sampled ones last; the same for the same seed.

        The network is told ViennaRNA's whole ensemble, or the secondary structure that is given. Where the recipe
        starts from base pairs, they are those that the network finds, for the second candidate ViennaRNA's, or those
        given; each candidate is laid out in another way. Other starts are moved at random by 1 Å. From the third on,
        candidates lean half on structures sampled from the ensemble, where none is given. At the end the geometry of
        each is mended, see `refinement.refine`. Raises DataError for letters that are no RNA and for files that do not
        fit them, HardwareError naming the longest length that does fit when memory runs out.
        """
        letters, _ = parse_sequence(sequence)
        segments = np.zeros(len(letters), dtype=np.int64)
        chain = Chain(id, letters, empty_atoms(len(letters)), np.arange(1, len(letters) + 1), segments)
        given, model = given or Given(), self.config.model
        evidence, is_certain = given.evidence(letters, model.inputs, model.conditions), given.secondary is not None
        found: list[Prediction] = []
        with process_settings(self.config.execution, self.config.numerics):
            # Suppressed, not caught: an error that is being handled would keep the tensors that filled the memory.
            with suppress(HardwareError), self._trying(len(chain)):
                told = _told(chain.sequence, evidence, num_models, seed, is_certain=is_certain)
                found = [
                    replace(
                        self._candidate(chain, each.evidence, (seed, number), each.is_certain),
                        origin=each.origin,
                        is_sampled=each.is_sampled,
                    )
                    for number, each in enumerate(told)
                ]
            if not found:
                tried = f"out of memory folding, at 1 example of length {len(chain)}"
                raise HardwareError(f"{tried}; the longest that fits is {self._longest_that_fits(chain)}", SHORTER)
        mended = [replace(each, chain=_mended(each)) for each in found]
        # Sampled ones stand last: the network likes long stacks, also where few believe in them (docs/log.md).
        return sorted(mended, key=lambda prediction: (prediction.is_sampled, -prediction.mean_plddt))

    @contextmanager
    def _trying(self, length: int) -> Iterator[None]:
        with self.fitting.explained("folding", None, SHORTER), self.fitting.trying(1, length):
            yield

    def _longest_that_fits(self, chain: Chain) -> int:
        """The longest length known to fit, after trying a half, a quarter … of a chain that did not."""
        length = len(chain) // 2
        while length > self.fitting.longest:
            with suppress(HardwareError), self._trying(length):
                self._candidate(chain.subset(range(length)), Evidence(unknown_pairing(length)), (0, 0))
            length //= 2
        return self.fitting.longest

    @torch.no_grad()
    def _candidate(
        self, chain: Chain, evidence: Evidence, draw: tuple[int, int], is_certain: bool = True
    ) -> Prediction:
        """A candidate by its seed and number; with `is_certain` it starts from the pairs of the evidence."""
        model, device = self.config.model, next(self.model.parameters()).device
        recipe = Recipe(inputs=layout(model.inputs, model.embedding_channels), start="identity")
        batch = collate([recipe.example_of(chain, evidence)], torch.tensor([FAPE_UNIT])).to(device)
        structure = evidence.pairing.structure
        if model.start == "paired" and not is_certain:
            logits = self.model.pair_logits(batch.single, batch.pair, batch.offsets, batch.mask)
            structure = likely_structure(logits[0].softmax(dim=-1)[..., CANONICAL].cpu().numpy())
        segments, bases = torch.from_numpy(chain.segments), torch.from_numpy(chain.bases)
        start = start_frames(model.start, segments, bases, pairs_of(structure), draw[1])
        if model.start != "paired":
            start = Frames(start.rotations, start.translations + _jitter(len(chain), *draw))
        outputs: Outputs = self.model(
            batch.single, batch.pair, batch.offsets, start[None].to(device), batch.mask, batch.seeds
        )
        return _prediction(chain, outputs, structure)


@dataclass(frozen=True, eq=False)
class _Told:
    """What the network is told for a candidate, whether its pairs are where to start, and the same in words."""

    evidence: Evidence
    is_certain: bool
    origin: str
    is_sampled: bool = False


def _told(sequence: str, evidence: Evidence, num: int, seed: int, *, is_certain: bool) -> list[_Told]:
    """What each candidate is made from."""
    if is_certain:
        origin = "the secondary structure that was given"
        return [_Told(evidence, True, origin), *[_Told(evidence, True, f"{origin}, another start")] * (num - 1)]
    first = _Told(evidence, False, "ensemble pair probabilities")
    second = _Told(evidence, True, "ensemble pair probabilities, start from ViennaRNA's structure")
    conditions = (evidence.pairing.conditions, evidence.reactivities)
    few = sample_structures(sequence, num - 2, seed, *conditions) if num > 2 else []
    sampled = [
        _Told(
            replace(evidence, pairing=_leaning(evidence.pairing, structure)), False, f"sampled structure {number}", True
        )
        for number, structure in enumerate(few, start=1)
    ]
    return [first, second, *sampled][:num]


def fold(
    sequence: str,
    *,
    checkpoint: str | Path | None = None,
    num_models: int = 5,
    seed: int = 0,
    given: Given | None = None,
) -> list[Prediction]:
    """Candidate structures of one RNA, best first; see Predictor.fold."""
    return load(checkpoint).fold(sequence, num_models=num_models, seed=seed, given=given)


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
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    return torch.randn(length, 3, generator=generator) * (JITTER if number else 0.0)


def _prediction(chain: Chain, outputs: Outputs, structure: str) -> Prediction:
    frames = outputs.frames[0].to(torch.device("cpu"))
    turned = directions(outputs.torsions)[0].to(frames.translations.device)
    atoms = place_atoms(frames, turned, torch.from_numpy(chain.bases)).numpy()
    plddt = expected_plddt(outputs.plddt_logits)[0].cpu().numpy()
    ptm = float(predicted_tm_score(outputs.pae_logits[0]))
    return Prediction(replace(chain, atoms=atoms.astype(np.float32)), plddt, ptm, structure)


def _mended(prediction: Prediction) -> Chain:
    """The chain with its geometry mended, its pairs held."""
    pairs = tuple(BasePair(i, j, "cWW", True) for i, j in pairs_of(prediction.structure))
    return refine(prediction.chain, interactions=Interactions(pairs, ())).chain


def order_reason(predictions: Sequence[Prediction]) -> str:
    """Why the candidates stand in this order, in words."""
    values = ", ".join(f"{prediction.mean_plddt:.1f}" for prediction in predictions)
    last = ", those from sampled structures last" if predictions[-1].is_sampled else ""
    return f"by mean predicted lDDT of C1'{last}: {values}"
