"""`asd`, `dvc` and :mod:`tests.listen` as forks of one process that has imported what they need.

A new process of `asd` imports for seconds what a tiny project keeps busy for a moment. Scripts of
these names, put first on a PATH, hand their descriptors, folder, environment and arguments to the
server over a socket, and end as its child does; so does what `dvc repro` starts. Before a fork
nothing but imports has run: no thread, and no draw of a random number.

This is no place to test starts, imports or kills: for them a process is started as users do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

# What `asd` and DVC import only where it is used; not openvino, which starts a thread.
LATE = """
torch._dynamo torch.profiler torchaudio.compliance.kaldi torchaudio.transforms safetensors.torch
transformers.models.wav2vec2.modeling_wav2vec2 h5py soundfile soxr jinja2 PIL.Image
matplotlib.backends.backend_agg matplotlib.dates matplotlib.figure
scipy.fft scipy.ndimage scipy.signal scipy.special scipy.stats
sklearn.cluster sklearn.covariance sklearn.manifold sklearn.mixture
ruamel.yaml networkx platformdirs scmrepo.git dvc._debug dvc.cachemgr dvc.cli.parser
dvc.data_cloud dvc.lock dvc.repo.index dvc.repo.plots dvc.repo.reproduce dvc.repo.status
"""
# Read when a process starts or a library is loaded.
EARLY = ("PYTHONPATH", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
SCRIPTS = ("asd", "dvc", "listen")
SCRIPT = """#!{python} -SEI
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
answers = server.makefile()
child = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(child, number))
status = int(answers.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """Yield a folder of the scripts while their server runs; it ends with this process."""
    address = str(folder / "socket")
    for name in SCRIPTS:
        (folder / name).write_text(SCRIPT.format(python=sys.executable, address=address))
        (folder / name).chmod(0o755)
    command = [sys.executable, __file__, address]
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield folder


def _import() -> None:
    """Import all of the package, and what it would import later."""
    import asd
    from asd import native

    for module in pkgutil.walk_packages(asd.__path__, "asd."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    native.import_torchaudio()
    for name in LATE.split():
        importlib.import_module(name)
    assert threading.active_count() == 1


def _become(connection: socket.socket) -> Callable[[], Any]:
    """Take over what a script handed in; return what it is to run."""
    length, descriptors, *_ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as file:
        argv, folder, environment = json.loads(file.read(int.from_bytes(length, "big")))
    for name in EARLY:
        assert environment.get(name) == os.environ.get(name), f"{name} needs a new process"
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = argv
    with suppress(KeyError):
        sys.modules["numpy.random"].seed()
    name = Path(argv[0]).name
    return importlib.import_module("tests.listen" if name == "listen" else f"{name}.cli").main


def _serve(listener: socket.socket) -> Callable[[], Any]:
    """Return, in a child, what it is to run; the server itself ends with its standard input."""
    with selectors.PollSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is sys.stdin:
                    sys.exit()
                if key.data is None:
                    connection, _ = listener.accept()
                    child = os.fork()
                    if not child:
                        return _become(connection)
                    connection.sendall(b"%d\n" % child)
                    ended = os.pidfd_open(child)
                    waiting.register(ended, selectors.EVENT_READ, (child, connection))
                else:
                    child, connection = key.data
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    with connection, suppress(BrokenPipeError):
                        connection.sendall(b"%d\n" % status)
                    waiting.unregister(key.fd)
                    os.close(key.fd)


def _end(run: Callable[[], Any]) -> NoReturn:
    """Run and end as a process does, but for what lies in memory: to take it apart takes long."""
    status = 1
    try:
        sys.exit(run())
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if status and stop.code is not status:
            print(stop.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _import()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen()
        print("ready", flush=True)
        gc.freeze()
        run = _serve(listening)
    _end(run)
