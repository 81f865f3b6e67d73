from collections.abc import Mapping

import pytest
import torch
from torch import nn

from monosome.config import LossConfig
from monosome.errors import ConfigError
from monosome.task import Loss
from monosome.train.balance import Balance, add_gradients, gradient_norms


class TwoTerms(LossConfig):
    shape: float = 2.0
    rest: float = 0.5
    silent: float = 0.0

    def weights(self) -> Mapping[str, float]:
        return {"shape": self.shape, "rest": self.rest, "silent": self.silent}


def test_fixed_weights_are_the_recipe_s():
    balance = Balance(TwoTerms())
    balance.observe({"shape": 100.0, "rest": 1.0})
    assert balance.weights(0) == {"shape": 2.0, "rest": 0.5, "silent": 0.0}


def test_a_ramp_rises_between_its_steps():
    balance = Balance(TwoTerms(ramps={"shape": (10, 20)}))
    found = [balance.weights(step)["shape"] for step in (0, 9, 10, 14, 19, 50)]
    assert found == pytest.approx([0.0, 0.0, 0.2, 1.0, 2.0, 2.0])
    assert balance.weights(0)["rest"] == 0.5
    with pytest.raises(ConfigError, match="no term 'shap'"):
        Balance(TwoTerms(ramps={"shap": (0, 5)}))


def test_uncertainty_makes_terms_count_alike_whatever_their_size():
    balance = Balance(TwoTerms(balance="uncertainty"))
    for _ in range(200):
        balance.observe({"shape": 40.0, "rest": 0.01, "silent": 3.0})
    weights = balance.weights(0)
    assert weights["shape"] * 40.0 == pytest.approx(2.0)
    assert weights["rest"] * 0.01 == pytest.approx(0.5)
    assert weights["silent"] == 0.0


def test_running_means_survive():
    balance, other = (Balance(TwoTerms(balance="uncertainty")) for _ in range(2))
    balance.observe({"shape": 3.0, "rest": 1.0 / 3.0})
    other.restore(balance.state())
    assert other.weights(5) == balance.weights(5)


def test_gradients_of_terms_are_summed_over_micro_batches():
    layer = nn.Linear(3, 1, bias=False)
    other = nn.Parameter(torch.ones(2))
    batches = [torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 3.0, 2.0]])]
    gradients: dict[str, list[torch.Tensor]] = {}
    for batch in batches:
        loss = Loss({"shape": layer(batch).sum(), "rest": 2 * layer(batch).sum()}, 1.0)
        add_gradients(gradients, loss, [layer.weight, other], ("shape", "rest"))
    assert gradients["shape"][0].tolist() == [[1.0, 3.0, 4.0]]
    assert gradients["shape"][1].tolist() == [0.0, 0.0]
    assert gradient_norms(gradients, 2.0) == {"shape": pytest.approx(26**0.5 / 2), "rest": pytest.approx(26**0.5)}


def test_gradients_are_measured_now_and_then():
    balance = Balance(TwoTerms(balance="gradient_norm", balance_every=5))
    assert [step for step in range(12) if balance.measures_gradients(step)] == [0, 5, 10]
    assert not Balance(TwoTerms()).measures_gradients(0)
