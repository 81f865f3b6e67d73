"""A protein language model adapted to a family of 20 to 1,000 members, and whether it has learned them by heart."""

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


@dataclass
class Learner:
    """Trains a model, in place, on a family's members with general proteins replayed among them."""

    model: Any
    tokenizer: ProteinTokenizer
    members: Members
    replayed: Sequence[str]
    settings: AdaptationSettings

    def train(self, rate: float, max_epochs: int) -> list[float]:
        """Held-out nats per token after each epoch; the model ends with the weights of the best one.

        The weights it begins with count as an epoch: a family that cannot be learned leaves them.
        """
        learned = add_low_rank(self.model) if self.settings.method == "lora" else list(self.model.parameters())
        optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=0.01, betas=(0.9, 0.99))
        losses, best, since = list[float](), self.held_out(), 0
        kept = [parameter.detach().clone() for parameter in learned]
        for epoch in range(max_epochs):
            for batch in self._batches(epoch):
                self._step(optimizer, learned, batch)
            losses.append(self.held_out())
            since += 1
            if losses[-1] < best:
                best, since = losses[-1], 0
                kept = [parameter.detach().clone() for parameter in learned]
            if since >= self.settings.patience:
                break
        with torch.no_grad():
            for parameter, value in zip(learned, kept, strict=True):
                parameter.copy_(value)
        if self.settings.method == "lora":
            merge_low_rank(self.model)
        self.model.eval()
        return losses

    def held_out(self) -> float:
        """Nats per token of the held-out members."""
        found = likelihoods(self.model.eval(), self.tokenizer, self.members.valid)
        return sum(each.nats for each in found) / sum(each.num_tokens for each in found)

    def _batches(self, epoch: int) -> Iterator[list[str]]:
        """Members in a drawn order, each batch with its share of general proteins."""
        random = np.random.default_rng([self.settings.seed, epoch])
        size, members = self.settings.batch_size, self.members.train
        order = random.permutation(len(members))
        for start in range(0, len(members), size):
            batch = [members[index] for index in order[start : start + size]]
            num = round(self.settings.replay * len(batch)) if self.replayed else 0
            yield batch + [self.replayed[index] for index in random.integers(0, len(self.replayed) or 1, num)]

    def _step(self, optimizer: torch.optim.Optimizer, learned: Sequence[nn.Parameter], batch: Sequence[str]) -> None:
        device = next(self.model.parameters()).device
        longest = self.model.config.max_position_embeddings
        texts = [torch.from_numpy(text[:longest]).long() for text in self.tokenizer.encode(batch)]
        loss = mean_nats(self.model.train(), texts, device)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()


def mean_nats(model: Any, texts: Sequence[Int64[Tensor, "_"]], device: torch.device) -> Float[Tensor, ""]:
    """Mean cross-entropy over the tokens of whole texts; logits are made of real tokens alone."""
    tokens = nn.utils.rnn.pad_sequence(list(texts), batch_first=True).to(device)
    lengths = torch.tensor([len(text) for text in texts], device=device)
    positions = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
    segments = (positions < lengths[:, None]).long()
    states, mask = run_packed(model, tokens, segments, positions), predicted(segments).flatten()
    return functional.cross_entropy(states.head(states.hidden[mask]).float(), tokens[:, 1:].flatten()[mask])


def adapt(
    model: Any,
    tokenizer: ProteinTokenizer,
    family: Sequence[Record],
    general: Sequence[str],
    settings: AdaptationSettings,
) -> Adapted:
    """Train the model, in place, on the family's members; it ends with the weights of its best epoch.

    `general` proteins are replayed against forgetting; their last fifth is held out to measure it.
    """
    members = split_family(family, settings, model.config.max_position_embeddings // 2)
    edge = len(general) - max(1, len(general) // 5)
    replayed, unseen = general[:edge], general[edge:]
    learner = Learner(model, tokenizer, members, replayed, settings)
    before, general_before = learner_perplexity(learner), perplexity(model, tokenizer, unseen)
    searched: dict[float, float] = {}
    start = {name: value.clone() for name, value in model.state_dict().items()}
    for rate in settings.rates if len(settings.rates) > 1 else ():
        searched[rate] = min(learner.train(rate, settings.search_epochs))
        model.load_state_dict(start)
    best = min(searched, key=lambda rate: searched[rate]) if searched else settings.rates[0]
    losses = learner.train(best, settings.max_epochs)
    after = learner_perplexity(learner)
    memorised, alike, num = memorisation(model, tokenizer, members, settings)
    return Adapted(
        members=members,
        learning_rate=best,
        searched=searched,
        losses=losses,
        before=before,
        after=after,
        general_before=general_before,
        general_after=perplexity(model, tokenizer, unseen),
        num_samples=num,
        memorised=memorised,
        held_out_alike=alike,
        warnings=_warnings(memorised, alike, num, after.value < before.value),
    )


def learner_perplexity(learner: Learner) -> Interval:
    """Perplexity per token of the held-out members; the interval resamples clusters."""
    members = learner.members
    return perplexity(learner.model, learner.tokenizer, members.valid, members.valid_clusters)


def perplexity(
    model: nn.Module, tokenizer: ProteinTokenizer, sequences: Sequence[str], clusters: Sequence[str] = ()
) -> Interval:
    """Perplexity per token with its interval, which resamples clusters where they are given."""
    groups = clusters or [str(place) for place in range(len(sequences))]
    rows = [
        Row(str(place), {"nats": each.nats / each.num_tokens}, each.num_residues, group, float(each.num_tokens))
        for place, (each, group) in enumerate(zip(likelihoods(model, tokenizer, sequences), groups, strict=True))
    ]
    found = interval(rows, "nats", exponential=True)
    assert found is not None
    return found


def memorisation(
    model: nn.Module, tokenizer: ProteinTokenizer, members: Members, settings: AdaptationSettings
) -> tuple[float, float, int]:
    """Share of valid samples that repeat a training member, that of held-out members, and the number of samples."""
    lengths = [len(each) for each in members.train]
    asked = SamplingSettings(seed=settings.seed, residues=(min(lengths), max(lengths)))
    drawn = [one.sequence for one in sample(model, tokenizer, settings.num_samples, asked) if one.is_valid]
    ours, others = (nearest(each, members.train, PROTEIN).identity >= MEMORISED for each in (drawn, members.valid))
    return (float(ours.mean()) if drawn else 0.0), float(others.mean()), len(drawn)


def _warnings(memorised: float, alike: float, num: int, is_better: bool) -> list[str]:
    found = []
    if memorised > max(MAX_MEMORISED, alike):
        found.append(
            f"{memorised:.0%} of {num} samples are at least {MEMORISED:.0%} identical to a training member, of the "
            f"held-out members {alike:.0%}: the family is learned by heart; lower max_epochs, or take method lora"
        )
    if not num:
        found.append("no sample was a whole protein: memorisation is not known")
    if not is_better:
        found.append("no epoch made the held-out members likelier: the model is as it was")
    return found
