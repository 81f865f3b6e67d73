import torch

from monosome.hardware.planned import kind_of, planned_for


def test_the_planned_device_hides_the_one_at_hand_as_long_as_the_plan_lasts():
    here = torch.device("cpu")
    assert kind_of(here) == "cpu"
    with planned_for("cuda"):
        assert kind_of(here) == "cuda"
        with planned_for("cpu"):
            assert kind_of(torch.device("meta")) == "cpu"
        assert kind_of(here) == "cuda"
    assert kind_of(here) == "cpu"
    assert kind_of(torch.device("meta")) == "meta"
