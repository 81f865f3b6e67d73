import json
from pathlib import Path

import pytest

from monosome.commands import profile

TINY = ("model.num_trunk_blocks=1", "model.num_ipa_blocks=1", "data.num_synthetic=16", "execution.device=cpu")


def test_a_profile_and_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    profile.run("rna/micro", TINY, lengths="16:24:8", out=tmp_path, json=True)
    found = json.loads(capsys.readouterr().out)
    assert [step["length"] for step in found["steps"]] == [16, 24]
    assert found["memory_by"] == "events of PyTorch's CPU allocator"
    step = found["steps"][0]
    assert step["units_per_second"] == pytest.approx(16 * step["examples_per_second"])
    assert "trunk.0" in found["module_peak_bytes"]
    assert found["hot_spots"]
    assert "Peak memory" in Path(found["report"]).read_text(encoding="utf-8")
