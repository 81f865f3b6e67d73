"""Texts drawn from a language model with keys and values cached: a row that ends makes room for the next at once.

A row's draw depends on the seed and its index alone: it has its own random stream, its tokens stand at their own
positions whatever is beside it, and from `MIN_ROWS` rows on a matrix product gives a row the same bits in any company
(fp32 on a CPU; measured with 4 to 128 rows, 1 to 3 rows differ).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

MIN_ROWS = 8
"""Fewer rows are filled up to it."""
KEYS_AT_ONCE = 32
"""Keys are attended to in multiples of it; the masked ones add zeros."""

Array = np.ndarray


@dataclass(frozen=True)
class Form:
    """The text that is drawn: how it begins, ends and breaks lines, and how many residues it may have.

    `first` are the tokens allowed first (empty for all), `sizes` the residues of each token. While a text has fewer
    than `least` residues it neither ends nor breaks a line short of `line`; beyond `most` it is left.
    """

    prompt: Sequence[int]
    end: int
    newline: int
    sizes: Int64[Array, "v"]
    longest: int
    first: Sequence[int] = ()
    least: int = 0
    most: int = 0
    line: int = 60


@dataclass(frozen=True)
class Choice:
    """How a token is chosen, in transformers' order: penalty, temperature, the `top_k` likeliest (0: all)."""

    temperature: float = 1.0
    top_k: int = 950
    repetition_penalty: float = 1.2
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Drawn:
    """A text's tokens, prompt included, and the nats of each but the first by the model itself, before any choice."""

    index: int
    tokens: Sequence[int]
    nats: Float64[Array, "_"]


@dataclass
class Effort:
    """Rows and keys that were computed, and those of them that a text needed."""

    num_rows: int = 0
    num_rows_used: int = 0
    num_keys: int = 0
    num_keys_used: int = 0

    @property
    def row_waste(self) -> float:
        """Share of computed rows that were padding."""
        return 1 - self.num_rows_used / max(1, self.num_rows)

    @property
    def key_waste(self) -> float:
        """Share of attended keys that were padding."""
        return 1 - self.num_keys_used / max(1, self.num_keys)


