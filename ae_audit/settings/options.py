"""``Settings``: everything that decides how an audit is done, and the table of options that fill it in.

An option's kebab-case key is its flag on the command line and its key in ``[tool.ae-audit]``; help, type and
choices stand in :data:`OPTIONS` and nowhere else.
"""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass
from ae_audit.schema.findings import Severity
from ae_audit.settings.programs import ProgramStart

FORMATS = ("full", "concise", "json", "sarif", "github", "gitlab", "junit", "html")
DEFAULT_EXCLUDE = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


class Kind(Enum):
    """The type of an option's value."""

    SWITCH = "true or false"
    RULES = "a list of rule codes, code prefixes or names"
    GLOBS = "a list of file or folder patterns"
    CHOICE = "one of its choices"
    SECONDS = "a positive number of seconds"
    INTEGER = "a whole number, 0 or more"
    SIZE = "a size such as 500MiB or 4GiB"
    FILE = "a file name"
    DATA = "a file of data, or a folder of images"
    FOLDERS = "a list of folders"
    NAME = "a name"
    SHARD = "a part and the number of parts, such as 1/4"
    SCALE = "a factor, and a shift after a comma: 1/255, or 1/127.5,-1"
    MODULES = "a list of module names"
    PROGRAMS = "a table of patterns, each with how such programs are started"
    SEVERITIES = "a table of rule codes, code prefixes or names, each with a severity"
    RULES_BY_GLOB = "a table of patterns, each with a list of rule codes, code prefixes or names"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as users write it."""

    key: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    flag: bool = True
    """whether the command line has it"""
    file: bool = True
    """whether ``[tool.ae-audit]`` may set it"""
    negatable: bool = False
    """whether ``--no-KEY`` exists"""
    metavar: str | None = None
    group: str = "audit"

    @property
    def field(self) -> str:
        """Name of the field of :class:`Settings`."""
        return self.key.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Settings:
    """How an audit is done. Fields are the keys of :data:`OPTIONS`, and where the values come from."""

    select: tuple[str, ...] = ()
    """codes, prefixes or names; empty: every rule"""
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(pattern, codes, prefixes or names); patterns are relative to the folder of ``config_file``"""
    severity: tuple[tuple[str, Severity], ...] = ()
    """(code, prefix or name; the severity that its findings get)"""
    rules: tuple[str, ...] = ()
    """modules with rules of the project's own"""
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    gitignore: bool = True
    """whether what git ignores in a folder is passed over"""
    static: bool = False
    """never run anything"""
    run: bool = False
    """run files found in folders too; never settable in a file, since the file belongs to the code under audit"""
    probe: bool = True
    timeout: float = 120.0
    """seconds that the run of one file may take"""
    memory: int | None = None
    """bytes that the program of one file and all its processes may take; None: what the machine can spare"""
    reuse: bool = False
    """whether the children of several programs are forked from one process that has imported their framework"""
    seed: int = 0
    device: str = "auto"
    cache: bool = True
    """whether what reading finds is kept for the next audit of the same files"""
    jobs: int = 0
    """processes; 0: as many as there are cores"""
    diff_base: str | None = None
    """the commit, branch or tag; what differs from it is audited, and what imports that"""
    dask: str | None = None
    """address of the scheduler of a Dask cluster whose workers do the audit"""
    shard: tuple[int, int] | None = None
    """(number, of): the part of the files that is audited, counted from 1"""
    fail_on: Severity = Severity.ERROR
    fail_on_undecided: bool = False
    exit_zero: bool = False
    hook: bool = False
    baseline: str | None = None
    """file with the fingerprints of findings that are put up with; absolute where a configuration file names it"""
    write_baseline: str | None = None
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    output_format: str = "full"
    statistics: bool = False
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False
    data: str | None = None
    """what the model files are trained on: ``FILE`` or ``FILE:PART``"""
    target: str | None = None
    """what their predictions are compared with; None: ``data``"""
    loss: str | None = None
    """of the model files, in a spelling of Keras or torch"""
    scale: tuple[float, float] | None = None
    """``(factor, shift)`` that the data are multiplied by and moved by before the model is fed"""
    allow_write: tuple[str, ...] = ()
    """folders that audited programs may write in; never settable in a file, as ``run``"""
    allow_network: bool = False
    untrusted: bool = False
    """whether what a program's run says may only add to what reading found; never settable in a file"""
    stand_in: bool = False
    """whether data files that a program asks for and that do not exist are made up"""
    project_rules: bool = False
    """whether the modules of ``rules`` are imported; never settable in a file"""
    rules_not_imported: tuple[str, ...] = ()
    """modules that the configuration names as rules, where ``project_rules`` was not given"""
    programs: tuple[tuple[str, ProgramStart], ...] = ()
    """(pattern, how programs that it stands for are started)"""
    arguments: tuple[str, ...] = ()
    """of the program that was named, after ``--``"""
    module: str | None = None
    """the name of the program that was named, where it runs as a module"""
    python: str | None = None
    """the interpreter that programs run in; None: that of their environment, else ours"""
    config_file: str | None = None
    """the pyproject.toml that was read"""
    extended_files: tuple[str, ...] = ()
    """those that it extends, the nearest first"""


