"""Names to components: those of the package, of installed plugins, and of a dotted path.

A plugin is found by an entry point of the registry's group (``asd.scorers``, ``asd.networks``,
``asd.extractors``, ``asd.heads``, ``asd.criteria``), or is written out as ``package.module:Name``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from typing import Generic, TypeVar

from asd.digest import sha256_file
from asd.errors import UsageError, unknown_name

T = TypeVar("T")
_DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from a name to an object that is imported on first use.

    Args:
        kind: what the entries are, in the singular, for error messages.
        entries: name -> ``"package.module:attribute"``.
        group: of entry points by which plugins add entries; none where they cannot.

    Raises:
        UsageError: on look-up of an unknown name; the message lists the known ones.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], group: str = "") -> None:
        self.kind, self.group = kind, group
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        module, _, attribute = self._path(name).partition(":")
        try:
            found: T = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            if name in self._entries:
                raise
            raise UsageError(f"{self.kind} '{name}' cannot be imported: {error}") from None
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def origin(self, name: str) -> str:
        """Return whose a component is, with the version: ``"their-package 1.2"``.

        ``""`` for the package's own. Of a module that no installed package holds it is the digest
        of its file, so that a changed plugin is another one.

        Raises:
            UsageError: there is no such component.
        """
        if name in self._entries:
            return ""
        return _origin(self._path(name).partition(":")[0])

    def _path(self, name: str) -> str:
        if name in self._entries:
            return self._entries[name]
        plugins = self._plugins()
        if name in plugins:
            return plugins[name]
        if self.group and _DOTTED.fullmatch(name):
            return name
        raise unknown_name(self.kind, name, [*self._entries, *plugins])

    def _plugins(self) -> dict[str, str]:
        return _plugins(self.group) if self.group else {}


@cache
def _plugins(group: str) -> dict[str, str]:
    return {one.name: one.value for one in entry_points(group=group)}


@cache
def _origin(module: str) -> str:
    owners = packages_distributions().get(module.partition(".")[0], [])
    if owners:
        return f"{owners[0]} {version(owners[0])}"
    file = getattr(import_module(module), "__file__", None)
    return f"{module} {sha256_file(Path(file))}" if file else module
