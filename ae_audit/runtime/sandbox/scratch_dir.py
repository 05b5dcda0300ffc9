"""Where the audited program works: its scratch folder, the mirror of its surroundings, its environment.

The mirror makes relative paths work both ways: every folder near the script is a real folder in scratch, every file in
it a symbolic link to the original, so that what is there can be read and what is not can be written. The script
itself is copied.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

_DEEPEST = 4
"""levels of folders that are mirrored; what lies deeper is linked as a whole"""
_MOST_ENTRIES = 20_000
"""entries that are mirrored one by one"""
_LARGE = 300
"""entries of a folder that is linked as a whole"""
_NEVER_MIRRORED = {".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache"}

_SECRET = re.compile(
    r"TOKEN|KEY|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|COOKIE|PRIVATE|SESSION|BEARER|JWT|WEBHOOK|MNEMONIC|SIGNING"
    r"|(^|_)(PIN|PWD|PAT|PW|PASS|CREDS?|DSN|SALT|OTP|PSK|CONN_STR|CONNECTION_STRING|DATABASE_URI)$"
    r"|^(AWS|AZURE|GCP|GOOGLE|GH|GITHUB|GITLAB|CI_JOB|SSH|GPG|DOCKER|KUBE|NPM|PYPI|TWINE|UV_PUBLISH|VAULT|OP|PG|MYSQL"
    r"|REDIS|MONGO|DATABASE|SLACK|SENTRY|OPENAI|ANTHROPIC|HUGGING)_"
    r"|(DATABASE|REDIS|MONGO\w*|BROKER|SENTRY)_(URL|URI|DSN)$|_PROXY$|^PGPASS|^HISTFILE$|^NETRC$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|://[0-9a-f]{16,}@"  # a password, or a key, before the host
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\."  # a JSON Web Token
    r"|\b(gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|hf_|npm_|pypi-|dckr_pat_|sk-|sk_live_|rk_live_|SG\.|shpat_)[\w.-]{16,}"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|^(Bearer|Basic) \S{8,}"
    r"|(^|[;\s])(password|pwd|AccountKey|SharedAccessKey)=[^;\s]{4,}",
    re.IGNORECASE,
)
"""what has the form of a secret, whatever the variable is called"""
_KEPT = re.compile(
    r"^(PATH|VIRTUAL_ENV|CONDA_PREFIX|LD_LIBRARY_PATH|DYLD_\w+|PYTHONPATH|PYTHONHOME|CUDA\w*|NVIDIA\w*|KERAS_BACKEND|TF_\w+"
    r"|XLA_\w+|JAX_\w+|TORCH\w*|PYTORCH\w*|OMP_\w+|MKL_\w+|OPENBLAS_\w+)$"
)
_DROPPED = {
    "DISPLAY", "WAYLAND_DISPLAY", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONBREAKPOINT", "PYTHONPYCACHEPREFIX",
    "PYTHONFAULTHANDLER", "PWD", "OLDPWD", "BROWSER", "EDITOR", "MAIL",
}  # fmt: skip

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "COMET_MODE": "disabled",
    "NEPTUNE_MODE": "debug",
    "CLEARML_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "CONDA_OFFLINE": "true",
}


def mirror(script: Path, scratch: Path, also: Iterable[Path] = (), home: Path | None = None) -> Path:
    """Mirror the surroundings of ``script`` beneath ``scratch``.

    The script's folder is mirrored in depth, the two folders above it (for ``../data``) with what stands beside it.
    Entries of the folders ``also`` (the folder that the command was given in) are added where they clash with none.
    A ``home`` takes the place of the script's folder: a module is started from the folder of its package.

    Returns:
        The folder in the mirror that stands for the script's own, or for ``home``.
    """
    script = script.resolve()
    home = script.parent if home is None else home.resolve()
    above = [folder for folder in list(home.parents)[:2] if _is_ordinary(folder)]
    root = scratch / "surroundings"
    place = root.joinpath(*(folder.name for folder in reversed(above[:-1])), *([home.name] if above else []))
    place.mkdir(parents=True, exist_ok=True)
    if script.parent == home:
        _copy_program(script, place / script.name)
    budget = [_MOST_ENTRIES]
    _mirror_folder(home, place, _DEEPEST, budget)
    for folder in also:
        resolved = folder.resolve()
        if resolved != home and _is_ordinary(resolved):
            _mirror_folder(resolved, place, 2, budget)
    target = place
    for folder in above:
        target = target.parent
        _mirror_folder(folder, target, 2 if folder == home.parent else 1, budget)
    if script.is_relative_to(home):
        here = place / script.relative_to(home)
        if here.is_symlink():
            here.unlink()
            _copy_program(script, here)
    return place


def _copy_program(script: Path, place: Path) -> None:
    """A copy, no link: the program finds itself in the mirror, and what it writes beside itself is written there."""
    with contextlib.suppress(OSError):
        shutil.copyfile(script, place)


def _is_ordinary(folder: Path) -> bool:
    """Whether a folder is a person's own, not one that holds the whole machine or all of a person's things."""
    return len(folder.parts) > 2 and folder != Path.home() and folder not in {Path("/dev/shm"), Path("/var/tmp")}


def _mirror_folder(source: Path, target: Path, depth: int, budget: list[int]) -> None:
    """Mirror the entries of ``source`` in ``target``; folders to ``depth`` levels, while they are not too many.

    A folder of many files (a data set) is linked as a whole: never is a part of one left out.
    """
    for entry in _entries(source)[:_MOST_ENTRIES]:
        place = target / entry.name
        if entry.name in _NEVER_MIRRORED or os.path.lexists(place):
            continue
        budget[0] -= 1
        with contextlib.suppress(OSError):
            if depth > 1 and entry.is_dir(follow_symlinks=False) and len(_entries(entry)) <= min(_LARGE, budget[0]):
                place.mkdir()
                _mirror_folder(Path(entry.path), place, depth - 1, budget)
            else:
                place.symlink_to(entry.path)


def _entries(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def environment(
    scratch: Path,
    *,
    network: bool = False,
    extra: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The program's environment: without secrets or displays, with caches in ``scratch`` that mirror the real ones."""
    own = dict(os.environ if base is None else base)
    kept = {name: value for name, value in own.items() if not is_secret(name, value) and name not in _DROPPED}
    caches = scratch / "caches"
    temporary = scratch / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    home = Path(own.get("HOME") or Path.home())
    cache = Path(own.get("XDG_CACHE_HOME") or home / ".cache")
    mirrored = {
        "XDG_CACHE_HOME": (cache, 2),
        "KERAS_HOME": (Path(own.get("KERAS_HOME") or home / ".keras"), 3),
        "TORCH_HOME": (Path(own.get("TORCH_HOME") or cache / "torch"), 3),
        "HF_HOME": (Path(own.get("HF_HOME") or cache / "huggingface"), 3),
        "SCIKIT_LEARN_DATA": (Path(own.get("SCIKIT_LEARN_DATA") or home / "scikit_learn_data"), 3),
        "MPLCONFIGDIR": (Path(own.get("MPLCONFIGDIR") or home / ".config" / "matplotlib"), 2),
    }
    for name, (real, depth) in mirrored.items():
        place = caches / name.lower()
        place.mkdir(parents=True, exist_ok=True)
        _mirror_folder(real, place, depth, [_MOST_ENTRIES])
        kept[name] = str(place)
    places = {real: Path(kept[name]) for name, (real, _) in mirrored.items()}
    kept["HOME"] = str(_mirror_home(home, scratch / "home", places))
    kept.setdefault("PYTHONUSERBASE", str(home / ".local"))
    if "PYTHONPATH" in kept:  # the program runs in another folder than the one that its entries start from
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH", "WANDB_DIR"):
        kept[name] = str(caches / name.lower())
    kept |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    kept |= {
        "MPLBACKEND": "Agg",
        "MLFLOW_TRACKING_URI": (scratch / "mlruns").as_uri(),
        "PIP_NO_INPUT": "1",
        "PYTHONBREAKPOINT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "SDL_VIDEODRIVER": "dummy",
        "QT_QPA_PLATFORM": "offscreen",
        "BROWSER": "true",
    }
    kept.setdefault("PYTHONHASHSEED", "0")
    if not network:
        kept |= _OFFLINE
    return kept | dict(extra or {})


def _mirror_home(home: Path, place: Path, mirrored: Mapping[Path, Path]) -> Path:
    """A home folder of links: what is in the real one can be read, what is new is written here."""
    place.mkdir(parents=True, exist_ok=True)
    for real, mirror_of_it in mirrored.items():
        if real.parent == home:
            (place / real.name).symlink_to(mirror_of_it)
    _mirror_folder(home, place, 1, [_MOST_ENTRIES])
    return place


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable looks like one that a stranger's program should not see."""
    if _KEPT.match(name):
        return False
    return bool(_SECRET.search(name) or _SECRET_VALUE.search(value))
