"""A temporary project with planted files, for the tests of the checks in ci."""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


class Project:
    """A copy of the scripts of ci/ and of the named files of the project; removed at the end of the `with`."""

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="touchstone-planted-")
        shutil.copytree(os.path.join(ROOT, "ci"), os.path.join(self.root, "ci"),
                        ignore=shutil.ignore_patterns("node_modules", "__pycache__", "bench.d"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def copy(self, name):
        """Brings a file or folder of the real project."""
        source = os.path.join(ROOT, name)
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, self.path(name))
        else:
            shutil.copy(source, self.path(name))

    def run(self, script, *arguments, environment=None):
        """Runs a script of the copy; returns (exit code, everything it printed)."""
        done = subprocess.run([self.path(script), *arguments], cwd=self.root, timeout=300, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, **(environment or {})})
        sys.stderr.write(done.stdout)  # Shown by ctest when the test fails.
        return done.returncode, done.stdout
