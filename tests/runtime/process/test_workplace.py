from __future__ import annotations

import os
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox.scratch_dir import environment, is_secret, mirror


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "GITHUB_TOKEN", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_REGION", "MY_SECRET", "DB_PASSWORD",
     "PGPASSWORD", "SSH_AUTH_SOCK", "DATABASE_URL", "https_proxy", "GOOGLE_APPLICATION_CREDENTIALS",
     "WANDB_API_KEY", "KAGGLE_KEY", "CARD_PIN", "PIN", "DB_PWD", "ADO_PAT", "MY_CREDS", "BEARER", "API_BEARER",
     "MAIL_PASS", "JWT", "SENTRY_DSN", "APP_DSN", "DEPLOY_WEBHOOK", "STORAGE_CONNECTION_STRING", "WIFI_PSK"],
)  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "LANG", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "PYTHONPATH",
     "OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL", "XLA_FLAGS", "TF_FORCE_GPU_ALLOW_GROWTH", "EPOCHS", "DATA_DIR",
     "SPATH", "PATTERN", "SPINE", "COMPASS", "PINNED", "BASELINE", "SALTS_PER_WATER", "DATASETS_PATH"],
)  # fmt: skip
def test_what_a_program_needs_is_no_secret(name: str) -> None:
    assert not is_secret(name, "value")


# put together, so that no scanner of repositories takes them for real
@pytest.mark.parametrize(
    "value",
    [
        "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl",
        "https://0123456789abcdef0123456789abcdef" + "@errors.example.org/7",
        "ghp" + "_0123456789abcdefghij0123456789abcdef",
        "github" + "_pat_11ABCDEFG0123456789_abcdef",
        "glpat" + "-0123456789abcdefghij",
        "xoxb" + "-123456789012-abcdefghijkl",
        "hf" + "_abcdefghijklmnopqrstuvwxyz",
        "sk" + "-proj-0123456789abcdefghij",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AIza" + "SyA0123456789abcdefghijklmnopqrstuv",
        "-----BEGIN OPENSSH PRIVATE" + " KEY-----\nb3BlbnNzaC1rZXk=",
        "Bearer 0123456789abcdef",
        "Server=db;User=me;Password" + "=hunter2",
        "DefaultEndpointsProtocol=https;AccountKey" + "=c2VjcmV0",
    ],
)
def test_a_secret_is_known_by_its_form(value: str) -> None:
    assert is_secret("HARMLESS", value)


@pytest.mark.parametrize(
    "value",
    ["", "0", "hello", "/srv/data:/usr/lib", "https://example.org/data.csv", "tcp://127.0.0.1:5555", "sk-learn",
     "a;b=c", "epochs=3", "eyJ", "0123456789abcdef0123456789abcdef", "Basic", "me@example.org", "--password_free"],
)  # fmt: skip
def test_an_ordinary_value_is_no_secret(value: str) -> None:
    assert not is_secret("HARMLESS", value)


def test_credentials_within_a_value_are_seen() -> None:
    assert is_secret("INDEX", "https://user:word@example.org")
    assert not is_secret("INDEX", "https://example.org:8080/a@b")


def test_data_in_the_real_caches_stay_readable(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".keras" / "datasets").mkdir(parents=True)
    (home / ".keras" / "datasets" / "mnist.npz").write_text("real")
    (home / ".cache" / "torch" / "hub").mkdir(parents=True)
    (home / ".cache" / "torch" / "hub" / "net.pt").write_text("weights")
    found = environment(tmp_path / "scratch", base={"HOME": str(home)})
    assert (Path(found["KERAS_HOME"]) / "datasets" / "mnist.npz").read_text() == "real"
    assert (Path(found["TORCH_HOME"]) / "hub" / "net.pt").read_text() == "weights"
    (Path(found["KERAS_HOME"]) / "datasets" / "new.npz").write_text("x")
    assert not (home / ".keras" / "datasets" / "new.npz").exists()


def test_every_cache_lies_in_scratch(tmp_path: Path) -> None:
    found = environment(tmp_path, base={"HOME": "/nowhere", "MPLBACKEND": "TkAgg"})
    for name in ("TMPDIR", "MPLCONFIGDIR", "TORCH_HOME", "KERAS_HOME", "XDG_CACHE_HOME", "HF_HOME"):
        assert found[name].startswith(str(tmp_path))
    assert found["MPLBACKEND"] == "Agg"
    assert found["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(tmp_path / "other", base={"HOME": "/nowhere"}, network=True)


def test_a_folder_of_many_files_is_there_whole_and_cheaply(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "images").mkdir(parents=True)
    for i in range(1000):
        (project / "images" / f"{i:05}.png").touch()
    (project / "train.py").write_text("pass")
    place = mirror(project / "train.py", tmp_path / "scratch")
    assert place.is_relative_to(tmp_path / "scratch")
    assert (place / "images").is_symlink()
    assert (place / "images" / "00999.png").exists()


def test_links_in_circles_do_not_matter(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").write_text("pass")
    (project / "self").symlink_to(project)
    (project / "broken").symlink_to(project / "missing")
    place = mirror(project / "train.py", tmp_path / "scratch")
    assert (place / "self").is_symlink()
    assert (place / "broken").is_symlink()


def test_relative_entries_of_the_path_are_those_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = environment(tmp_path / "scratch", base={"HOME": "/nowhere", "PYTHONPATH": os.pathsep.join(["src", "/lib"])})
    assert found["PYTHONPATH"] == os.pathsep.join([str(tmp_path / "src"), "/lib"])
