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
    assert {"trunk.*.attention", "structure.blocks.*.ipa"} <= {each["name"] for each in found["module_seconds"]}
    held = found["timeline"]
    assert held["peak_bytes"] == max(bytes for _, bytes in held["moments"])
    assert any(life["module"].startswith("trunk.0") for life in held["largest"])
    assert found["snapshot"] is None
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "Peak memory" in page
    assert "Held in the course of a step" in page
