from monosome.protein.metrics import METRICS
from monosome.protein.published import published


def test_every_model_says_where_its_figures_stand_and_how_they_were_measured():
    found = published()
    assert len({model.name for model in found}) == len(found)
    assert all(model.source and model.protocol and model.figures for model in found)


def test_ratios_beside_a_teacher_that_knew_nothing_are_marked():
    by_name = {model.name: model for model in published()}
    for size, ratio in {"tiny": 5.06, "small": 7.05, "medium": 2.58}.items():
        model = by_name[f"littleworth/protgpt2-distilled-{size}"]
        assert model.figures["perplexity_ratio"] == ratio
        assert "unigram" in model.invalid
    assert not by_name["distilbert/distilgpt2"].invalid


def test_figures_that_we_measure_too_have_our_names():
    ours = {metric.name for metric in METRICS} | {"ece"}
    named = {name for model in published() for name in model.figures}
    assert named - ours == {"speed_up", "weight_megabytes", "mean_plddt"}
