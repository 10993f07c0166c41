"""select: what scores each machine best, chosen from its training clips alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asd.config import SELECTED
from asd.errors import UsageError
from asd.workspace import PARAMS, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from asd.config import SystemConfig
    from asd.scoring.bank import Bank
    from asd.scoring.selection import Choice


def choose_members(
    workspace: Workspace, machine: str, compare: bool = False
) -> tuple[tuple[SystemConfig, ...], dict[str, Any]]:
    """Choose members for one machine from the candidates of the params' section ``select``.

    Returns:
        What is chosen, and the account of it as JSON: the criterion, what it says of each
        candidate, and the names of those that are chosen.

    Raises:
        UsageError: there are no candidates, or a bank is missing.
    """
    from asd.scoring.bank import read_bank
    from asd.scoring.selection import CRITERIA, choose
    from asd.scoring.system import build_members

    select = workspace.params.select
    candidates = select.candidates()
    if not candidates:
        raise UsageError(
            f"{workspace.root / PARAMS}: select has no models and scorers to choose from;"
            " 'asd init' writes some"
        )
    banks = {model: read_bank(_train(workspace, model, machine)) for model in select.models}
    others: dict[str, Sequence[Bank]] = {
        model: [read_bank(path) for path in paths.values()]
        for model, paths in strangers(workspace, machine, banks).items()
    }
    choice = choose(
        dict(zip(candidates, build_members(SELECTED, list(candidates.values())), strict=True)),
        banks,
        others,
        select.criterion,
        select.members,
        tuple(CRITERIA) if compare else (),
        {name for name in candidates if name.rsplit("/", 1)[1] in select.otherwise},
    )
    return tuple(candidates[name] for name in choice.chosen), _account(choice, select.criterion)


def strangers(
    workspace: Workspace, machine: str, banks: Mapping[str, Bank]
) -> dict[str, dict[str, Path]]:
    """Return, by model and machine, the banks of other machines that a selection looks at.

    Those whose embeddings mean the same for all machines, where a machine has one section alone.
    """
    found: dict[str, dict[str, Path]] = {}
    for model, bank in banks.items():
        same_for_all = (
            model in workspace.params.joint or workspace.params.model(model).network == "pooled"
        )
        if len(bank.sections) > 1 or not same_for_all:
            continue
        paths = {
            other: _train(workspace, model, other)
            for other in workspace.machines()
            if other != machine
        }
        found[model] = {other: path for other, path in paths.items() if path.exists()}
    return found


def write_choice(workspace: Workspace, chosen: Mapping[str, Sequence[SystemConfig]]) -> None:
    """Write the members of each machine into the params; what a person wrote stays as it is.

    Raises:
        UsageError: the params cannot be read.
        JobError: they cannot be written.
    """
    from asd.artifact import lock_path
    from asd.atomic import locked, replacing

    path = workspace.root / PARAMS
    with locked(lock_path(path), fleeting=True), replacing(path) as beside:
        beside.write_bytes(_with_choice(path.read_bytes(), chosen))


def _with_choice(text: bytes, chosen: Mapping[str, Sequence[SystemConfig]]) -> bytes:
    from asd.yaml_text import on_one_line, read_round_trip, set_value, write_round_trip

    document = read_round_trip(text)
    parent = document
    for key in ("fusions", SELECTED, "machines"):
        if not isinstance(parent.get(key), dict):
            set_value(parent, key, {})
        parent = parent[key]
    for machine, members in chosen.items():
        lines = [on_one_line(member.model_dump(mode="json")) for member in members]
        set_value(parent, machine, lines)
    return write_round_trip(document)


def _train(workspace: Workspace, model: str, machine: str) -> Path:
    return workspace.bank_record(model, machine).with_name("train.h5")


def _account(choice: Choice, wanted: str) -> dict[str, Any]:
    account: dict[str, Any] = {
        "criterion": choice.criterion or "all",
        "candidates": {
            name: {key: None if value is None else round(value, 6) for key, value in values.items()}
            for name, values in choice.values.items()
        },
        "chosen": list(choice.chosen),
    }
    if not choice.criterion:
        which = "all of them" if len(choice.chosen) == len(choice.values) else "those for this case"
        account["note"] = f"'{wanted}' tells nothing of the candidates here: {which} joined"
    return account
