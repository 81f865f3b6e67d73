import copy
import sys

import pytest
import torch
from torch import Tensor, nn

from monosome.config import OptimConfig
from monosome.errors import ConfigError
from monosome.train.optim import (
    Average,
    Lion,
    Optimizers,
    frozen_weights,
    load_optimizer_state,
    normalise_and_clip,
    optimizer_state,
    optimizers_for,
    parameter_groups,
    set_learning_rate,
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3))


def learn(model: nn.Module, optimizers: Optimizers, steps: int) -> None:
    for step in range(steps):
        torch.manual_seed(step)
        model.zero_grad()
        (model(torch.randint(0, 5, (7,))) - torch.randn(7, 3)).square().sum().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_lion_takes_the_step_computed_by_hand() -> None:
    """β = (0.9, 0.99), rate 0.1, decay 0.5, gradients 1, -2 and 0 and then -8, 1 and 0.

    Step 1: momentum 0, so the update is sign(g); weights shrink by 1 - 0.1·0.5 = 0.95; momentum becomes 0.01·g.
    Step 2: 0.9·0.01 + 0.1·(-8) < 0, 0.9·(-0.02) + 0.1 > 0.
    """
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = Lion([weight], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    weight.grad = torch.tensor([1.0, -2.0, 0.0])
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.95 - 0.1, 1.9 + 0.1, 2.85])
    assert optimizer.state[weight]["exp_avg"].tolist() == pytest.approx([0.01, -0.02, 0.0])
    weight.grad = torch.tensor([-8.0, 1.0, 0.0])
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.85 * 0.95 + 0.1, 2.0 * 0.95 - 0.1, 2.85 * 0.95])
    assert optimizer.state[weight]["exp_avg"].tolist() == pytest.approx([0.0099 - 0.08, -0.0198 + 0.01, 0.0])


def test_lion_agrees_with_its_equations_over_many_steps() -> None:
    model = network()
    reference = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    momenta = {name: torch.zeros_like(weight) for name, weight in reference.items()}
    optimizer = Lion(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    for step in range(20):
        torch.manual_seed(step)
        for name, weight in model.named_parameters():
            weight.grad = torch.randn_like(weight)
            mixed = 0.9 * momenta[name] + 0.1 * weight.grad
            reference[name] -= 3e-3 * (mixed.sign() + 0.1 * reference[name])
            momenta[name] = 0.99 * momenta[name] + 0.01 * weight.grad
        optimizer.step()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.detach(), reference[name], rtol=1e-5, atol=1e-6)


def test_lion_leaves_weights_without_gradient_alone() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Lion([used, unused], lr=0.1, weight_decay=0.5)
    used.grad = torch.ones(2)
    optimizer.step()
    assert unused.tolist() == [1.0, 1.0]
    assert used.tolist() == pytest.approx([0.85, 0.85])


def test_matrices_alone_decay_and_frozen_weights_are_left_out() -> None:
    model = network()
    model[3].requires_grad_(False)
    decaying, others = parameter_groups(model, OptimConfig(weight_decay=0.1))
    assert [weight.ndim for weight in decaying["params"]] == [2, 2]  # embedding and the first linear's weight
    assert [weight.ndim for weight in others["params"]] == [1, 1, 1]  # its bias, and the norm's scale and shift
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize("name", ["adamw", "adam", "lion"])
def test_the_recipe_s_optimiser_has_its_settings(name: str) -> None:
    config = OptimConfig.model_validate(
        {"name": name, "learning_rate": 3e-4, "betas": (0.8, 0.95), "weight_decay": 0.2}
    )
    (optimizer,) = optimizers_for(network(), config, fused=False)
    assert type(optimizer).__name__.lower() == name
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.0]
    assert all(group["betas"] == (0.8, 0.95) for group in optimizer.param_groups)
    set_learning_rate((optimizer,), 5e-5)
    assert [group["lr"] for group in optimizer.param_groups] == [5e-5, 5e-5]


def test_muon_takes_the_matrices_and_adamw_the_rest() -> None:
    model = network()
    muon, adamw = optimizers_for(model, OptimConfig(name="muon"), fused=False)
    assert [weight.shape for group in muon.param_groups for weight in group["params"]] == [(6, 4), (3, 6)]
    others = [tuple(weight.shape) for group in adamw.param_groups for weight in group["params"]]
    assert sorted(others) == [(3,), (5, 4), (6,), (6,), (6,)]


