"""Structures from sequences: several candidates per RNA, best first by the network's own confidence."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from monosome.config import build, fill_auto
from monosome.errors import CheckpointError, DataError, HardwareError
from monosome.fit.measured import memory_that_ends
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.backbone import place_atoms
from monosome.rna.candidates import DOUBTED, OWN, TRUSTED, Told, plan
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.dotbracket import dot_bracket
from monosome.rna.evidence import Given
from monosome.rna.features import Features, featurise, layout
from monosome.rna.frames import Frames
from monosome.rna.geometry import place_atoms as rigid_atoms
from monosome.rna.interactions import BasePair, Interactions
from monosome.rna.losses import expected_aligned_error, expected_plddt, predicted_tm_score
from monosome.rna.model import BetaRho, Outputs
from monosome.rna.nucleotides import parse_sequence
from monosome.rna.pair_labels import CANONICAL, likely_structure
from monosome.rna.pairing import pairs_of
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.refinement import refine
from monosome.rna.start import start_frames
from monosome.rna.threading import threaded, threaded_pairs
from monosome.rna.torsion_head import directions
from monosome.rna.windows import SHORTEST, Part, Window, cut, join, mean_chances, room
from monosome.train.checkpoint import find, load_manifest, load_weights
from monosome.train.memory import Fitting
from monosome.train.precision import process_settings
from monosome.train.savers import PREDICTED_ROWS, work_in_pieces

SHIPPED = "betarho-micro"
"""The package's own weights, used where no checkpoint is named."""
SHORTER = "fold it on a machine with more memory: monosome doctor"
JITTER = 1.0
"""Standard deviation in Å by which the start of each further candidate is moved, so that no two are alike."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One candidate: a chain with all heavy atoms, and how sure the network is of it.

    `plddt` is lDDT predicted per residue, 0 to 100; `ptm` the TM-score predicted for the whole, 0 to 1; `structure` the
    base pairs that it starts from; `origin` says how it differs from the others, `rank` is one of TRUSTED, OWN and
    DOUBTED: what it is made from counts more than how sure the network is. `aligned_error` is the predicted aligned
    error in Å of each residue seen from the frame of each, where the network saw all of them at once.
    """

    chain: Chain
    plddt: Float32[np.ndarray, "n"]
    ptm: float
    structure: str
    origin: str = ""
    rank: int = OWN
    aligned_error: Float32[np.ndarray, "n n"] | None = None

    @property
    def mean_plddt(self) -> float:
        """Mean predicted lDDT, 0 to 100: what candidates are ordered by."""
        return float(self.plddt.mean())


