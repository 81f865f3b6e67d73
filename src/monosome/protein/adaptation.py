"""A protein language model adapted to a family of 20 to 1,000 members, and whether it has learned them by heart."""

import copy
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from monosome.errors import DataError
from monosome.evaluate.intervals import Interval, interval
from monosome.protein.likelihood import likelihoods
from monosome.protein.low_rank import add_low_rank, merge_low_rank
from monosome.protein.objectives import predicted
from monosome.protein.sampling import SamplingSettings, sample
from monosome.protein.student import run_packed
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer
from monosome.row import Row
from monosome.sequences.clusters import cluster_by_identity, split_by_cluster
from monosome.sequences.fasta import Record
from monosome.sequences.novelty import nearest
from monosome.sequences.relatives import PROTEIN

MIN_MEMBERS = 20
"""Members below which nothing can be held out that would tell more than chance."""
SPLIT_IDENTITIES = (0.5, 0.7, 0.9, 1.0)
"""Members as alike stay on one side of the split; the first of these that leaves several clusters counts."""
MAX_CLUSTER_SHARE = 0.8
"""Share of the members in the largest cluster, at most, for an identity to count."""
MEMORISED = 0.9
"""Identity with a training member from which a sample is taken to repeat it."""
MAX_MEMORISED = 0.2
"""Share of samples that repeat a member, above which the model is said to have learned by heart."""

Method = Literal["full", "lora"]


@dataclass(frozen=True)
class AdaptationSettings:
    """How a family is learned; rates are tried in a short search, and the best is trained with from the start."""

    method: Method = "full"
    learning_rates: tuple[float, ...] = ()
    """Empty: 1e-5, 5e-5, 2e-4 in full, ten times that for low-rank products."""
    batch_size: int = 8
    replay: float = 0.25
    """General proteins for each member in a batch."""
    max_epochs: int = 20
    search_epochs: int = 2
    patience: int = 3
    """Epochs without a better held-out loss after which training ends."""
    valid_share: float = 0.2
    num_samples: int = 64
    seed: int = 0

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates to be tried."""
        if self.learning_rates:
            return self.learning_rates
        return (1e-5, 5e-5, 2e-4) if self.method == "full" else (1e-4, 5e-4, 2e-3)


@dataclass(frozen=True)
class Members:
    """A family split by clusters, and how many records were left out, why."""

    train: Sequence[str]
    valid: Sequence[str]
    valid_clusters: Sequence[str]
    identity: float
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Adapted:
    """What came of it: perplexities per token of held-out members and general proteins, before and after.

    `searched` is the best held-out loss in nats by learning rate, `losses` that of every epoch; `memorised` the share
    of samples at least 90 % identical to a training member, `held_out_alike` that of held-out members.
    """

    members: Members
    learning_rate: float
    searched: Mapping[float, float]
    losses: Sequence[float]
    before: Interval
    after: Interval
    general_before: Interval
    general_after: Interval
    num_samples: int
    memorised: float
    held_out_alike: float
    warnings: Sequence[str] = field(default_factory=list)


def split_family(records: Sequence[Record], settings: AdaptationSettings, longest: int) -> Members:
    """The members of the 20 amino acids, of half to twice the median length and at most `longest`, split by clusters.

    Raises DataError where fewer than `MIN_MEMBERS` are left.
    """
    sequences = [record.sequence.upper() for record in records]
    middle = median(len(each) for each in sequences) if sequences else 0
    kept, left_out = list[str](), {"other letters": 0, "other lengths": 0, "repeated": 0}
    for each in sequences:
        if each.strip(AMINO_ACIDS):
            left_out["other letters"] += 1
        elif not middle / 2 <= len(each) <= min(2 * middle, longest):
            left_out["other lengths"] += 1
        elif each in kept:
            left_out["repeated"] += 1
        else:
            kept.append(each)
    if len(kept) < MIN_MEMBERS:
        raise DataError(f"{len(kept)} members of the family can be learned from", f"give {MIN_MEMBERS} at least")
    clusters, identity = list(range(len(kept))), 1.0
    for identity in SPLIT_IDENTITIES:
        clusters = cluster_by_identity(kept, PROTEIN, identity)
        if np.bincount(clusters).max() <= MAX_CLUSTER_SHARE * len(kept):
            break
    sides = split_by_cluster(clusters, settings.valid_share, settings.seed)
    pairs = list(zip(kept, clusters, sides, strict=True))
    return Members(
        [each for each, _, side in pairs if side == "train"],
        [each for each, _, side in pairs if side == "valid"],
        [str(number) for _, number, side in pairs if side == "valid"],
        identity,
        left_out,
    )


def adapt(
    model: Any,
    tokenizer: ProteinTokenizer,
    family: Sequence[Record],
    general: Sequence[str],
    settings: AdaptationSettings,
) -> Adapted:
    """Train the model, in place, on the family's members; it ends with the weights of its best epoch.

    `general` proteins are replayed against forgetting, and their last fifth is held out to measure it.
    """
    longest = getattr(model.config, "max_position_embeddings", 10**6) // 2
    members = split_family(family, settings, longest)
    edge = max(1, len(general) - max(1, len(general) // 5))
    replayed, unseen = general[:edge], general[edge:] or general[:1]
    before, general_before = _perplexity(model, tokenizer, members.valid, members.valid_clusters), None
    general_before = _perplexity(model, tokenizer, unseen)
    start = copy.deepcopy(model.state_dict())
    searched: dict[float, float] = {}
    if len(settings.rates) > 1:
        for rate in settings.rates:
            searched[rate] = min(_train(model, tokenizer, members, replayed, settings, rate, settings.search_epochs))
            model.load_state_dict(start)
    best = min(searched, key=lambda rate: searched[rate]) if searched else settings.rates[0]
    losses = _train(model, tokenizer, members, replayed, settings, best, settings.max_epochs)
    after = _perplexity(model, tokenizer, members.valid, members.valid_clusters)
    memorised, alike, num = _memorised(model, tokenizer, members, settings)
    return Adapted(
        members,
        best,
        searched,
        losses,
        before,
        after,
        general_before,
        _perplexity(model, tokenizer, unseen),
        num,
        memorised,
        alike,
        _warnings(memorised, alike, num, before, after),
    )
