"""A full disk and a read-only folder: one line, exit code 1, and what was there stays valid."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from asd.store.verification import leftovers


def _is_one_line(err: str, reason: str) -> bool:
    return err.startswith("asd: ") and err.count("\n") == 1 and reason in err


def test_full_disk(disturbed: Callable, mount: Callable) -> None:
    project = disturbed()
    whole = sum(path.stat().st_size for path in project.whole.rglob("*.h5"))
    for share in (0.02, 0.3, 0.8):
        size = f"size={int(share * whole)}"
        with mount(project.features, "-t", "tmpfs", "-o", size, "tmpfs"):
            code, err = project.run("extract")
            assert code == 1
            assert _is_one_line(err, "No space left on device; what was there is valid")
            assert project.is_valid()
            remount = ["mount", "-o", f"remount,size={3 * whole}", project.features]
            subprocess.run(remount, check=True)
            assert project.run("extract")[0] == 0
            assert project.is_finished()


def test_read_only_folder(disturbed: Callable, mount: Callable) -> None:
    project = disturbed()
    project.run("extract")
    lost = project.features / "fan/wave/section_01_train.h5"
    with mount(project.features, "--bind", str(project.features)):
        subprocess.run(["mount", "-o", "remount,bind,ro", project.features], check=True)
        # Nothing to do is no reason to write.
        assert project.run("extract")[0] == 0
    lost.unlink()
    with mount(project.features, "--bind", str(project.features)):
        subprocess.run(["mount", "-o", "remount,bind,ro", project.features], check=True)
        code, err = project.run("extract")
        assert code == 1
        assert _is_one_line(err, "section_01_train.h5: cannot be written: Read-only file system")
    assert len(list(project.features.rglob("*.h5"))) == 3
    assert not leftovers(project.root)
    assert project.run("extract")[0] == 0
    assert project.is_finished()
