import pytest
from torch import nn

from monosome.protein.recipe import GPT2Config
from monosome.protein.speed import Load, measure_speeds
from monosome.protein.student import build_student
from monosome.protein.tokens import ProteinTokenizer


def test_all_models_carry_one_load(student: nn.Module, tokenizer: ProteinTokenizer):
    wider = build_student(
        GPT2Config(num_layers=2, num_heads=2, width=64, positions=128), tokenizer.vocab_size, seed=0
    ).eval()
    found = measure_speeds({"teacher": wider, "student": student}, tokenizer, Load(batch=3, length=20))
    for name, model in (("teacher", wider), ("student", student)):
        speed = found[name]
        assert speed.parameters == sum(each.numel() for each in model.parameters())
        assert speed.weight_bytes == 4 * speed.parameters < speed.peak_bytes
        assert speed.tokens_per_minute == pytest.approx(20 * speed.sequences_per_minute)
        assert speed.latency_seconds > 0
        assert speed.scored_tokens_per_minute > 0
    assert found["teacher"].peak_bytes > found["student"].peak_bytes, "other models' weights are not counted"
