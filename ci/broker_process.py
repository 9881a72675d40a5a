"""Starts a broker on a free port, waits until it can be reached, and ends it; nothing outlives the `with`.

A broker is a command line with {port_file} where the name of a file goes, into which the broker writes ADDRESS:PORT when
it listens. Used by ci/with_broker, ci/mosquitto and ci/interop.
"""

import ctypes
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

START_TIMEOUT_S = 60
END_TIMEOUT_S = 20

UNREACHABLE = 3  # exit code of a script whose broker does not start

_libc = ctypes.CDLL(None, use_errno=True)
_IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CLOEXEC = 0x8, 0x80, 0o2000000
_PR_SET_PDEATHSIG = 1


class BrokerError(Exception):
    pass


def end_with_parent():
    """For preexec_fn: the process gets SIGTERM when this one dies, however it dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def touchstone_command(executable, shards, transport="tcp", folder=None):
    """With one listener. For ssl and wss, certificates are made in `folder`."""
    command = [executable, "broker", "--port-file", "{port_file}", "--shards", str(shards)]
    if transport == "tcp":
        return command + ["--listen", "127.0.0.1:0"]
    listener = f"listener.{transport}.external"
    command += ["--set", f"{listener}=127.0.0.1:0"]
    if transport != "ws":
        certificate = make_certificate(folder)
        command += ["--set", f"{listener}.certfile={certificate}", "--set", f"{listener}.keyfile={certificate}"]
    return command


def certificate_file(folder):
    return os.path.join(folder, "localhost.pem")


def make_certificate(folder):
    """A self-signed certificate for localhost and 127.0.0.1, with its key, in one file."""
    path = certificate_file(folder)
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", path + ".key", "-out", path],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokerError(f"openssl cannot make a certificate:\n{done.stderr}")
    with open(path, "a", encoding="ascii") as file, open(path + ".key", encoding="ascii") as key:
        file.write(key.read())
    return path


def mosquitto_command():
    return [os.path.join(ROOT, "ci", "mosquitto"), "--port-file", "{port_file}"]


class BrokerProcess:
    """`port` while it runs, `exit_code` afterwards, `output` all it printed."""

    def __init__(self, command):
        self.command = command
        self.port = self.exit_code = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="touchstone-broker-")
        port_file = os.path.join(self.folder, "port")
        self.log = os.path.join(self.folder, "log")
        # Watched before it starts, so that no event is missed.
        watch = _libc.inotify_init1(_IN_CLOEXEC)
        if watch < 0 or _libc.inotify_add_watch(watch, self.folder.encode(), _IN_CLOSE_WRITE | _IN_MOVED_TO) < 0:
            raise BrokerError(f"inotify: {os.strerror(ctypes.get_errno())}")
        try:
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [word.replace("{port_file}", port_file) for word in self.command],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=end_with_parent,
                    # The tests' own variables begin like those that stand for settings of the broker.
                    env={name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTONE_")})
            self._await_port(port_file, watch)
        except BaseException:
            self.__exit__()
            raise
        finally:
            os.close(watch)
        return self

    def _await_port(self, port_file, watch):
        ended = os.pidfd_open(self.process.pid)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while True:
                ready, _, _ = select.select([watch, ended], [], [], max(0, deadline - time.monotonic()))
                if watch in ready:
                    os.read(watch, 64 * struct.calcsize("iIII") + 4096)
                    if os.path.exists(port_file):
                        with open(port_file, encoding="ascii") as file:
                            text = file.read().strip()
                        if text:
                            self.port = int(text.split("\n")[0].rsplit(":", 1)[1])
                            return
                if ended in ready:
                    raise BrokerError(f"{self.command[0]} ended before it listened, exit code {self.process.wait()}:\n"
                                      + self.output)
                if not ready:
                    raise BrokerError(f"{self.command[0]} did not listen within {START_TIMEOUT_S} s:\n" + self.output)
        finally:
            os.close(ended)

    @property
    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        """SIGTERM, and SIGKILL when that does not help; returns the exit code (negative: by that signal)."""
        if self.exit_code is None:
            self.process.terminate()
            try:
                self.exit_code = self.process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.exit_code = self.process.wait()
        return self.exit_code

    def __exit__(self, *_):
        if hasattr(self, "process"):
            self.end()
        shutil.rmtree(self.folder)
