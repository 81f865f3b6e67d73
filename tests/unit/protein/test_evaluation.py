import math

import pytest
import torch
from torch import nn

from monosome.errors import DataError
from monosome.protein.evaluation import Judge, gap_closed
from monosome.protein.student import build_student
from monosome.protein.task import DistillationTask
from monosome.task import Row, mean_values


def judge_of(task: DistillationTask, teacher: nn.Module | None) -> Judge:
    return Judge(task.tokenizer, task.floors, teacher, task.collate)


def test_rows_are_those_of_training(taught: DistillationTask):
    student, held_out = taught.model().eval(), taught.examples("valid")
    ours = judge_of(taught, taught.frozen()).rows(student, held_out)
    theirs = taught.evaluate(student, held_out)
    assert [row.id for row in ours] == [row.id for row in theirs]
    for row, other in zip(ours, theirs, strict=True):
        assert {name: row.values[name] for name in other.values} == pytest.approx(dict(other.values), rel=1e-5)


def test_a_teacher_judged_as_its_own_student(taught: DistillationTask):
    teacher = taught.frozen()
    assert teacher is not None
    found = judge_of(taught, teacher).evaluation(teacher, taught.examples("valid"))
    values = {measure.metric.name: measure.interval.value for measure in found.measures}
    assert values["perplexity_ratio"] == pytest.approx(1, abs=1e-6)
    assert values["kl"] == pytest.approx(0, abs=1e-6)
    assert values["reverse_kl"] == pytest.approx(0, abs=1e-6)
    assert values["log_ratio_minus_kl"] == pytest.approx(0, abs=1e-6)
    assert values["agreement"] == values["top5_agreement"] == pytest.approx(1)
    assert values["gap_closed"] == pytest.approx(1)
    assert values["ece"] == values["teacher_ece"]
    assert values["accuracy"] == values["teacher_accuracy"] > values["unigram_accuracy"]
    for name in ("perplexity", "perplexity_without_newlines", "perplexity_per_residue"):
        assert values[name] == pytest.approx(values[f"teacher_{name}"])
    assert "24 held-out proteins" in found.caveats[0]


def test_every_figure_with_a_floor_has_it(taught: DistillationTask):
    found = judge_of(taught, taught.frozen()).evaluation(taught.model().eval(), taught.examples("valid"))
    floors = {measure.metric.name for measure in found.measures if measure.floor}
    assert {"perplexity", "perplexity_per_residue", "accuracy", "teacher_perplexity", "ece", "teacher_ece"} <= floors
    assert all(measure.floor for measure in found.measures if measure.metric.floor)


def test_a_teacher_that_knows_nothing_ends_it(taught: DistillationTask):
    ignorant = build_student(taught.config.model, taught.tokenizer.vocab_size, seed=9).eval()
    with pytest.raises(DataError, match="no better than the token unigram") as raised:
        judge_of(taught, ignorant).evaluation(taught.model().eval(), taught.examples("valid"))
    assert "loss.teacher=" in raised.value.hint


def test_without_a_teacher_the_student_is_judged_alone(taught: DistillationTask):
    found = judge_of(taught, None).evaluation(taught.model().eval(), taught.examples("valid"))
    names = {measure.metric.name for measure in found.measures}
    assert "perplexity" in names
    assert "ece" in names
    assert not {name for name in names if "teacher" in name or name in ("kl", "gap_closed")}
    assert set(found.calibrations) == {"student", "unigram"}


def test_kl_is_the_logarithm_of_the_ratio_on_what_the_teacher_writes(taught: DistillationTask):
    """E[ln p/q] under p is KL(p ‖ q): with true tokens drawn from the teacher, the two figures are one."""
    from monosome.protein.scoring import token_figures
    from monosome.protein.student import run_packed

    teacher, student = taught.frozen(), taught.model().eval()
    batch = taught.collate([taught.examples("train")[0]])
    packed = batch.tokens, batch.segments, batch.positions
    with torch.no_grad():
        theirs, ours = run_packed(teacher, *packed), run_packed(student, *packed)
        likely = theirs.logits(slice(None)).softmax(-1)
        drawn = torch.multinomial(likely, 100, replacement=True, generator=torch.Generator().manual_seed(0))
        gaps = []
        for targets in drawn.T:
            tokens = torch.cat([batch.tokens[:, :1], targets[None]], dim=1)
            found = token_figures(ours, theirs, tokens)
            gaps.append((found["nll"] - found["teacher_nll"]).mean())
    assert torch.stack(gaps).mean() == pytest.approx(found["kl"].mean().item(), rel=0.05)


def test_the_gap_is_counted_in_nats():
    def rows(student: float) -> list[Row]:
        values = {"unigram_nll": 8.0, "teacher_nll": 6.0, "loss": student}
        return [Row("a", values, 10, weight=2.0), Row("b", values, 10, weight=1.0)]

    for student, share in ((8.0, 0.0), (7.0, 0.5), (6.0, 1.0), (9.0, -0.5)):
        found = gap_closed(rows(student))
        assert found is not None
        assert found.value == pytest.approx(share)
    assert gap_closed([Row("a", {"unigram_nll": 8.0, "loss": 7.0}, 10)]) is None


def test_nats_of_all_tokens_make_the_perplexity(taught: DistillationTask):
    found = judge_of(taught, taught.frozen()).evaluation(taught.model().eval(), taught.examples("valid"))
    by_name = {measure.metric.name: measure.interval for measure in found.measures}
    assert by_name["perplexity"].value == pytest.approx(math.exp(mean_values(found.rows)["loss"]))