@dataclass(frozen=True)
class Predictor:
    """A trained BetaRho with its recipe, ready to fold; `name` and `fingerprint` say which.

    `window` is how many residues the network works on at a time, at most; None leaves it to `windows.room`.
    """

    model: BetaRho
    config: BetaRhoConfig
    name: str
    fingerprint: str
    window: int | None = None

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

        Strands are written with `&` between them. The network is told ViennaRNA's whole ensemble, or the secondary
        structure that is given. Where the recipe starts from base pairs, they are those that the network finds, for the
        second candidate ViennaRNA's, or those given; each candidate is laid out in another way. Other starts are moved
        at random by 1 Å. From the third on, candidates lean half on structures sampled from the ensemble, where none is
        given. Known structures of `given.templates` come before all others where they are trusted, two at most; where
        none is, the likeliest is the last candidate. At the end the geometry of each is mended, see
        `refinement.refine`.

        What is long, or more than memory holds, is folded in windows: all pairs and the layout are those of the whole.
        Raises DataError for letters that are no RNA and for files that do not fit them, HardwareError where memory does
        not hold a window of SHORTEST residues.
        """
        chain, given = _chain(id, sequence), given or Given()
        model = self.config.model
        evidence = given.evidence(chain.sequence, model.inputs, model.conditions, chain.segments)
        hits = given.templates.search(chain.sequence, evidence.pairing.probabilities) if given.templates else []
        told = plan(chain, evidence, num_models, seed, is_certain=given.secondary is not None, hits=hits)
        found: list[Prediction] = []
        most = self.window or room(len(chain))
        with process_settings(self.config.execution, self.config.numerics), self._memory_that_ends():
            while not found:
                # Suppressed, not caught: an error that is being handled would keep the tensors that filled the memory.
                with suppress(HardwareError), Fitting().explained("folding", None, SHORTER):
                    found = [self._candidate(chain, each, (seed, number), most) for number, each in enumerate(told)]
                if not found and most <= SHORTEST:
                    raise HardwareError(f"out of memory folding {len(chain)} nt, {most} at a time", SHORTER)
                most = max(SHORTEST, min(most, len(chain)) // 2)
        mended = [replace(each, chain=_mended(each)) for each in found]
        return sorted(mended, key=lambda each: (each.rank, 0.0 if each.rank == TRUSTED else -each.mean_plddt))

    def _memory_that_ends(self) -> AbstractContextManager[None]:
        """Elsewhere than on Linux the system does not say where main memory ends."""
        device = detect(self.config.execution.device)
        return memory_that_ends(device) if device.kind != "cpu" or sys.platform == "linux" else nullcontext()

    @torch.no_grad()
    def _candidate(self, chain: Chain, told: Told, draw: tuple[int, int], most: int) -> Prediction:
        """A candidate by its seed and number, of windows of at most so many residues."""
        model, structure = self.config.model, told.evidence.pairing.structure
        inputs = layout(model.inputs, model.embedding_channels)
        features = featurise(chain.sequence, chain.segments, told.evidence, inputs)
        if model.start == "paired" and not told.is_certain:
            windows = cut(len(chain), pairs_of(structure), most)
            found = ((window, self._chances(features.crop(window.residues))) for window in windows)
            structure = likely_structure(mean_chances(found, told.evidence.pairing.probabilities))
        segments, bases = torch.from_numpy(chain.segments), torch.from_numpy(chain.bases)
        if told.hit:
            pairs = threaded_pairs(told.hit, bases, pairs_of(structure))
            structure, start = dot_bracket(len(chain), pairs), threaded(told.hit, segments, pairs, draw[1])
        else:
            start = start_frames(model.start, segments, bases, pairs_of(structure), draw[1])
            if model.start != "paired":
                start = Frames(start.rotations, start.translations + _jitter(len(chain), *draw))
        windows = cut(len(chain), pairs_of(structure), most)
        parts = [self._part(features.crop(window.residues), start, window) for window in windows]
        whole = join(parts, start, is_laid_out=model.start == "paired")
        # The network was not trained on templates: it says how sure it is of one, and moves nothing.
        atoms = rigid_atoms(start, bases) if told.hit else place_atoms(whole.frames, whole.directions, bases)
        placed = replace(chain, atoms=atoms.numpy().astype(np.float32))
        seen = whole.aligned_error if len(parts) == 1 else None
        return Prediction(placed, whole.plddt, whole.ptm, structure, told.origin, told.rank, seen)

    def _chances(self, features: Features) -> Float32[np.ndarray, "n n"]:
        """Of canonical pairs."""
        single, pair, offsets, mask, _ = self._inputs(features)
        logits = self.model.pair_logits(single, pair, offsets, mask)
        chances: Float32[np.ndarray, "n n"] = logits[0].softmax(dim=-1)[..., CANONICAL].cpu().numpy()
        return chances

    def _part(self, features: Features, whole_start: Frames, window: Window) -> Part:
        """A window folded from its own part of the start."""
        single, pair, offsets, mask, seeds = self._inputs(features)
        start = whole_start[torch.from_numpy(window.residues)]
        outputs: Outputs = self.model(single, pair, offsets, start[None].to(mask.device), mask, seeds)
        errors = outputs.pae_logits[0]
        return Part(
            window,
            outputs.frames[0].to(torch.device("cpu")),
            directions(outputs.torsions)[0].cpu(),
            expected_plddt(outputs.plddt_logits)[0].cpu().numpy(),
            float(predicted_tm_score(errors, len(whole_start.translations))),
            expected_aligned_error(errors).cpu().numpy(),
        )

    def _inputs(self, features: Features) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """A batch of one."""
        device = next(self.model.parameters()).device
        given = (torch.from_numpy(each)[None].to(device) for each in (features.single, features.pair, features.offsets))
        single, pair, offsets = given
        return single, pair, offsets, torch.ones_like(single[..., 0]), torch.zeros(1, dtype=torch.int64, device=device)


def _chain(id: str, sequence: str) -> Chain:
    """The strands as one chain without atoms, each numbered from 1."""
    strands = sequence.split("&")
    letters = []
    for number, strand in enumerate(strands, start=1):
        try:
            letters.append(parse_sequence(strand)[0])
        except DataError as error:
            raise DataError(f"strand {number}: {error.message}", error.hint) if len(strands) > 1 else error from error
    lengths = list(map(len, letters))
    numbers = np.concatenate([np.arange(1, length + 1) for length in lengths])
    segments = np.repeat(np.arange(len(lengths)), lengths)
    return Chain(id, "".join(letters), empty_atoms(sum(lengths)), numbers, segments)


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
    work_in_pieces(model, resolved.execution.rows_at_once or PREDICTED_ROWS)
    return Predictor(model.to(device.torch_device).eval(), resolved, str(path or SHIPPED), manifest.fingerprint)


def _shipped() -> Path:
    folder = resources.files("monosome.rna") / "weights" / SHIPPED
    if not folder.is_dir():
        raise CheckpointError("no checkpoint was named", "monosome train rna/micro, then add --checkpoint RUN")
    return Path(str(folder))


def _jitter(length: int, seed: int, number: int) -> Float[Tensor, "n 3"]:
    """Random moves of the start; none for the first candidate."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    return torch.randn(length, 3, generator=generator) * (JITTER if number else 0.0)


def _mended(prediction: Prediction) -> Chain:
    """The chain with its geometry mended, its pairs held."""
    pairs = tuple(BasePair(i, j, "cWW", True) for i, j in pairs_of(prediction.structure))
    return refine(prediction.chain, interactions=Interactions(pairs, ())).chain


def order_reason(predictions: Sequence[Prediction]) -> str:
    """Why the candidates stand in this order, in words."""
    values = ", ".join(f"{prediction.mean_plddt:.1f}" for prediction in predictions)
    first = ", trusted templates first" if predictions[0].rank == TRUSTED else ""
    last = ", what is less likely last" if predictions[-1].rank == DOUBTED else ""
    return f"by mean predicted lDDT of C1'{first}{last}: {values}"
