import pytest

from monosome.commands.plan_tables import print_plan

FIT = {"length": 64, "micro_batch": 2, "peak_bytes": 2**30, "accumulation": 4, "flops_per_step": 10**12, "traced": True}
HELD = {"length": 64, "micro_batch": 3, "peak_bytes": 2**31, "seconds_per_example": 0.25}
INSTANCE = {"name": "g5.xlarge", "num_cards": 1, "card": "a10g", "dollars_per_hour": 1.0, "source": "a price list"}
REPORT = {
    "parameters": 1000,
    "trainable": 1000,
    "device": "cpu",
    "memory_bytes": 2**33,
    "batch_size": 8,
    "table": [FIT],
    "parts": {"parameters": 2**20},
    "savers": [
        {"setting": "execution.checkpoint_blocks", "value": False, "other": True, "length": 64}
        | {"peak_bytes": 2**30, "other_peak_bytes": 2**29}
    ],
    "work": {"steps": 10, "basis": "5 examples", "flops": 10**15, "hours_at_least": None, "hours": None}
    | {"throughput": "unknown"},
    "instances": [{**INSTANCE, "hours_at_least": 1.0, "dollars_at_least": 1.0}],
}


def printed(capsys: pytest.CaptureFixture[str], **changed: object) -> str:
    print_plan("rna/micro", {**REPORT, **changed})
    return capsys.readouterr().out


def test_hours_are_said_to_be_unknown_or_measured(capsys: pytest.CaptureFixture[str]):
    assert "unknown; unknown" in printed(capsys)
    work = {**REPORT["work"], "hours": 2.5, "throughput": "200 steps of runs/x on this machine"}
    assert "2.50, from 200 steps of runs/x on this machine" in printed(capsys, work=work)


def test_what_was_measured_stands_with_its_file(capsys: pytest.CaptureFixture[str]):
    out = printed(capsys, measured={"device": "a processor", "file": "cache/x.json", "table": [HELD]})
    assert "examples per second" in out
    assert "kept in cache/x.json" in out
    nothing = {"length": 64, "micro_batch": 0, "peak_bytes": None, "seconds_per_example": None}
    out = printed(capsys, measured={"device": "a processor", "file": None, "table": [nothing]})
    assert "does not fit" in out
    assert "could not be kept" in out


def test_the_settings_to_paste_stand_on_a_line_of_their_own(capsys: pytest.CaptureFixture[str]):
    tried = [{"savers": {"checkpoint_blocks": True}, "micro_batch": 2, "peak_bytes": 2**30}]
    settings = ["execution.checkpoint_blocks=true", "execution.micro_batch=2"]
    out = printed(capsys, optimised={"length": 64, "settings": settings, "tried": tried, "ranking": "ranked"})
    assert " ".join(settings) in out.splitlines()
    out = printed(capsys, optimised={"length": 64, "settings": [], "tried": tried, "ranking": "ranked"})
    assert "nothing fits" in out
