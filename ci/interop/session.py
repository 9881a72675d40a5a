"""What the sessions with real clients share: a broker for each test, and the ways to choose broker, version and shards.

    ci/interop/test_paho.py                                our broker, build/release/touchstone, one shard, both versions
    TOUCHSTONE_BROKER=mosquitto ci/interop/test_paho.py    Debian's mosquitto
Environment: TOUCHSTONE_BROKER (path of touchstone, or mosquitto), TOUCHSTONE_SHARDS, TOUCHSTONE_VERSIONS (as in "3.1.1,5.0").

Nothing here sleeps: each step waits for an event of a client, at most TIMEOUT_S.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import broker_process  # noqa: E402  (its folder is known only now)

TIMEOUT_S = 20
# A session outlives its connection for this long in v5; in v3.1.1 it has no end.
SESSION_EXPIRY_S = 300

BROKER = os.environ.get("TOUCHSTONE_BROKER", os.path.join(broker_process.ROOT, "build", "release", "touchstone"))
SHARDS = int(os.environ.get("TOUCHSTONE_SHARDS", "1"))
VERSIONS = os.environ.get("TOUCHSTONE_VERSIONS", "3.1.1,5.0").split(",")


class Session(unittest.TestCase):
    """A test with a broker of its own, which must end with 0 on SIGTERM. Ours is recorded, and the record replayed: the same
    core has to do the same again. A subclass has `version`."""

    version = None
    options = []  # of our broker
    record = None  # its directory; of another broker there is none

    def setUp(self):
        if BROKER == "mosquitto":
            command = broker_process.mosquitto_command()
        else:
            folder = tempfile.mkdtemp(prefix="touchstone-interop-")
            self.addCleanup(shutil.rmtree, folder)
            self.record = os.path.join(folder, "record")
            command = broker_process.touchstone_command(BROKER, SHARDS) + self.options + ["--record", self.record]
        self.broker = broker_process.BrokerProcess(command)
        self.broker.__enter__()
        self.port = self.broker.port
        self.addCleanup(self.end_broker)

    def end_broker(self):
        try:
            self.assertEqual(self.broker.end(), 0, "exit code of the broker after SIGTERM:\n" + self.broker.output)
            if self.record is not None:
                self.run_client(BROKER, "simulate", "replay", self.record)
        finally:
            self.broker.__exit__()

    def run_client(self, *command):
        """Runs a client to its end, which must be a good one; returns what it printed."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=2 * TIMEOUT_S, check=False, preexec_fn=broker_process.end_with_parent)
        self.assertEqual(done.returncode, 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


def other(version):
    return "5.0" if version == "3.1.1" else "3.1.1"


def for_each_version(scenarios, into):
    """Makes a TestCase of the class `scenarios` for each version, in the module with the globals `into`."""
    for version in VERSIONS:
        name = f"{scenarios.__name__}_{version.replace('.', '_')}"
        into[name] = type(name, (scenarios, Session), {"version": version, "__module__": into["__name__"]})
