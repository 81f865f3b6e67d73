"""A student that begins as a reduced teacher: some of its blocks, heads and neurons, its channels projected on fewer.

Depth: blocks spread evenly, first and last kept (DistilBERT, arXiv 1910.01108). Width: the residual stream is projected
on its principal components over a few training blocks (SliceGPT, arXiv 2401.15024; of embeddings alone in GUIDE, arXiv
2510.06502); heads and neurons are those whose output varies most. What is left out adds its mean to a bias.

Keeping the channels that vary most instead (weight subcloning, arXiv 2312.09299) was tried and dropped. Of a teacher
of 6 blocks and 128 channels (4.818 nats per token, the unigram 5.09), a student of 3 and 64 begins at 4.941 nats
projected, at 5.015 cut out, at 6.250 drawn at random; after 200 steps of 2,048 tokens it is at 4.820, 4.845 and 5.069.
Without the means in the biases it begins .01 higher.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from monosome.errors import ConfigError
from monosome.protein.student import run_packed

NUM_BLOCKS = 16
"""Training blocks that the teacher is watched on: 8,192 tokens of ProtGPT2's, seven for each of its channels."""

Packed = tuple[Int64[Tensor, "_ _"], Int64[Tensor, "_ _"], Int64[Tensor, "_ _"]]
"""Tokens, segments and positions of packed proteins; batches differ in size."""


@torch.no_grad()
def inherit(student: Any, teacher: Any, batches: Iterable[Packed]) -> None:
    """Give the student, a GPT-2 as it was drawn, the weights of a GPT-2 teacher, watched on `batches`.

    With equal sizes it is the teacher. Where it has more dimensions per head than the teacher, the rest of each head
    keeps its random queries and values, whose keys and outputs are 0: it changes nothing and can learn. Raises
    ConfigError where the teacher is no GPT-2 or smaller than the student.
    """
    _require_larger(student.config, teacher.config)
    ours, theirs = student.transformer, teacher.transformer
    kept = kept_blocks(len(theirs.h), len(ours.h))
    seen = _watch(teacher, kept, batches)
    stream = _stream(student, teacher, seen)
    ours.wpe.weight.copy_(stream.write(theirs.wpe.weight.cpu()[: len(ours.wpe.weight)]))
    ours.wte.weight.copy_(stream.write(theirs.wte.weight.cpu()))
    stream.read_out(ours, theirs, seen["ln_f"])
    for block, index in zip(ours.h, kept, strict=True):
        taught = theirs.h[index]
        _inherit_attention(block, taught, stream, seen[f"h.{index}.ln_1"], seen[f"h.{index}.attn.c_proj"])
        _inherit_neurons(block, taught, stream, seen[f"h.{index}.ln_2"], seen[f"h.{index}.mlp.c_proj"])


def kept_blocks(num_theirs: int, num_ours: int) -> list[int]:
    """The teacher's blocks that a student keeps: spread evenly, the first and the last among them."""
    return [round(place * (num_theirs - 1) / max(1, num_ours - 1)) for place in range(num_ours)]


@dataclass
class Moments:
    """Sums of vectors, of their squares and, where `pairs`, of their outer products, in double precision."""

    pairs: bool
    count: int = 0
    sums: list[Float64[Tensor, "c *rest"]] = field(default_factory=list)

    def add(self, vectors: Float[Tensor, "t c"]) -> None:
        """Take in some more."""
        self.count += len(vectors)
        second = vectors.T @ vectors if self.pairs else vectors.square().sum(0)
        more = [each.cpu().double() for each in (vectors.sum(0), second)]
        self.sums = [old + new for old, new in zip(self.sums, more, strict=True)] if self.sums else more

    @property
    def mean(self) -> Float64[Tensor, "c"]:
        """The mean vector."""
        return self.sums[0] / self.count

    @property
    def second(self) -> Float64[Tensor, "c *rest"]:
        """Mean squares, or outer products, around 0."""
        return self.sums[1] / self.count

    @property
    def variance(self) -> Float64[Tensor, "c *rest"]:
        """The same around the mean."""
        return self.second - (torch.outer(self.mean, self.mean) if self.pairs else self.mean.square())


