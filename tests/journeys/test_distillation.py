"""A micro teacher on the package's natural proteins, and a student distilled from it, both below the unigram floor.

With 70 proteins to learn from, part of the gain is the text format (where lines and proteins end) and the methionine
that most proteins begin with: so the figures without line breaks and per residue must stand below their own floors too,
on families that neither has seen.
"""

from pathlib import Path

import pytest

from monosome.commands.train import Trained, train

FLOORS = {
    "perplexity": "unigram_perplexity",
    "perplexity_without_newlines": "unigram_perplexity_without_newlines",
    "perplexity_per_residue": "residue_unigram_perplexity",
}


def figures(trained: Trained) -> dict[str, float]:
    return {measure.metric.name: measure.interval.value for measure in trained.measures}


@pytest.mark.slow
def test_a_micro_student_learns_what_unseen_families_are_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    here = ["execution.device=cpu", "execution.threads=1"]
    teacher = train("protein/micro", here, out=tmp_path / "teacher", progress=False)
    taught = [*here, f"loss.teacher={tmp_path / 'teacher'}", "data.num_samples=60", "loss.temperature=1"]
    student = train("protein/micro", taught, out=tmp_path / "student", progress=False)

    train_groups = {protein.group for protein in teacher.task.source.proteins("train")}
    assert not train_groups & {row.group for row in student.outcome.rows}
    for trained in (teacher, student):
        found = figures(trained)
        for name, floor in FLOORS.items():
            assert found[name] < 0.98 * found[floor], name
    assert figures(student)["perplexity_ratio"] < 1.05
    assert figures(student)["kl"] < 0.1