class _Slots:
    """Keys and values of every row by layer, as transformers' attention asks for them: `update` writes and returns."""

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], num_rows: int) -> None:
        """Every row begins as the one row of `layers`."""
        self.begin = layers
        self.layers = [tuple(each.expand(num_rows, -1, -1, -1).clone() for each in pair) for pair in layers]
        self.places = torch.zeros(num_rows, dtype=torch.long)
        self.width = 0

    def look(self, places: Int64[Tensor, "b"], width: int) -> None:
        """What is written next stands at `places`, and `width` keys are attended to."""
        self.places, self.width = places, width
        capacity = self.layers[0][0].shape[2]
        if width > capacity:  # by half as much again, so that a long text is copied a few times only
            more = max(width, capacity + capacity // 2) - capacity
            self.layers = [tuple(nn.functional.pad(each, (0, 0, 0, more)) for each in pair) for pair in self.layers]

    def update(
        self, keys: Float[Tensor, "b h 1 c"], values: Float[Tensor, "b h 1 c"], layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Float[Tensor, "b h k c"], Float[Tensor, "b h k c"]]:
        """All keys and values of a layer, these among them."""
        rows = torch.arange(len(self.places), device=keys.device)
        for held, new in zip(self.layers[layer_idx], (keys, values), strict=True):
            held[rows, :, self.places] = new[:, :, 0]
        return self.layers[layer_idx][0][:, :, : self.width], self.layers[layer_idx][1][:, :, : self.width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Keys that are attended to."""
        return self.width

    def restart(self, rows: Sequence[int]) -> None:
        """Rows begin again."""
        for held, begun in zip(self.layers, self.begin, strict=True):
            for buffer, first in zip(held, begun, strict=True):
                buffer[list(rows), :, : first.shape[2]] = first

    def keep(self, rows: Int64[Tensor, "k"]) -> None:
        """Only these rows stay."""
        self.layers = [tuple(each[rows] for each in pair) for pair in self.layers]


@dataclass
class _Rows:
    """The texts that are being drawn: `index` is −1 for a row that idles."""

    index: list[int]
    tokens: Int64[Tensor, "b t"]
    length: Int64[Tensor, "b"]
    nats: Float[Tensor, "b t"]
    chance: Float[Tensor, "b t"]
    residues: Int64[Tensor, "b"]
    in_line: Int64[Tensor, "b"]

    def keep(self, rows: Int64[Tensor, "k"]) -> None:
        """Only these rows stay."""
        self.index = [self.index[row] for row in rows.tolist()]
        for name in ("tokens", "length", "nats", "chance", "residues", "in_line"):
            setattr(self, name, getattr(self, name)[rows])


@dataclass
class Drawing:
    """Draws texts from a model, at most `batch` at once; `effort` adds up over all that are drawn."""

    model: Any
    form: Form
    choice: Choice
    batch: int = 64
    effort: Effort = field(default_factory=Effort)

    def draw(self, indices: Sequence[int]) -> Iterator[Drawn]:
        """The texts of these indices, as they end."""
        waiting = list(reversed(indices))
        num_rows = max(MIN_ROWS, min(self.batch, len(waiting)))
        rows = self._empty(num_rows)
        slots, prompt_nats = self._prefilled(num_rows)
        self._start(rows, slots, range(num_rows), waiting)
        while any(index >= 0 for index in rows.index):
            ended = self._step(rows, slots)
            yield from [self._drawn(rows, row, prompt_nats) for row in ended]
            self._start(rows, slots, ended, waiting)
            self._shrink(rows, slots)

    def _empty(self, num_rows: int) -> _Rows:
        device, form = next(self.model.parameters()).device, self.form
        shape = num_rows, form.longest
        return _Rows(
            [-1] * num_rows,
            torch.full(shape, form.end, dtype=torch.long, device=device),
            torch.full((num_rows,), len(form.prompt), device=device),
            torch.zeros(shape, device=device),
            torch.zeros(shape, dtype=torch.float64, device=device),
            torch.zeros(num_rows, dtype=torch.long, device=device),
            torch.zeros(num_rows, dtype=torch.long, device=device),
        )

    @torch.no_grad()
    def _prefilled(self, num_rows: int) -> tuple[_Slots, Float64[Array, "_"]]:
        """Keys and values of the prompt but its last token, and the nats of all its tokens but the first."""
        prompt = torch.tensor([self.form.prompt], device=next(self.model.parameters()).device)
        begun = self.model.base_model(
            input_ids=prompt[:, :-1], attention_mask=torch.ones_like(prompt[:, :-1]), use_cache=True
        )
        logs = self.model.get_output_embeddings()(begun.last_hidden_state[0]).float().log_softmax(1)
        nats = -logs.gather(1, prompt[0, 1:, None])[:, 0]
        layers = [(layer.keys, layer.values) for layer in begun.past_key_values.layers]
        return _Slots(layers, num_rows), nats.double().cpu().numpy()

    def _start(self, rows: _Rows, slots: _Slots, free: Sequence[int], waiting: list[int]) -> None:
        """Free rows begin the next texts, or idle."""
        form, begun = self.form, list[int]()
        prompt = torch.tensor(form.prompt)
        in_line = 0
        for token in form.prompt:
            in_line = 0 if token == form.newline else in_line + int(form.sizes[token])
        for row in free:
            rows.index[row] = waiting.pop() if waiting else -1
            rows.tokens[row] = form.end
            rows.tokens[row, : len(prompt)] = prompt
            rows.length[row] = len(prompt)
            rows.residues[row] = int(form.sizes[list(form.prompt)].sum())
            rows.in_line[row] = in_line
            if rows.index[row] >= 0:
                rows.chance[row] = torch.from_numpy(_stream(self.choice.seed, rows.index[row], form.longest))
                begun.append(row)
        if begun:
            slots.restart(begun)

    @torch.no_grad()
    def _step(self, rows: _Rows, slots: _Slots) -> list[int]:
        """Draw one token for every row; the rows that end by it."""
        form, num_rows = self.form, len(rows.index)
        places = rows.length - 1
        keys = int(rows.length.max())
        width = min(-(-keys // KEYS_AT_ONCE) * KEYS_AT_ONCE, -(-form.longest // KEYS_AT_ONCE) * KEYS_AT_ONCE)
        slots.look(places, width)
        every = torch.arange(num_rows, device=places.device)
        seen = torch.arange(width, device=places.device) <= places[:, None]
        hidden = self.model.base_model(
            input_ids=rows.tokens[every, places][:, None],
            attention_mask=seen[:, None, None],
            position_ids=places[:, None],
            past_key_values=slots,
            use_cache=True,
        ).last_hidden_state
        logits = self.model.get_output_embeddings()(hidden[:, 0]).float()
        chosen = self._chosen(logits, rows, every)
        rows.nats[every, rows.length] = -logits.log_softmax(1)[every, chosen]
        rows.tokens[every, rows.length] = chosen
        rows.length += 1
        self._count(rows, chosen)
        live = torch.tensor([index >= 0 for index in rows.index])
        self.effort.num_rows += num_rows
        self.effort.num_rows_used += int(live.sum())
        self.effort.num_keys += num_rows * width
        self.effort.num_keys_used += int((places.cpu() + 1)[live].sum())
        over = (chosen == form.end) | (rows.length >= form.longest)
        if form.most:
            over |= rows.residues > form.most
        return [row for row in over.nonzero()[:, 0].tolist() if rows.index[row] >= 0]

    def _count(self, rows: _Rows, chosen: Int64[Tensor, "b"]) -> None:
        """Keep up residues in all and in the line. Idle rows stay where they are."""
        sizes = torch.from_numpy(self.form.sizes).to(chosen.device)[chosen]
        rows.residues += sizes
        rows.in_line = torch.where(chosen == self.form.newline, 0, rows.in_line + sizes)
        idle = torch.tensor([index < 0 for index in rows.index], device=chosen.device)
        rows.length[idle] = len(self.form.prompt)

    def _chosen(self, logits: Float[Tensor, "b v"], rows: _Rows, every: Int64[Tensor, "b"]) -> Int64[Tensor, "b"]:
        form, choice = self.form, self.choice
        scores = logits.clone()
        if choice.repetition_penalty != 1:
            # Beyond a row's length stands the end token, which the prompt holds: it is penalised with the prompt.
            seen = rows.tokens[:, : int(rows.length.max())]
            held = scores.gather(1, seen)
            held = torch.where(held < 0, held * choice.repetition_penalty, held / choice.repetition_penalty)
            scores.scatter_(1, seen, held)
        if form.least:
            short = rows.residues < form.least
            scores[short, form.end] = -torch.inf
            scores[short & (rows.in_line < form.line), form.newline] = -torch.inf
        if form.first and bool((first := rows.length == len(form.prompt)).any()):
            allowed = torch.zeros(scores.shape[1], dtype=torch.bool, device=scores.device)
            allowed[list(form.first)] = True
            scores[first[:, None] & ~allowed] = -torch.inf
        if choice.temperature != 1:
            scores /= choice.temperature
        tokens, weights = likeliest(scores, choice.top_k)
        sums = weights.cumsum(1)
        wanted = rows.chance[every, rows.length] * sums[:, -1]
        place = torch.searchsorted(sums, wanted[:, None], right=True).clamp(max=tokens.shape[1] - 1)
        return tokens.gather(1, place)[:, 0]

    def _drawn(self, rows: _Rows, row: int, prompt_nats: Float64[Array, "_"]) -> Drawn:
        length = int(rows.length[row])
        nats = rows.nats[row, len(self.form.prompt) : length].double().cpu().numpy()
        return Drawn(rows.index[row], rows.tokens[row, :length].tolist(), np.concatenate([prompt_nats, nats]))

    def _shrink(self, rows: _Rows, slots: _Slots) -> None:
        """Leave idle rows out once they are half of all."""
        live = [row for row, index in enumerate(rows.index) if index >= 0]
        num_rows = len(rows.index)
        if num_rows == MIN_ROWS or 2 * len(live) > num_rows:
            return
        idle = [row for row, index in enumerate(rows.index) if index < 0]
        kept_rows = torch.tensor([*live, *idle[: max(0, MIN_ROWS - len(live))]], device=rows.tokens.device)
        rows.keep(kept_rows)
        slots.keep(kept_rows)


def likeliest(scores: Float[Tensor, "b v"], top_k: int) -> tuple[Int64[Tensor, "b k"], Float64[Tensor, "b k"]]:
    """The tokens of each row's `top_k` highest scores (0: all), by ascending id, and exp of each up to a factor.

    Of scores that tie with the lowest of them all are taken; rows with fewer are filled up with weights of 0.
    """
    best = scores.amax(1)
    if not 0 < top_k < scores.shape[1]:
        every = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
        return every, (scores - best[:, None]).double().exp()
    row, token = (scores >= _lowest_kept(scores, top_k)[:, None]).nonzero().unbind(1)
    num = torch.bincount(row, minlength=len(scores))
    column = torch.arange(len(row), device=row.device) - (num.cumsum(0) - num)[row]
    shape = len(scores), int(num.max())
    tokens = torch.zeros(shape, dtype=torch.long, device=row.device)
    weights = torch.zeros(shape, dtype=torch.float64, device=row.device)
    tokens[row, column] = token
    weights[row, column] = (scores[row, token] - best[row]).double().exp()
    return tokens, weights


def _lowest_kept(scores: Float[Tensor, "b v"], top_k: int) -> Float[Tensor, "b"]:
    if scores.device.type == "cpu":  # for 64 rows of 50,257: 2.6 ms, torch.topk takes 25
        at = scores.shape[1] - top_k
        return torch.from_numpy(np.partition(scores.numpy(), at, axis=1)[:, at].copy())
    return scores.topk(top_k).values[:, -1]


def _stream(seed: int, index: int, num: int) -> Float64[Array, "_"]:
    """The uniform random numbers of a text: Philox keyed by seed and index (Salmon et al. 2011)."""
    key = np.array([seed % 2**64, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(num)
