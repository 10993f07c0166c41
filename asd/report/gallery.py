"""Every picture of a report, as PNG files in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asd.report.material import Material
from asd.report.pictures import line_picture, map_picture, roc_picture, score_picture


def draw_pictures(folder: Path, material: Material) -> list[Path]:
    """Draw the pictures of every machine, and remove those of machines that are gone.

    Returns:
        The files: ``<kind>_<machine>.png``, the kinds being ``roc``, ``scores``, ``training`` and
        ``tsne``; a kind without data is left out.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [path for machine in material.machines for path in _machine(folder, material, machine)]
    for old in folder.glob("*.png"):
        if old not in drawn:
            old.unlink()
    return drawn


def _machine(folder: Path, material: Material, machine: str) -> Iterator[Path]:
    def path(kind: str) -> Path:
        return folder / f"{kind}_{machine}.png"

    curves = {
        name: {key: curve for key, curve in of_system.items() if key[0] == machine}
        for name, of_system in material.curves.items()
    }
    if any(curves.values()):
        roc_picture(path("roc"), machine, curves)
        yield path("roc")
    scored = {name: material.scored(name, machine) for name in material.scores}
    scored = {name: sections for name, sections in scored.items() if sections}
    if scored:
        score_picture(path("scores"), scored)
        yield path("scores")
    panels = material.training_lines(machine)
    if panels:
        line_picture(path("training"), panels)
        yield path("training")
    maps = {
        model: of_model for model, of_model in material.maps.get(machine, {}).items() if of_model
    }
    if maps:
        map_picture(path("tsne"), maps)
        yield path("tsne")