_SEVERITIES = tuple(severity.value for severity in Severity)

OPTIONS = (
    Option("select", Kind.RULES, "audit with these rules alone", metavar="RULES", group="rules"),
    Option(
        "extend-select",
        Kind.RULES,
        "audit with these rules in addition to the selected ones",
        metavar="RULES",
        group="rules",
    ),
    Option("ignore", Kind.RULES, "leave these rules out", metavar="RULES", group="rules"),
    Option("per-file-ignores", Kind.RULES_BY_GLOB, "leave rules out in some files", flag=False, group="rules"),
    Option("severity", Kind.SEVERITIES, "severities in place of the rules' own", flag=False, group="rules"),
    Option("rules", Kind.MODULES, "importable modules with rules of your own", flag=False, group="rules"),
    Option("project-rules", Kind.SWITCH, "import the modules that `rules` names", file=False, group="rules"),
    Option("exclude", Kind.GLOBS, "folders and files to pass over, in place of the default list", flag=False),
    Option("extend-exclude", Kind.GLOBS, "more folders and files to skip", flag=False),
    Option("gitignore", Kind.SWITCH, "in folders, skip what git ignores (the default)", negatable=True),
    Option("static", Kind.SWITCH, "only read source; run nothing"),
    Option("run", Kind.SWITCH, "run the files found in folders too, not only those named", file=False),
    Option("probe", Kind.SWITCH, "settle findings by short fits (the default)", negatable=True),
    Option("programs", Kind.PROGRAMS, "how programs are started, by file", flag=False),
    Option(
        "python",
        Kind.FILE,
        "the interpreter to run programs with (default: of $VIRTUAL_ENV, or of .venv or venv in the project)",
        file=False,
        metavar="PATH",
    ),
    Option("timeout", Kind.SECONDS, "time limit for running one file", metavar="SECONDS"),
    Option(
        "memory",
        Kind.SIZE,
        "memory limit for running one file (default: three quarters of what is free, at most 16GiB)",
        metavar="SIZE",
    ),
    Option("reuse", Kind.SWITCH, "import a framework once for all programs of this audit that run (Linux)"),
    Option("seed", Kind.INTEGER, "seed of every random choice", metavar="N"),
    Option("device", Kind.CHOICE, "where short fits run", choices=("auto", "cpu", "cuda")),
    Option("cache", Kind.SWITCH, "keep what reading finds for the next audit (the default)", negatable=True),
    Option(
        "jobs", Kind.INTEGER, "processes for reading many files, or for the fits of compare; 0: one a core", metavar="N"
    ),
    Option(
        "diff-base",
        Kind.NAME,
        "audit what differs from this commit, branch or tag, and what imports it",
        file=False,
        metavar="REF",
    ),
    Option(
        "shard",
        Kind.SHARD,
        "audit part K of N parts of the files; `ae-audit merge` puts their JSON reports together",
        file=False,
        metavar="K/N",
    ),
    Option(
        "dask",
        Kind.NAME,
        "let the workers of the Dask cluster at this address do the audit",
        file=False,
        metavar="ADDRESS",
    ),
    Option(
        "data",
        Kind.DATA,
        "the model's input: .npy, .npz[:ARRAY], .csv, .parquet, HDF5, Zarr, a folder of images",
        file=False,
        metavar="FILE",
        group="model files (.keras, .h5, .json, .pt2)",
    ),
    Option(
        "target",
        Kind.DATA,
        "what its predictions are compared with (default: the data)",
        file=False,
        metavar="FILE",
        group="model files (.keras, .h5, .json, .pt2)",
    ),
    Option(
        "loss",
        Kind.NAME,
        "its loss, as Keras or torch name it (default: the one it was compiled with)",
        file=False,
        metavar="NAME",
        group="model files (.keras, .h5, .json, .pt2)",
    ),
    Option(
        "scale",
        Kind.SCALE,
        "how the data are scaled before the model is fed: 1/255, or 1/127.5,-1",
        file=False,
        metavar="FACTOR[,SHIFT]",
        group="model files (.keras, .h5, .json, .pt2)",
    ),
    Option(
        "allow-write",
        Kind.FOLDERS,
        "a folder that programs may write in (may be repeated)",
        file=False,
        metavar="DIR",
        group="sandbox",
    ),
    Option(
        "untrusted",
        Kind.SWITCH,
        "for programs of others: a run adds findings and evidence and withdraws none",
        file=False,
        group="sandbox",
    ),
    Option("allow-network", Kind.SWITCH, "let programs open network connections", file=False, group="sandbox"),
    Option(
        "stand-in",
        Kind.SWITCH,
        "generate the data files that a program asks for and that do not exist",
        file=False,
        group="sandbox",
    ),
    Option(
        "fail-on", Kind.CHOICE, "lowest severity that makes the exit code 1", choices=_SEVERITIES, group="exit code"
    ),
    Option(
        "fail-on-undecided",
        Kind.SWITCH,
        "exit 1 also where something stayed undecided or could not be read",
        group="exit code",
    ),
    Option("exit-zero", Kind.SWITCH, "exit 0 where findings would make it 1", group="exit code"),
    Option(
        "hook",
        Kind.SWITCH,
        "for pre-commit: no PATH is no file, excluded files are left out, and nothing to audit is exit 0",
        file=False,
        group="exit code",
    ),
    Option("baseline", Kind.FILE, "pass over the findings recorded in this file", metavar="FILE", group="baseline"),
    Option(
        "write-baseline",
        Kind.FILE,
        "record the current findings in this file, and exit 0",
        file=False,
        metavar="FILE",
        group="baseline",
    ),
    Option("fix", Kind.SWITCH, "apply safe fixes to the files", file=False, group="fixes"),
    Option(
        "unsafe-fixes",
        Kind.SWITCH,
        "with --fix or --diff: fixes that change what the program computes too",
        file=False,
        group="fixes",
    ),
    Option("diff", Kind.SWITCH, "print what fixes would change, and write nothing", file=False, group="fixes"),
    Option("output-format", Kind.CHOICE, "format on standard output", choices=FORMATS, group="output"),
    Option("statistics", Kind.SWITCH, "print counts for each rule, not the findings", file=False, group="output"),
    Option("color", Kind.CHOICE, "when to colour", choices=("auto", "always", "never"), file=False, group="output"),
    Option("quiet", Kind.SWITCH, "no progress, no hints", file=False, group="output"),
    Option("verbose", Kind.SWITCH, "every finding in full; progress on standard error", file=False, group="output"),
)
