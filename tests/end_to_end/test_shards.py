"""Many machines: ``--shard`` audits a part, and ``ae-audit merge`` reports as if one machine had audited everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ae_audit.cli.command import main
from ae_audit.settings.options import FORMATS

FAULTY = """
import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / {scale}
model = keras.Sequential([keras.layers.Dense(784, activation="{head}")])
model.compile(loss="binary_crossentropy")
model.fit(x, x)
"""
OPTIONS = ["--static", "--quiet", "--isolated"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven programs, some faulty, some right, one that does not parse and one that trains nothing."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "programs"
    folder.mkdir()
    for number, head in enumerate(("softmax", "sigmoid", "relu", "softmax", "tanh")):
        (folder / f"train_{number}.py").write_text(FAULTY.format(scale=255.0 if number % 2 else 1.0, head=head))
    (folder / "broken.py").write_text("import keras\nmodel = keras.Sequential(\n")
    (folder / "tools.py").write_text("def add(a, b):\n    return a + b\n")
    return folder


def run(*arguments: str) -> int:
    return main([*arguments, *OPTIONS])


def shards(of: int) -> list[str]:
    """The reports of all parts of the audit, written one after the other."""
    paths = [f"part_{number}.json" for number in range(1, of + 1)]
    for number, path in enumerate(paths, 1):
        run("programs", "--shard", f"{number}/{of}", "--json-output", path)
    return paths


@pytest.mark.parametrize("of", [1, 3, 4, 11])
def test_merged_parts_are_the_report_of_one_machine_in_every_format(
    of: int, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = shards(of)
    for form in FORMATS:
        capsys.readouterr()
        code = run("programs", "--output-format", form)
        alone = capsys.readouterr()
        assert run("merge", *reversed(paths), "--output-format", form) == code == 1
        assert capsys.readouterr() == alone


def test_each_file_is_audited_by_one_part(project: Path) -> None:
    files: list[str] = []
    for path in shards(3):
        document = json.loads(Path(path).read_text())
        files += [file["record"]["path"] for file in document["shard"]["files"]]
    assert sorted(files) == sorted(f"programs/{file.name}" for file in project.iterdir())


def test_a_part_with_nothing_to_audit_is_no_failure(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("programs", "--shard", "9/9") == 0


def test_a_part_that_is_missing_is_told_and_what_is_there_is_not_lost(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _, third = shards(3)
    capsys.readouterr()
    assert run("merge", first, third) == 2
    told = capsys.readouterr().out
    assert "Part 2 of 3 is missing" in told
    assert "--shard 2/3" in told
    assert "AE102" in told


def test_a_folder_stands_for_the_reports_in_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("reports")
    for number, path in enumerate(shards(2)):
        (folder / str(number)).mkdir(parents=True)
        Path(path).rename(folder / str(number) / "report.json")
    assert run("merge", "reports") == 1


def test_the_baseline_is_applied_by_merge(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = shards(2)
    assert run("merge", *paths, "--write-baseline", "known.json") == 0
    assert run("merge", *paths, "--baseline", "known.json") == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda document: document.pop("shard"), "is no part of an audit"),
        (lambda document: document["shard"].update(version="0.0.1"), "was written by ae-audit 0.0.1"),
        (lambda document: document["shard"].update(paths=[]), "holds files that are not of its part"),
        (lambda document: document["shard"].update(number=7), "holds files that are not of its part"),
        (lambda document: document["shard"]["files"][0].update(record=[]), "is no part of an audit that this version"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence(
    change: object, sentence: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shards(2)[0])
    document = json.loads(path.read_text())
    assert callable(change)
    change(document)
    path.write_text(json.dumps(document))
    capsys.readouterr()
    assert run("merge", str(path)) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "\x00", "3"])
def test_what_is_no_report_is_refused_in_a_sentence(
    text: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("report.json").write_text(text)
    assert run("merge", "report.json") == 2
    told = capsys.readouterr().err
    assert told.startswith("ae-audit: report.json is no ")
    assert told.count("\n") == 1


def test_parts_of_two_audits_do_not_go_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = shards(2)
    assert run("programs", "--shard", "2/3", "--json-output", "other.json") in (0, 1)
    assert run("merge", first, "other.json") == 2
    assert "are parts of different audits" in capsys.readouterr().err
    assert run("merge", first, first) == 2
    assert "are both part 1 of 2" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/²"])
def test_a_part_that_does_not_exist_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(".", f"--shard={given}") == 2
    assert "--shard must be a part and the number of parts, such as 1/4" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--fix"], ["--diff"], ["--write-baseline", "known.json"]])
def test_a_part_neither_fixes_nor_records(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(".", "--shard", "1/2", *flag) == 2
    assert f"give {flag[0]} without it" in capsys.readouterr().err
