"""Which configuration governs a file: the nearest above it, alone, as ruff has it."""

from __future__ import annotations

import os

from ae_audit.settings.options import Settings
from ae_audit.settings.pyproject import config_in, load_config

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable


class Hierarchy:
    """The settings of an audit, and those of files that a nearer configuration governs.

    What concerns the whole audit (output, exit code, baseline, jobs, cache) is read from ``root`` alone.
    """

    def __init__(self, root: Settings, complete: Callable[[Settings], Settings] | None = None) -> None:
        """
        Args:
            root: the settings of the audit.
            complete: lays the flags over what a file says; None where ``root`` governs every file.
        """
        self.root = root
        self._complete = complete
        self._files: dict[str, str | None] = {}
        self._settings: dict[str | None, Settings] = {root.config_file: root}

    def of(self, folder: str) -> Settings:
        """The settings of the files in ``folder``.

        Raises:
            UsageError: where the configuration there is wrong.
        """
        if self._complete is None:
            return self.root
        file = self._file(os.path.abspath(folder))
        if file not in self._settings:
            self._settings[file] = self._complete(Settings() if file is None else load_config(file))
        return self._settings[file]

    def of_file(self, path: str) -> Settings:
        """The settings of the file at ``path``; ``root`` for standard input."""
        return self.root if path == "-" else self.of(os.path.dirname(os.path.abspath(path)))

    def deciding(self, path: str) -> frozenset[str]:
        """Files that a change of which, or whose coming and going, may change the settings of the file at ``path``."""
        own = self.of_file(path)
        named = {name for name in (own.config_file, *own.extended_files) if name is not None}
        folder = os.path.dirname(os.path.abspath(path))
        while self._complete is not None:
            named.add(os.path.join(folder, "pyproject.toml"))
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        return frozenset(map(os.path.realpath, named))

    def _file(self, folder: str) -> str | None:
        """The nearest configuration in ``folder`` or above; each folder is looked at once."""
        passed = []
        found: str | None = None
        while folder not in self._files:
            passed.append(folder)
            found = config_in(folder)
            parent = os.path.dirname(folder)
            if found is not None or parent == folder:
                break
            folder = parent
        else:
            found = self._files[folder]
        self._files.update(dict.fromkeys(passed, found))
        return found
