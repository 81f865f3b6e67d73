"""BetaRho as the engine sees it."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosome.errors import DataError
from monosome.rna.backbone import local_atoms
from monosome.rna.backbone import place_atoms as place_torsions
from monosome.rna.chain import Chain
from monosome.rna.dataset import Collection, read_collection
from monosome.rna.evidence import FOLDERS, EvidenceSource
from monosome.rna.examples import (
    POINTS,
    ChainBatch,
    ChainExample,
    ChainExamples,
    Recipe,
    collate,
    crop,
    select_points,
    synthetic_chains,
)
from monosome.rna.features import Evidence, Input, Source, layout
from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames, place_atoms
from monosome.rna.holdout import Overlaps, find_overlaps, read_held_out
from monosome.rna.known_pairs import KnownPairs, read_known_pairs
from monosome.rna.losses import (
    FAPE_UNIT,
    distogram_loss,
    expected_plddt,
    fape,
    lddt,
    pae_loss,
    pair_loss,
    plddt_loss,
    smooth_lddt_loss,
    trace_fape,
    unclamped,
)
from monosome.rna.model import DISTOGRAM_ATOMS, BetaRho, Outputs
from monosome.rna.nucleotides import BASES, encode
from monosome.rna.pair_labels import CANONICAL, UNKNOWN
from monosome.rna.pairing import unknown_pairing
from monosome.rna.prepared import Entry
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.sampling import admitted, chain_weights
from monosome.rna.superposition import move, superpose
from monosome.rna.tm_loss import soft_tm_score
from monosome.rna.tm_score import tm_score
from monosome.rna.torsion_head import directions, torsion_loss
from monosome.rna.violations import violation_loss
from monosome.sequences.clusters import SPLIT_SEED, split_by_cluster, split_by_date
from monosome.task import Examples, Loss, Metric, Row, Task

_POINT_OF = {name: place for place, name in enumerate(POINTS)}
_SPLITS = ("train", "valid")
WALK_STEP = 5.9
"""Length of a random walk's step in Å: the mean distance of neighbouring C1' (measured, 12,863 nucleotides)."""


class BetaRhoTask(Task[ChainExample, ChainBatch, Outputs]):
    """RNA sequence to frames; the unit of the loss is a chain, whose terms are means over the chain."""

    config_type = BetaRhoConfig
    metrics = (
        Metric("tm_score", "tm_score", "TM-score (C1')", higher_is_better=True, floor="tm_start"),
        Metric("rmsd", "rmsd", "RMSD (C1')", unit="Å", floor="rmsd_start"),
        Metric("lddt", "lddt", "lDDT (C1')", higher_is_better=True, floor="lddt_start"),
        Metric("pair_f1", "pair_f1", "F1 of canonical pairs", higher_is_better=True),
        Metric("predicted_lddt", "predicted_lddt", "predicted lDDT (C1')"),
        Metric("loss", "loss", "loss"),
        Metric("fape", "fape", "FAPE", unit="10 Å"),
        Metric("distogram", "distogram", "distogram", unit="nats"),
        Metric("pairs", "pairs", "base pairs", unit="nats per residue"),
        Metric("tm_start", "tm_start", "TM-score of the start", higher_is_better=True),
        Metric("rmsd_start", "rmsd_start", "RMSD of the start", unit="Å"),
        Metric("lddt_start", "lddt_start", "lDDT of the start", higher_is_better=True),
        Metric("tm_helix", "tm_helix", "TM-score of a straight helix", higher_is_better=True),
        Metric("rmsd_helix", "rmsd_helix", "RMSD of a straight helix", unit="Å"),
        Metric("lddt_helix", "lddt_helix", "lDDT of a straight helix", higher_is_better=True),
        Metric("tm_walk", "tm_walk", "TM-score of a random walk", higher_is_better=True),
    )

    bounds: ClassVar[Mapping[str, float]] = dict.fromkeys(("fape", "trace_fape", "tm", "smooth_lddt"), 1.0)

    config: BetaRhoConfig

    def model(self) -> nn.Module:
        """A new BetaRho."""
        torch.manual_seed(self.config.seed)
        return BetaRho(self.config.model)

    @cached_property
    def _inputs(self) -> dict[str, Input]:
        return layout(self.config.model.inputs, self.config.model.embedding_channels)

    @cached_property
    def _recipe(self) -> Recipe:
        """How examples are made. Raises DataError for an input whose folder is not named or not there."""
        folders: dict[Source, Path] = {}
        for source in self.config.model.inputs:
            if source in FOLDERS:
                folders[source] = Path(getattr(self.config.data, FOLDERS[source])).expanduser()
                if not getattr(self.config.data, FOLDERS[source]) or not folders[source].is_dir():
                    hint = f"name it: data.{FOLDERS[source]}=FOLDER"
                    raise DataError(f"model.inputs has {source}, and there is no folder of its files", hint)
        model = self.config.model
        return Recipe(EvidenceSource(model.inputs, folders, model.conditions), self._inputs, model.start)

    @cached_property
    def _collection(self) -> Collection:
        """All chains with coordinates: natural ones without the breaks that only coordinates tell, or ideal ones."""
        data = self.config.data
        if not data.path:
            made = zip(*synthetic_chains(data.num_synthetic, self.config.seed), strict=True)
            return Collection(tuple(Entry(chain, group) for chain, group in made), ())
        found = read_collection(data.path)
        return replace(found, entries=tuple(replace(each, chain=each.chain.as_one_strand()) for each in found.entries))

    @cached_property
    def _all_known_pairs(self) -> tuple[list[KnownPairs], str]:
        path = self.config.data.structures
        return read_known_pairs(Path(path).expanduser()) if path else ([], "")

    @cached_property
    def _overlaps(self) -> Overlaps:
        """The chains, with coordinates or without, that are relatives of what the recipe holds out."""
        held_out = self.config.data.held_out
        chains = {chain.id: chain.sequence for chain in self._collection.chains}
        chains |= {each.id: each.sequence for each in self._all_known_pairs[0]}
        found = find_overlaps(chains, read_held_out(Path(held_out).expanduser()) if held_out else [])
        if found.notes:
            print(f"note: {len(found.notes)} of {len(chains)} chains left out by data.held_out", file=sys.stderr)
        return found

    def _usable(self) -> list[Entry]:
        """The chains with coordinates whose length will do, and that are relatives of nothing held out."""
        data, related = self.config.data, self._overlaps.notes
        entries = [each for each in self._collection.entries if each.chain.id not in related]
        kept = [each for each in entries if data.min_length <= len(each.chain) <= data.max_length]
        limits = f"data.min_length={data.min_length} data.max_length={data.max_length}"
        if not kept:
            raise DataError(f"none of {len(entries)} chains has a usable length", f"now {limits}")
        if len(kept) < len(entries):
            print(f"note: {len(entries) - len(kept)} of {len(entries)} chains left out by {limits}", file=sys.stderr)
        return kept

    @cached_property
    def _splits(self) -> dict[str, ChainExamples]:
        data, kept = self.config.data, self._usable()
        clusters = [each.cluster for each in kept]
        if data.valid_after:
            split = split_by_date([each.date for each in kept], clusters, data.valid_after)
        else:
            split = split_by_cluster(clusters, data.valid_share, SPLIT_SEED)
        train, valid = ([each for each, side in zip(kept, split, strict=True) if side == name] for name in _SPLITS)
        known = self._known_pairs
        recipe = replace(
            self._recipe,
            structures={each.id: each.structure for each in known},
            models={each.chain.id: each.models for each in train if each.models is not None},
            varied_starts=True,
        )
        groups = [*(each.cluster for each in train), *(each.id for each in known)]
        resolutions = [*(each.resolution for each in train), *(None for _ in known)]
        return {
            "train": ChainExamples(
                [*(each.chain for each in train), *(each.chain() for each in known)],
                groups,
                recipe,
                chain_weights(data.weighted_by, groups, resolutions),
            ),
            "valid": ChainExamples([each.chain for each in valid], [each.cluster for each in valid], self._recipe),
        }

    @cached_property
    def _known_pairs(self) -> list[KnownPairs]:
        """Chains of which the pairs alone are known, to train on."""
        data, related = self.config.data, self._overlaps.notes
        found, note = self._all_known_pairs
        usable = [
            each
            for each in found
            if data.min_length <= len(each.sequence) <= data.max_length and each.id not in related
        ]
        if found:
            print(f"note: {len(usable)} secondary structures to train on; {note}", file=sys.stderr)
        return usable

    def weights(self, examples: Examples[ChainExample], limit: int | None = None) -> Sequence[float] | None:
        """How often each chain is drawn, by `data.weighted_by`; chains too long for a stage of the curriculum never."""
        assert isinstance(examples, ChainExamples)
        if limit is None:
            return examples.weights
        lengths, last = [len(chain) for chain in examples.chains], self.config.data.curriculum[-1][1]
        weights: list[float] = (admitted(lengths, limit, last) * (examples.weights or 1.0)).tolist()
        return weights

    def curriculum(self) -> Sequence[tuple[int, int]]:
        """The stages of the recipe."""
        return self.config.data.curriculum

    def shortened(self, example: ChainExample, limit: int, seed: int) -> ChainExample:
        """A crop of the chain."""
        return crop(example, limit, seed >> 32, self.config.data.spatial_share)

    def reports(self) -> Mapping[str, Any]:
        """The relatives of what is held out, which were left out."""
        return {"leakage": self._overlaps.report()} if self.config.data.held_out else {}

    def examples(self, split: str) -> ChainExamples:
        """Chains of a split; clusters are never parted."""
        return self._splits[split]

    def length(self, example: ChainExample) -> int:
        """Residues of the chain, or of its crop."""
        return min(len(example.chain), self.config.data.crop_length)

    def lengths(self, examples: Examples[ChainExample]) -> list[int]:
        """Residues of each chain, or of its crop, without making any features."""
        assert isinstance(examples, ChainExamples)
        return [min(len(chain), self.config.data.crop_length) for chain in examples.chains]

    def collate(self, examples: Sequence[ChainExample], seeds: Sequence[int] | None = None) -> ChainBatch:
        """A padded batch: with seeds, chains are cropped and some not clamped; without, all are whole and clamped."""
        if seeds is None:
            return collate(examples, torch.full((len(examples),), FAPE_UNIT))
        data = self.config.data
        cropped = [
            crop(each, data.crop_length, seed >> 32, data.spatial_share)
            for each, seed in zip(examples, seeds, strict=True)
        ]
        draws = torch.tensor([seed & 0xFFFFFFFF for seed in seeds])
        return collate(cropped, unclamped(draws, self.config.loss.unclamped_share), seeds)

    def forward(self, model: nn.Module, batch: ChainBatch) -> Outputs:
        """Frames and logits."""
        outputs: Outputs = model(batch.single, batch.pair, batch.offsets, batch.start, batch.mask, batch.seeds)
        return outputs

    def loss(self, outputs: Outputs, batch: ChainBatch) -> Loss:
        """FAPE (mean over iterations) and the other terms, each a mean over the chain, summed over chains.

        Terms of weight 0 are left out, so that their time is not spent.
        """
        with torch.autocast(batch.mask.device.type, enabled=False):
            wanted = [name for name, weight in self.config.loss.weights().items() if weight]
            terms = {name: self._term(name, outputs, batch).sum() for name in wanted}
        return Loss(terms, float(len(batch.mask)))

    def _term(self, name: str, outputs: Outputs, batch: ChainBatch) -> Float[Tensor, "b"]:
        c1, c1_mask = batch.points[:, :, 0], batch.points_mask[:, :, 0]
        frames = outputs.frames
        match name:
            case "fape":
                local = self._local_points(outputs, batch)
                return torch.stack([self._fape(each, local, batch) for each in outputs.trajectory]).mean(0)
            case "trace_fape":
                return trace_fape(frames.translations, c1, c1_mask, batch.clamp)
            case "distogram":
                atoms = [_POINT_OF[atom] for atom in DISTOGRAM_ATOMS]
                return distogram_loss(
                    outputs.distogram_logits, batch.points[:, :, atoms], batch.points_mask[:, :, atoms]
                )
            case "pairs":
                return pair_loss(outputs.pair_logits, batch.pairs)
            case "plddt":
                return plddt_loss(outputs.plddt_logits, frames.translations, c1, c1_mask)
            case "pae":
                return pae_loss(outputs.pae_logits, frames, batch.true_frames, (batch.frames_mask, c1_mask))
            case "tm":
                known = c1_mask.amax(dim=1)  # of a chain without coordinates nothing is lost
                return (1 - soft_tm_score(frames.translations, c1, c1_mask)) * known
            case "smooth_lddt":
                points = frames.apply(self._local_points(outputs, batch))
                return smooth_lddt_loss(points, batch.points, batch.points_mask)
            case "torsion":
                return torsion_loss(outputs.torsions, batch.torsions, batch.torsions_mask)
            case "violation":
                placed = place_torsions(frames, directions(outputs.torsions), batch.bases)
                return violation_loss(placed, batch.bases, batch.mask, batch.links)
        raise KeyError(name)

    def _local_points(self, outputs: Outputs, batch: ChainBatch) -> Float[Tensor, "b n p 3"]:
        return select_points(local_atoms(directions(outputs.torsions), batch.bases), batch.bases)

    def _fape(self, frames: Frames, local: Float[Tensor, "b n p 3"], batch: ChainBatch) -> Float[Tensor, "b"]:
        points = frames.apply(local)
        masks = (batch.frames_mask, batch.points_mask.flatten(1, 2))
        return fape(frames, points.flatten(1, 2), batch.true_frames, batch.points.flatten(1, 2), masks, batch.clamp)

    @torch.no_grad()
    def evaluate(self, model: nn.Module, examples: Examples[ChainExample]) -> list[Row]:
        """One row per chain: loss and its terms, TM-score, RMSD, lDDT and pLDDT, and the same of the floors."""
        return [self._row(model, examples[index]) for index in range(len(examples))]

    def _row(self, model: nn.Module, example: ChainExample) -> Row:
        device = next(model.parameters()).device
        batch = self.collate([example]).to(device)
        outputs = self.forward(model, batch)
        loss = self.loss(outputs, batch)
        known = batch.points_mask[0, :, 0].bool().cpu()
        native = batch.points[0, :, 0].cpu()
        plddt = expected_plddt(outputs.plddt_logits)[0].cpu()
        values = {
            "loss": float(loss.weighted(self.config.loss.weights())),
            **{name: float(value) for name, value in loss.sums.items()},
            **_likeness(outputs.frames.translations[0].float().cpu(), native, known, ""),
            **_likeness(batch.start_translations[0].cpu(), native, known, "_start"),
            **_likeness(helix_frames(len(native)).translations, native, known, "_helix"),
            "tm_walk": _likeness(random_walk(len(native)), native, known, "")["tm_score"],
            "predicted_lddt": float(plddt[known].mean()) / 100,
            "pair_f1": _pair_f1(outputs.pair_logits[0].cpu(), batch.pairs[0].cpu()),
        }
        values["tm_start"], values["tm_helix"] = values.pop("tm_score_start"), values.pop("tm_score_helix")
        undefined = {} if example.chain.has_frame.any() else {"fape": None}  # C1' alone makes no frame
        return Row(example.id, {**values, **undefined}, len(example.chain), example.group)

    def inputs(self) -> Sequence[str]:
        """Names of the network's inputs."""
        return tuple(self._inputs)

    def disturbed(self, example: ChainExample, name: str, seed: int | None) -> ChainExample:
        """The chain with one input shuffled over its residues, or unknown."""
        return replace(example, features=example.features.disturbed(self._inputs[name], seed))

    def dummy(self, length: int) -> ChainExample:
        """A straight helix of A, C, G and U in turn that pairs with nothing."""
        sequence = (BASES * length)[:length]
        atoms = place_atoms(helix_frames(length), torch.from_numpy(encode(sequence))).numpy()
        segments = np.zeros(length, dtype=np.int64)
        chain = Chain("dummy", sequence, atoms, np.arange(1, length + 1), segments)
        evidence = Evidence(unknown_pairing(length))
        return Recipe(inputs=self._inputs).example_of(chain, evidence, "dummy")

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """Trunk blocks, then blocks of the structure module."""
        assert isinstance(model, BetaRho)
        return [*model.trunk, *model.structure.blocks]


