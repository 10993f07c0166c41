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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asd.digest import sha256_file
from asd.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from asd.config import Settings

T = TypeVar("T")
_DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from a name to an object that is imported on first use.

    Args:
        kind: what the entries are, in the singular, for error messages.
        entries: name -> ``"package.module:attribute"``.
        group: of entry points by which plugins add entries; none where they cannot.
        apart: the module that holds settings of the package's own entries, where importing an entry
            takes long; each under the name of its class with ``Settings`` after it.

    Raises:
        UsageError: on look-up of an unknown name; the message lists the known ones.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, str], group: str = "", apart: str = ""
    ) -> None:
        self.kind, self.group, self._apart = kind, group, apart
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

    def settings(self, name: str) -> type[Settings]:
        """Return the settings of a component, which is imported where they do not lie apart.

        Raises:
            UsageError: there is no such component, or it has no settings.
        """
        path, found = self._path(name), None
        if self._apart and name in self._entries:
            attribute = path.partition(":")[2]
            found = getattr(import_module(self._apart), f"{attribute}Settings", None)
        if found is None:
            own: Any = self[name]
            found = getattr(own, "Settings", None) or getattr(own, "Config", None)
        if found is None:
            raise UsageError(f"{name} is no {self.kind}: it has no Config")
        settings: type[Settings] = found
        return settings

    def lack(self, name: str) -> str:
        """Say why there is no such component; ``""`` where there is. Its module is not imported."""
        try:
            module = self._path(name).partition(":")[0]
        except UsageError as error:
            return str(error)
        if name in self._entries or find_spec(module.partition(".")[0]):
            return ""
        return f"{self.kind} '{name}': there is no module {module}"

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
