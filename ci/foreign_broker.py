"""Runs a broker that we did not write, on a port of 127.0.0.1 and in a temporary folder, until SIGTERM or SIGINT.

Used by ci/mosquitto and by ci/compare.d, which say how each broker is started.
"""

import argparse
import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import broker_process

ATTEMPTS = 5


class Ended(Exception):
    pass


def on_signal(*_):
    # Once is enough: another one must not interrupt the clean-up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Ended


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def user_of_package(name):
    """Whom to run as: root becomes the user of the broker's package, anybody else stays who he is. None: no change."""
    # Where others may not write to /dev/null, as in some containers, Erlang would not start as anybody else.
    if os.getuid() != 0 or not os.stat(os.devnull).st_mode & stat.S_IWOTH:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name).pw_name
    return None


def hand_over(folder, user):
    """`user` may write into all of `folder`."""
    if user is None:
        return
    for path, folders, files in os.walk(folder):
        for entry in [path, *(os.path.join(path, name) for name in folders + files)]:
            shutil.chown(entry, user, pwd.getpwnam(user).pw_gid)


def spawn(command, user=None, **options):
    """A process that ends with this one."""
    if user is not None:
        options.update(user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[])
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, errors="replace",
                            preexec_fn=broker_process.end_with_parent, **options)


def listening(process, pipe, is_ready):
    """`pipe`, when a line of it, printed like all before, `is_ready`; None when the process ended before."""
    for line in pipe:
        print(line, end="", file=sys.stderr)
        if is_ready(line.rstrip()):
            return pipe
    process.wait()
    return None


def end(processes):
    """Ends those that still run; in reverse order, since the later ones need the earlier ones. Exit code of the last one."""
    for process in reversed(processes):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(broker_process.END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return processes[-1].returncode if processes else 0


def run(name, start, options=()):
    """Runs the broker `name`; returns the exit code of its script. `options`: further ones, as (flag, {how}) of argparse.

    `start(arguments, folder, port, processes)` adds to `processes` what it starts, the broker last, and returns the pipe of
    what that prints once it listens; None when it ended first, as when somebody took the port in between.
    """
    parser = argparse.ArgumentParser(description=f"Runs {name} on 127.0.0.1 until SIGTERM or SIGINT.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port-file", help="on a free port; 127.0.0.1:PORT is written there when it listens")
    where.add_argument("--port", type=int, help="on this one")
    for flag, how in options:
        parser.add_argument(flag, **how)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix=f"touchstone-{name}-")
    os.chmod(folder, 0o711)  # The broker's user is to reach what belongs to it.
    processes = []
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        for _ in range(ATTEMPTS if arguments.port is None else 1):
            port = free_port() if arguments.port is None else arguments.port
            pipe = start(arguments, tempfile.mkdtemp(dir=folder), port, processes)
            if pipe is not None:
                break
            end(processes)
            processes.clear()
        else:
            print(f"{name} does not start", file=sys.stderr)
            return broker_process.UNREACHABLE
        if arguments.port_file is not None:
            with open(arguments.port_file, "w", encoding="ascii") as file:
                file.write(f"127.0.0.1:{port}\n")
        for line in pipe:
            print(line, end="", file=sys.stderr)
        return processes[-1].wait()
    except Ended:
        return end(processes)
    finally:
        end(processes)
        shutil.rmtree(folder)
