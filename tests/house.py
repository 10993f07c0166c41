"""The size and shape of the house, measured: ``python -m tests.house``. A report, and no gate.

Lines are those of files as they are, blank ones included. A module counts as imported by another
where an import statement anywhere in it names the module. One that a registry names
(``"asd.scoring.gaussian:Gmm"``) is a file of its own so that a new one is one file and one line;
where that is its only importer it is counted apart. Import lines are those of import statements.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"asd(?:\.\w+)+(?=:\w)")


@dataclass(frozen=True)
class Module:
    """A file, read.

    Attributes:
        name: as it is imported.
        room: the folder of the package that it lies in; ``"."`` for the leaves.
        lines: of the file; of docstrings; of import statements; and blank ones.
        longest: lines of the longest function, docstring included.
        imports: the modules and names that it imports.
        registered: the modules that it names in a registry.
    """

    name: str
    room: str
    lines: int
    docstrings: int
    importing: int
    blank: int
    longest: int
    imports: frozenset[str]
    registered: frozenset[str] = frozenset()


def read(path: Path) -> Module:
    """Read a file of the package."""
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(ROOT).with_suffix("").parts
    nodes = list(ast.walk(ast.parse(text)))
    statements = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Module(
        name=".".join(parts[:-1] if parts[-1] == "__init__" else parts),
        room=parts[1] if len(parts) > 2 else ".",
        lines=text.count("\n"),
        docstrings=sum(map(_docstring, nodes)),
        importing=sum(_lines(node) for node in statements),
        blank=sum(not line.strip() for line in text.splitlines()),
        longest=max(map(_lines, functions), default=0),
        imports=frozenset(_imported(statements)),
        registered=frozenset(_NAMED.findall(text)),
    )


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _docstring(node: ast.AST) -> int:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    first = node.body[0] if node.body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return 0
    return _lines(first) if isinstance(first.value.value, str) else 0


def _imported(statements: list[ast.Import | ast.ImportFrom]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def importers(modules: list[Module]) -> dict[str, set[str]]:
    """Return, by module that is no room by itself, those that import it."""
    names = {module.name for module in modules}
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in modules:
        for name in (module.imports | module.registered) & names - {module.name}:
            found[name].add(module.name)
    rooms = {name.rpartition(".")[0] for name in names}
    return {name: by for name, by in found.items() if name not in rooms}


def _size(folder: str) -> tuple[int, int]:
    files = [path for path in (ROOT / folder).rglob("*.py") if path.is_file()]
    return sum(path.read_text(encoding="utf-8").count("\n") for path in files), len(files)


def main() -> None:
    """Print the table."""
    modules = [read(path) for path in sorted((ROOT / "asd").rglob("*.py"))]
    total = sum(module.lines for module in modules)
    registered = frozenset[str]().union(*(module.registered for module in modules))
    alone = sorted(name for name, by in importers(modules).items() if len(by) == 1)
    single = [name for name in alone if name not in registered]
    shares = {
        "docstrings": sum(module.docstrings for module in modules),
        "blank": sum(module.blank for module in modules),
        "imports": sum(module.importing for module in modules),
    }
    print(f"asd/: {total:,} lines in {len(modules)} files")
    for name, lines in shares.items():
        print(f"  {name:<12} {lines:>6,}  {lines / total:.1%}")
    tests, files = _size("tests")
    print(f"tests/: {tests:,} lines in {files} files")
    print(f"modules that one registry alone names: {len(alone) - len(single)}")
    print(f"modules with exactly one importer: {len(single)}")
    for name in single:
        print(f"  {name}")
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for module in modules:
        rooms[module.room].update(lines=module.lines, files=1)
    print("rooms, lines (files):")
    for room, of in sorted(rooms.items(), key=lambda item: -item[1]["lines"]):
        print(f"  {room:<12} {of['lines']:>6,} ({of['files']})")
    print("longest files, and the longest function of each:")
    for module in sorted(modules, key=lambda module: -module.lines)[:10]:
        print(f"  {module.name:<32} {module.lines:>4} {module.longest:>4}")


if __name__ == "__main__":
    main()
