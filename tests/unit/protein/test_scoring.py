import numpy as np
import pytest
import torch
from torch import nn

from monosome.protein import fused
from monosome.protein.recipe import GPT2Config
from monosome.protein.scoring import of_row, token_figures
from monosome.protein.student import States, build_student

VOCABULARY = 40


def states(seed: int, num: int = 18) -> States:
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(8, VOCABULARY, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.randn(VOCABULARY, 8, generator=generator))
    return States(torch.randn(num, 8, generator=generator), head)


TOKENS = torch.randint(0, VOCABULARY, (2, 10), generator=torch.Generator().manual_seed(9))


def test_figures_are_those_of_the_whole_distributions(monkeypatch: pytest.MonkeyPatch):
    student, teacher = states(1), states(2)
    monkeypatch.setattr(fused, "CPU_ELEMENTS", 5 * VOCABULARY)
    found = token_figures(student, teacher, TOKENS)
    q = student.logits(slice(None)).detach().double().softmax(-1).numpy()
    p = teacher.logits(slice(None)).detach().double().softmax(-1).numpy()
    targets = TOKENS[:, 1:].flatten().numpy()
    rows = np.arange(len(targets))
    best_p, best_q = np.argsort(-p), np.argsort(-q)
    expected = {
        "nll": -np.log(q[rows, targets]),
        "confidence": q.max(1),
        "correct": best_q[:, 0] == targets,
        "teacher_nll": -np.log(p[rows, targets]),
        "teacher_confidence": p.max(1),
        "teacher_correct": best_p[:, 0] == targets,
        "kl": (p * np.log(p / q)).sum(1),
        "reverse_kl": (q * np.log(q / p)).sum(1),
        "agreement": best_p[:, 0] == best_q[:, 0],
        "top5_agreement": [len({*a[:5]} & {*b[:5]}) / 5 for a, b in zip(best_p, best_q, strict=True)],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].numpy(), np.asarray(values, dtype=float), atol=1e-5, err_msg=name)


def test_a_model_beside_itself_agrees():
    found = token_figures(states(1), states(1), TOKENS)
    assert found["kl"].abs().max() < 1e-6
    assert found["reverse_kl"].abs().max() < 1e-6
    assert found["agreement"].eq(1).all()
    assert found["top5_agreement"].eq(1).all()
    assert torch.equal(found["confidence"], found["teacher_confidence"])


def test_without_a_teacher_there_is_nothing_of_it():
    assert set(token_figures(states(1), None, TOKENS)) == {"nll", "confidence", "correct"}


def test_a_row_is_cut_out():
    found = token_figures(states(1), None, TOKENS)
    assert torch.equal(of_row(found, 1, 2)["nll"], found["nll"][9:])


def test_few_entries_are_fewer_than_five():
    small = build_student(GPT2Config(num_layers=1, num_heads=1, width=8, positions=16), 3, seed=0)
    of_small = States(torch.randn(4, 8), small.get_output_embeddings())
    found = token_figures(of_small, of_small, torch.zeros(1, 5, dtype=torch.long))
    assert found["top5_agreement"].eq(1).all()
