import json
import shutil
from pathlib import Path

import pytest

from monosome.commands import bench
from monosome.errors import ConfigError, MonosomeError

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with three benchmarks: one that measures, one that needs data, one that fails."""
    folder = tmp_path / "checkout" / "benchmarks"
    folder.mkdir(parents=True)
    shutil.copy(BENCHMARKS / "report.py", folder)
    measures = "from report import write_report\nwrite_report(__file__, {'seconds': 3.0, 'arguments': len(sys.argv)})\n"
    for name in ("quick", "needy"):
        (folder / f"bench_{name}.py").write_text(f"import sys\n{measures}")
    (folder / "bench_wrong.py").write_text("raise SystemExit(3)\n")
    (folder / "data.toml").write_text('needy = ["chains"]\n')
    frozen = {"date": "2026-01-02", "commit": "abc", "machine": {"processor": "p", "cores": 1}, "seconds": 2.0}
    (folder / "quick.json").write_text(json.dumps(frozen))
    monkeypatch.setattr(bench, "CHECKOUT", tmp_path / "checkout")
    return folder


def test_a_run_is_kept_beside_the_baseline_and_nothing_is_overwritten(
    checkout: Path, capsys: pytest.CaptureFixture[str]
):
    frozen = (checkout / "quick.json").read_text()
    for _ in range(2):
        bench.run(["quick"], data=None, history=None, json=True)
        found = json.loads(capsys.readouterr().out)
    assert found["run"] == ["quick"]
    assert found["noted"] == {"quick": {"seconds": 1.5}}
    assert (checkout / "quick.json").read_text() == frozen
    runs = sorted((checkout / "history" / "quick").glob("*.json"))
    assert len(runs) == 2
    assert {"date", "commit", "machine", "seconds"} <= set(json.loads(runs[0].read_text()))
    assert "150 %" in Path(found["report"]).read_text(encoding="utf-8")


def test_what_needs_data_is_skipped_by_name_or_given_it(checkout: Path, capsys: pytest.CaptureFixture[str]):
    bench.run(["needy", "quick"], data=None, history=None, json=False)
    printed = capsys.readouterr().out
    assert "skipped needy: needs --data DATA with DATA/chains" in printed
    assert "1 figures differ" in printed
    (checkout / "chains").mkdir()
    bench.run(["needy"], data=checkout, history=None, json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["skipped"] == {}
    kept = next((checkout / "history" / "needy").glob("*.json"))
    assert json.loads(kept.read_text())["arguments"] == 2


def test_failures_are_named_when_the_others_are_done(checkout: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(MonosomeError, match="1 of 2 benchmarks failed: wrong") as caught:
        bench.run([], data=None, history=None, json=False)
    assert "bench_wrong.py" in caught.value.hint
    assert "report:" in capsys.readouterr().out


def test_unknown_names_and_installed_packages_are_refused(checkout: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="no benchmark 'quik'") as caught:
        bench.run(["quik"], data=None, history=None, json=False)
    assert "quick" in caught.value.hint
    with pytest.raises(ConfigError, match="not installed with the package"):
        bench.benchmarks_folder(tmp_path)


def test_the_projects_own_benchmarks_are_known():
    known = {path.stem.removeprefix("bench_") for path in BENCHMARKS.glob("bench_*.py")}
    arguments, skipped = bench.chosen(bench.benchmarks_folder(bench.CHECKOUT), [], None)
    assert arguments.keys() | skipped.keys() == known
    assert {"fold", "pairing"} <= skipped.keys()
    assert {"verbs", "estimate", "ipa"} <= arguments.keys()
