"""For every test: a torchvision without its compiled operators can be imported here, as in audited programs, and torch
can be imported after TensorFlow.

Where no framework is installed (``nox -s quick``), only the tests that need none are collected."""

from __future__ import annotations

import compileall
import contextlib
import gc
import importlib.util
import os
import signal
from pathlib import Path

os.environ.setdefault("AE_AUDIT_CACHE_DIR", "")  # what a test finds is found by the code that it tests
for _name in (
    "CI",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "FORCE_HYPERLINK",
    "GITHUB_STEP_SUMMARY",
):
    os.environ.pop(_name, None)  # what the command says in a test does not hang on where the tests run

# What nohup, or a shell that starts a job in the background, has ignored stays so in every process that a test starts.
for _signal, _usual in (
    ("SIGINT", signal.default_int_handler),
    ("SIGHUP", signal.SIG_DFL),
    ("SIGQUIT", signal.SIG_DFL),
):
    _number = getattr(signal, _signal, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# Hundreds of tests start processes, and a confined child can write no bytecode: each would compile the package anew.
if "PYTEST_XDIST_WORKER" not in os.environ:
    compileall.compile_dir(Path(__file__).parents[1] / "ae_audit", quiet=2)

_PLACE = Path(__file__).parent / "support" / "sitecustomize.py"
_SPEC = importlib.util.spec_from_file_location("torchvision_without_operators", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
_SPEC.loader.exec_module(importlib.util.module_from_spec(_SPEC))

# Builds of torch for CUDA bring triton, whose import ends the process where TensorFlow is already in it.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

RUNS_PROGRAMS = [
    "end_to_end/test_fixtures_full.py",
    "end_to_end/test_hostile_programs.py",
    "end_to_end/test_many_trainings.py",
    "end_to_end/test_model_files.py",
    "end_to_end/test_old_programs.py",
    "end_to_end/test_reuse.py",
    "end_to_end/test_stand_in_files.py",
    "end_to_end/test_wrong_input.py",
    "pytest_plugin/test_fixture.py",
    "rules/test_examples_full.py",
    "runtime/keras",
    "runtime/torch",
    "static/test_against_libraries.py",
    "static/test_images_against_libraries.py",
    "test_api.py",
    "watching",
]
"""tests of programs or models that train"""
collect_ignore = RUNS_PROGRAMS if any(importlib.util.find_spec(name) is None for name in ("keras", "torch")) else []


def pytest_collection_finish() -> None:
    """Frameworks are imported by now: whoever searches for garbage from here on need not search them."""
    gc.collect()
    gc.freeze()