def test_muon_moves_a_matrix_in_all_its_directions_alike() -> None:
    """Its update is the nearest orthogonal matrix, nearly: singular values about 1, times 0.2·√(longer side)."""
    weight = nn.Parameter(torch.zeros(8, 5))
    model = nn.ParameterList([weight])
    (muon,) = optimizers_for(model, OptimConfig(name="muon", learning_rate=1.0, weight_decay=0.0), fused=False)
    weight.grad = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -2, 5)
    muon.step()
    values = torch.linalg.svdvals(weight.detach()) / (0.2 * 8**0.5)
    assert 0.5 < values.min().item() <= values.max().item() < 1.4


def test_parts_learn_at_their_share_of_the_rate() -> None:
    model = network()
    (optimizer,) = optimizers_for(model, OptimConfig(rates={"1": 0.25}), fused=False)
    set_learning_rate((optimizer,), 1e-2)
    rates = {weight: group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    assert [rates[weight] for weight in model[1].parameters()] == [2.5e-3, 2.5e-3]
    assert rates[model[0].weight] == 1e-2
    with pytest.raises(ConfigError, match="no part 'structur'"):
        optimizers_for(model, OptimConfig(rates={"structur": 0.5}), fused=False)


def test_parts_are_frozen_until_their_step() -> None:
    model, config = network(), OptimConfig(frozen_until={"1": 3, "3": 5})
    assert len(frozen_weights(model, config, 0)) == 4
    assert set(frozen_weights(model, config, 3)) == set(model[3].parameters())
    assert not frozen_weights(model, config, 5)


def test_fused_and_plain_adamw_agree() -> None:
    models = [network(), network()]
    for model, fused in zip(models, (True, False), strict=True):
        learn(model, optimizers_for(model, OptimConfig(), fused=fused), 5)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def with_gradients(*gradients: list[float]) -> list[nn.Parameter]:
    weights = [nn.Parameter(torch.zeros(len(values))) for values in gradients]
    for weight, values in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(values)
    return weights


def gradients(weights: list[nn.Parameter]) -> list[list[float]]:
    return [weight.grad.tolist() for weight in weights if weight.grad is not None]


def test_gradients_are_divided_once_then_clipped_together() -> None:
    weights = with_gradients([6.0, 0.0], [0.0, 8.0])  # over 2 units: 3 and 4, norm 5
    assert float(normalise_and_clip(weights, torch.tensor(2), 1.0)) == pytest.approx(5.0)
    assert gradients(weights) == [pytest.approx([0.6, 0.0]), pytest.approx([0.0, 0.8])]


def test_small_gradients_are_not_scaled_up() -> None:
    weights = [*with_gradients([0.6]), nn.Parameter(torch.zeros(1))]
    assert float(normalise_and_clip(weights, 2.0, 1.0)) == pytest.approx(0.3)
    assert gradients(weights) == [pytest.approx([0.3])]


@pytest.mark.parametrize("name", ["adamw", "adam", "lion", "muon"])
@pytest.mark.parametrize("fused", [True, False])
def test_optimiser_state_survives_by_name_bit_for_bit(name: str, fused: bool) -> None:
    config = OptimConfig.model_validate({"name": name})
    model = network()
    optimizers = optimizers_for(model, config, fused=fused)
    learn(model, optimizers, 3)
    saved = {key: value.clone() for key, value in optimizer_state(optimizers, model).items()}
    assert ("1.weight/momentum_buffer" if name == "muon" else "1.weight/exp_avg") in saved
    other = copy.deepcopy(model)
    restored = optimizers_for(other, config, fused=fused)
    load_optimizer_state(restored, other, saved)
    for each, its in ((model, optimizers), (other, restored)):
        learn(each, its, 3)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))


def test_the_average_follows_the_weights_and_keeps_ties_and_buffers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(3, 2), nn.Linear(2, 3, bias=False)
            self.head.weight = self.embedding.weight
            self.register_buffer("seen", torch.zeros(()))

    model = Tied()
    nn.init.ones_(model.embedding.weight)
    average = Average(model)
    nn.init.zeros_(model.embedding.weight)
    model.seen += 1
    average.update(model, 0.75)
    shadow: Tensor = average.model.embedding.weight
    assert shadow.tolist() == [[0.75, 0.75]] * 3
    assert average.model.head.weight is shadow
    assert not shadow.requires_grad
    assert not average.model.training
    assert float(average.model.seen) == 1
    assert model.embedding.weight.tolist() == [[0.0, 0.0]] * 3


def test_states_in_eight_bits_need_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ConfigError) as raised:
        optimizers_for(network(), OptimConfig(name="adamw8bit"), fused=False)
    assert raised.value.hint == "pip install 'monosome[bits]'"