def _pair_f1(logits: Float[Tensor, "n n l"], labels: Int64[Tensor, "n n"]) -> float | None:
    """F1 of the canonical pairs that are more probable than not; None where there are none, nor any predicted."""
    known = (labels != UNKNOWN).triu(diagonal=1)
    predicted = (logits.softmax(dim=-1)[..., CANONICAL] > 0.5)[known]
    true = (labels == CANONICAL)[known]
    num = int(predicted.sum() + true.sum())
    return 2 * int((predicted & true).sum()) / num if num else None


def random_walk(length: int) -> Float[Tensor, "n 3"]:
    """Steps of the length of real ones in random directions, the same for every chain of that length: a floor."""
    directions = torch.randn(length, 3, generator=torch.Generator().manual_seed(length))
    return (WALK_STEP * directions / directions.norm(dim=-1, keepdim=True)).cumsum(0)


def _likeness(
    predicted: Float[Tensor, "n 3"], native: Float[Tensor, "n 3"], known: Tensor, suffix: str
) -> dict[str, float]:
    """TM-score (residue mode), RMSD and lDDT of C1' over the residues that the native has."""
    ours, theirs = predicted[known].double().numpy(), native[known].double().numpy()
    moved = move(ours, *superpose(ours, theirs))
    local = lddt(predicted.unsqueeze(0), native.unsqueeze(0), known.float().unsqueeze(0))[0]
    return {
        f"tm_score{suffix}": tm_score(ours, theirs, len(theirs)).score,
        f"rmsd{suffix}": math.sqrt(float(((moved - theirs) ** 2).sum(-1).mean())),
        f"lddt{suffix}": float(local[known].mean()),
    }