def _watch(teacher: Any, kept: Sequence[int], batches: Iterable[Packed]) -> dict[str, Moments]:
    """Moments of what enters each module of interest: normalised streams, outputs of heads, of neurons."""
    body, device = teacher.transformer, teacher.device
    streams = ["ln_f", *(f"h.{index}.{norm}" for index in kept for norm in ("ln_1", "ln_2"))]
    inner = [f"h.{index}.{part}.c_proj" for index in kept for part in ("attn", "mlp")]
    seen = {name: Moments(pairs=not name.endswith("mlp.c_proj")) for name in [*streams, *inner]}
    inside: list[Tensor] = []

    def watcher(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def watch(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            vectors = given[0][inside[0]]
            seen[name].add(functional.layer_norm(vectors, vectors.shape[-1:]) if name in streams else vectors)

        return watch

    handles = [body.get_submodule(name).register_forward_pre_hook(watcher(name)) for name in seen]
    try:
        for tokens, segments, positions in batches:
            inside[:] = [(segments > 0).to(device)]
            run_packed(teacher, tokens.to(device), segments.to(device), positions.to(device))
    finally:
        for handle in handles:
            handle.remove()
    return seen


class Whole:
    """The teacher's own channels: the student has as many."""

    def write(self, weights: Float[Tensor, "*rows c"]) -> Float[Tensor, "*rows c"]:
        """Vectors of the teacher's stream as the student's."""
        return weights

    def read(
        self, ours: nn.LayerNorm, theirs: nn.LayerNorm, layer: Any, seen: Moments
    ) -> tuple[Float[Tensor, "c f"], Float[Tensor, "f"]]:
        """Weight and bias of a layer behind a norm; sets the student's norm."""
        ours.load_state_dict(theirs.state_dict())
        return layer.weight.cpu(), layer.bias.cpu()

    def read_out(self, ours: Any, theirs: Any, seen: Moments) -> None:
        """Set the student's last norm, behind which the head is that of its embeddings."""
        ours.ln_f.load_state_dict(theirs.ln_f.state_dict())


@dataclass(frozen=True)
class Narrowed:
    """The teacher's channels projected on `basis`, whose columns are orthonormal.

    A layer norm takes the mean over channels away, so nothing is lost when writers are centred; the basis is chosen so
    that what it makes has mean 0 over the student's channels, which its own norms then leave alone. Scaled by
    √(k / c), the variance over k channels is that over c, and norms divide by the same number. Gains and biases of
    norms go into the layers behind them.
    """

    basis: Float[Tensor, "c k"]
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", math.sqrt(self.basis.shape[1] / self.basis.shape[0]))

    def write(self, weights: Float[Tensor, "*rows c"]) -> Float[Tensor, "*rows k"]:
        """Centred, projected, scaled."""
        return self.scale * (weights - weights.mean(-1, keepdim=True)) @ self.basis

    def read(
        self, ours: nn.LayerNorm, theirs: nn.LayerNorm, layer: Any, seen: Moments
    ) -> tuple[Float[Tensor, "k f"], Float[Tensor, "f"]]:
        """The layer with its norm's gain and bias in it, and the mean of what the projection loses."""
        nn.init.ones_(ours.weight), nn.init.zeros_(ours.bias)
        gained = theirs.weight.cpu()[:, None] * layer.weight.cpu()
        bias = theirs.bias.cpu() @ layer.weight.cpu() + layer.bias.cpu() + self._lost(seen) @ gained
        return self.basis.T @ gained / self.scale, bias

    def read_out(self, ours: Any, theirs: Any, seen: Moments) -> None:
        """Gain and bias of the last norm, by least squares over the vocabulary: the tied head leaves no other freedom.

        Wanted is E' diag(g') = E diag(g) P / s and E' b' = E b, with the student's embeddings E'.
        """
        embeddings, narrow = theirs.wte.weight.cpu().double(), ours.wte.weight.double()
        gain, bias = theirs.ln_f.weight.cpu(), theirs.ln_f.bias.cpu()
        wanted = (embeddings * gain) @ self.basis.double() / self.scale
        ours.ln_f.weight.copy_((narrow * wanted).sum(0) / narrow.square().sum(0))
        offsets = embeddings @ (bias + self._lost(seen) * gain).double()
        centred = narrow - narrow.mean(0)  # a constant added to all logits changes nothing
        ours.ln_f.bias.copy_(torch.linalg.pinv(centred.T @ centred, hermitian=True) @ (centred.T @ offsets))

    def _lost(self, seen: Moments) -> Float[Tensor, "c"]:
        """The mean of the normalised stream outside the basis."""
        mean = seen.mean.float()
        return mean - self.basis @ (self.basis.T @ mean)


Stream = Whole | Narrowed
"""How the teacher's residual stream becomes the student's: for what writes to it, and for what reads it."""


def _stream(student: Any, teacher: Any, seen: Mapping[str, Moments]) -> Stream:
    width, theirs = student.config.n_embd, teacher.config.n_embd
    if width == theirs:
        return Whole()
    streams = [moments.second for name, moments in seen.items() if not name.endswith("c_proj")]
    # What is read out counts as much as all that blocks read: between a fifth and four times of that is no better.
    second = torch.stack(streams[1:]).mean(0) + streams[0]
    principal = torch.linalg.eigh(second).eigenvectors.flip(1)[:, : width - 1]
    return Narrowed((principal @ mean_free(width)).float())


def mean_free(width: int) -> Float64[Tensor, "rows k"]:
    """An orthonormal basis, in rows, of the vectors of that width whose mean is 0: a row fewer than columns."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(width, width, dtype=torch.float64, generator=generator)
    columns[:, 0] = 1
    return torch.linalg.qr(columns).Q[:, 1:].T


def _inherit_attention(ours: Any, theirs: Any, stream: Stream, entering: Moments, leaving: Moments) -> None:
    """The heads whose output varies most, in their order; the others' mean output goes to the bias."""
    weight, bias = stream.read(ours.ln_1, theirs.ln_1, theirs.attn.c_attn, entering)
    heads = _heads(theirs.attn, weight, bias)
    spread = leaving.variance.view(len(heads), theirs.attn.head_dim, len(heads), theirs.attn.head_dim)
    varying = [((each.out.double() @ each.out.double().T) * spread[h, :, h]).sum() for h, each in enumerate(heads)]
    kept = torch.stack(varying).topk(min(len(heads), ours.attn.num_heads)).indices.sort().values.tolist()
    constant = theirs.attn.c_proj.bias.cpu().clone()
    for head, mean in enumerate(leaving.mean.float().view(len(heads), -1)):
        if head not in kept:
            constant += mean @ heads[head].out
        elif ours.attn.head_dim < theirs.attn.head_dim:
            constant += heads[head].value_bias @ heads[head].out
    _place(ours.attn, [replace(heads[head], out=stream.write(heads[head].out)) for head in kept])
    ours.attn.c_proj.bias.copy_(stream.write(constant))


def _heads(attention: Any, weight: Tensor, bias: Tensor) -> list["_Head"]:
    """The heads of a layer whose inputs are already the student's."""
    num, dims = attention.num_heads, attention.head_dim
    inputs = [*weight.view(-1, 3, num, dims).unbind(1), *bias.view(3, num, dims).unbind(0)]
    inputs.append(attention.c_proj.weight.cpu().view(num, dims, -1).transpose(0, 1))
    return [_Head(*(each[..., head, :] for each in inputs)) for head in range(num)]


def _place(attention: Any, heads: Sequence["_Head"]) -> None:
    """Put the heads into the student's layer; of those that are wider or more than these, the rest does nothing yet."""
    dims, ours = heads[0].key.shape[1], attention.head_dim
    used, rescale = slice(0, min(dims, ours)), (ours / dims) ** 0.25  # scores are divided by √dimensions
    weight = attention.c_attn.weight.view(-1, 3, attention.num_heads, ours)
    bias = attention.c_attn.bias.view(3, attention.num_heads, ours)
    out = attention.c_proj.weight.view(attention.num_heads, ours, -1)
    for part in (weight[:, 1], bias, out):
        part.zero_()
    for place, head in enumerate(head.reduced(ours) if ours < dims else head for head in heads):
        weight[:, 0, place, used], bias[0, place, used] = head.query * rescale, head.query_bias * rescale
        weight[:, 1, place, used], bias[1, place, used] = head.key * rescale, head.key_bias * rescale
        weight[:, 2, place, used], bias[2, place, used] = head.value, head.value_bias
        out[place, used] = head.out


@dataclass(frozen=True)
class _Head:
    """One attention head, between the student's streams."""

    query: Float[Tensor, "c k"]
    key: Float[Tensor, "c k"]
    value: Float[Tensor, "c k"]
    query_bias: Float[Tensor, "k"]
    key_bias: Float[Tensor, "k"]
    value_bias: Float[Tensor, "k"]
    out: Float[Tensor, "k _"]

    def reduced(self, dims: int) -> "_Head":
        """The closest head of fewer dimensions: the largest singular values of its scores and of its output.

        A bias of keys adds the same to all scores of a query, and a bias of values the same to every output: the first
        is dropped, the second is the caller's.
        """
        scores, keys = _product(torch.cat([self.query, self.query_bias[None]]), self.key, dims)
        value, out = _product(self.value, self.out.T, dims)
        none = torch.zeros(dims)
        return _Head(scores[:-1], keys, value, scores[-1], none, none, out.T)


def _product(left: Tensor, right: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Factors of that rank, whose product is closest to left · rightᵀ."""
    first, of_left = torch.linalg.qr(left)
    second, of_right = torch.linalg.qr(right)
    rows, values, columns = torch.linalg.svd(of_left @ of_right.T)
    root = values[:rank].sqrt()
    return first @ rows[:, :rank] * root, second @ columns.T[:, :rank] * root


def _inherit_neurons(ours: Any, theirs: Any, stream: Stream, entering: Moments, leaving: Moments) -> None:
    """The neurons whose output varies most, in their order; the others' mean output goes to the bias."""
    weight, bias = stream.read(ours.ln_2, theirs.ln_2, theirs.mlp.c_fc, entering)
    out, mean = theirs.mlp.c_proj.weight.cpu(), leaving.mean.float()
    varying = leaving.variance * out.double().square().sum(1)
    neurons = varying.topk(ours.mlp.c_fc.weight.shape[1]).indices.sort().values
    left_out = mean.index_fill(0, neurons, 0.0)
    ours.mlp.c_fc.weight.copy_(weight[:, neurons])
    ours.mlp.c_fc.bias.copy_(bias[neurons])
    ours.mlp.c_proj.weight.copy_(stream.write(out[neurons]))
    ours.mlp.c_proj.bias.copy_(stream.write(theirs.mlp.c_proj.bias.cpu() + left_out @ out))


def _require_larger(ours: Any, theirs: Any) -> None:
    if getattr(theirs, "model_type", "") != "gpt2" or theirs.activation_function != ours.activation_function:
        raise ConfigError("model.initial=teacher needs a teacher that is a GPT-2 with gelu_new", "model.initial=random")
    for name, key in (("n_embd", "width"), ("n_layer", "num_layers"), ("n_positions", "positions")):
        if getattr(theirs, name) < getattr(ours, name):
            raise ConfigError(
                f"model.{key} is {getattr(ours, name)}, the teacher's {getattr(theirs, name)}: nothing can be kept",
                f"model.{key}={getattr(theirs, name)}, or model.initial=random",
            )
