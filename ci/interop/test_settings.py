#!/usr/bin/env python3
"""Sessions with a broker that has a file of settings: who may log in and how, who may do what, what is told under $SYS,
and what SIGHUP changes while clients are served."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import session

FOLDER = os.path.dirname(os.path.abspath(__file__))

# Logs in by SCRAM-SHA-256 (RFC 5802, RFC 7677) as the words of its command line say, proves that the server knows the
# password as well, logs in again over the open connection (re-authentication), and says so.
SCRAM_CLIENT = """
const crypto = require('crypto');
const mqtt = require('mqtt');
const [url, user, password] = process.argv.slice(1);
const method = 'SCRAM-SHA-256';
const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
let first, signature;
function begin() {
  first = `n=${user},r=${crypto.randomBytes(12).toString('hex')}`;
  return Buffer.from('n,,' + first);
}
function answer(challenge) {
  const field = Object.fromEntries(challenge.split(',').map((one) => [one[0], one.slice(2)]));
  const salted = crypto.pbkdf2Sync(password, Buffer.from(field.s, 'base64'), Number(field.i), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = crypto.createHash('sha256').update(clientKey).digest();
  const last = `c=biws,r=${field.r}`;
  const all = `${first},${challenge},${last}`;
  const proof = hmac(storedKey, all).map((byte, i) => byte ^ clientKey[i]);
  signature = hmac(hmac(salted, 'Server Key'), all).toString('base64');
  return Buffer.from(`${last},p=${proof.toString('base64')}`);
}
const verify = (data) => data.toString() === `v=${signature}`;
const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 20000,
  properties: { authenticationMethod: method, authenticationData: begin() } });
client.handleAuth = (packet, done) => {
  const { authenticationData } = packet.properties;
  if (packet.reasonCode === 0) {  // the end of re-authentication
    console.log('again', verify(authenticationData));
    return client.end();
  }
  done(null, { cmd: 'auth', reasonCode: 0x18,
    properties: { authenticationMethod: method, authenticationData: answer(authenticationData.toString()) } });
};
client.on('connect', (packet) => {
  console.log('connected', verify(packet.properties.authenticationData));
  client._writePacket({ cmd: 'auth', reasonCode: 0x19,
    properties: { authenticationMethod: method, authenticationData: begin() } }, () => {});
});
client.on('error', (error) => { console.log('refused', error.code); process.exit(0); });
"""


class Settings(session.Session):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="touchstone-settings-")
        self.addCleanup(shutil.rmtree, self.folder)
        users = self.entry("anna", "correct horse") + self.entry("bert", "staple", "--scram")
        self.write("users", users)
        self.write("acl", '{allow, {user, "anna"}, pubsub, ["$SYS/#", "open/#", "own/%u/#"]}.\n'
                          '{allow, all, publish, ["open/#"]}.\n')
        self.config = self.write("conf", f"""
## Named by the tests.
allow_anonymous = off
password_file = {self.path('users')}
acl_file = {self.path('acl')}
acl_nomatch = deny
node.name = bench@test
""")
        self.options = ["--config", self.config]
        super().setUp()
        self.address = ["-h", "127.0.0.1", "-p", str(self.port)]
        self.anna = [*self.address, "-u", "anna", "-P", "correct horse"]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o600)
        os.rename(path + ".new", path)
        return path

    def entry(self, name, password, *options):
        return subprocess.run([session.BROKER, "broker", "--hash-password", name, *options], input=password + "\n", text=True,
                              capture_output=True, check=True).stdout

    def refusal(self, *command):
        """What a client that must not succeed says."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=2 * session.TIMEOUT_S, check=False)
        self.assertNotEqual(done.returncode, 0, " ".join(command))
        return done.stderr

    def test_only_those_who_are_known_get_in(self):
        self.run_client("mosquitto_pub", *self.anna, "-t", "open/door", "-m", "hello", "-q", "1")
        self.run_client("mosquitto_pub", *self.address, "-u", "bert", "-P", "staple", "-t", "open/door", "-m", "x", "-q", "1")
        for name in "anna", "bert", "nobody":
            said = self.refusal("mosquitto_pub", *self.address, "-u", name, "-P", "wrong", "-t", "open/door", "-m", "x")
            self.assertIn("bad user name or password", said)
        said = self.refusal("mosquitto_pub", *self.address, "-t", "open/door", "-m", "x")
        self.assertIn("not authorised", said)

    def test_the_rules_say_who_may_do_what(self):
        bert = ["-V", "5", *self.address, "-u", "bert", "-P", "staple"]
        denied = subprocess.run(["mosquitto_pub", *bert, "-t", "own/anna/x", "-m", "x", "-q", "1"], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=2 * session.TIMEOUT_S, check=False)
        self.assertIn("Not authorized", denied.stderr)
        self.assertIn("denied", subprocess.run(
            ["mosquitto_sub", *bert, "-t", "open/#", "-W", str(session.TIMEOUT_S)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=2 * session.TIMEOUT_S, check=False).stderr)
        self.run_client("mosquitto_pub", "-V", "5", *self.anna, "-t", "own/anna/x", "-m", "kept", "-q", "1", "-r")
        self.assertEqual(self.run_client("mosquitto_sub", *self.anna, "-t", "own/anna/#", "-C", "1", "-W",
                                         str(session.TIMEOUT_S)), "kept\n")

    def test_scram_proves_both_sides_to_each_other(self):
        def login(password):
            return subprocess.run(["node", "-e", SCRAM_CLIENT, f"mqtt://127.0.0.1:{self.port}", "bert", password], cwd=FOLDER,
                                  capture_output=True, text=True, timeout=2 * session.TIMEOUT_S, check=False)

        right = login("staple")
        self.assertEqual(right.stdout, "connected true\nagain true\n", right.stderr)
        self.assertEqual(login("paperclip").stdout, "refused 135\n")

    def test_sys_topics_tell_who_comes_and_goes(self):
        with subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *self.anna, "-t", "$SYS/brokers/bench@test/clients/#", "-v", "-C", "2", "-W",
                               str(session.TIMEOUT_S), "-d"], stdout=subprocess.PIPE, text=True,
                              preexec_fn=session.broker_process.end_with_parent) as watcher:
            for line in watcher.stdout:
                if "received SUBACK" in line:
                    break
            self.run_client("mosquitto_pub", *self.anna, "-i", "guest", "-t", "open/door", "-m", "x")
            seen = [line for line in watcher.stdout if line.startswith("$SYS/")]
        topics, told = zip(*(line.split(" ", 1) for line in seen))
        self.assertEqual(topics, tuple(f"$SYS/brokers/bench@test/clients/guest/{what}" for what in ("connected", "disconnected")))
        connected, disconnected = map(json.loads, told)
        self.assertEqual((connected["username"], connected["ipaddress"]), ("anna", "127.0.0.1"))
        self.assertEqual(disconnected["reason"], "normal")

    def reload(self):
        """What the broker says of a SIGHUP."""
        before = len(self.broker.output)
        self.broker.process.send_signal(signal.SIGHUP)
        # One connection after the other: the broker has looked at the signal when its log says so.
        while True:
            said = self.broker.output[before:]
            if "need a restart\n" in said or "stay in force\n" in said:
                return said
            self.run_client("mosquitto_pub", *self.anna, "-t", "open/door", "-m", "x", "-q", "1")

    def test_other_settings_hold_as_a_whole_or_not_at_all(self):
        guest = ["mosquitto_pub", "-V", "5", *self.anna, "-i", "guest", "-t", "open/door", "-m", "x", "-q", "1"]
        self.run_client(*guest)
        with open(self.config, encoding="utf-8") as file:
            before = file.read()
        self.write("bans", "client_id never guest\n")
        self.write("conf", before + f"ban_list = {self.path('bans')}\nmqtt.max_inflght = 3\n")
        self.assertIn("unknown key mqtt.max_inflght; the nearest key is mqtt.max_inflight", self.reload())
        self.run_client(*guest)
        self.write("conf", before + f"ban_list = {self.path('bans')}\nmetrics.address = 127.0.0.1:0\n")
        said = self.reload()
        self.assertIn("ban_list: not set", said)
        self.assertIn("metrics.address: not set → 127.0.0.1:0 needs a restart", said)
        self.assertIn("Banned", self.refusal(*guest))

    def test_the_check_tells_the_origin_of_each_value(self):
        done = subprocess.run([session.BROKER, "broker", "--config", self.config, "--set", "mqtt.retry_interval=3s",
                               "--check-config", "--json"], capture_output=True, text=True, check=True,
                              env={"TOUCHSTONE_MQTT__MAX_INFLIGHT": "7"})
        told = json.loads(done.stdout)
        self.assertTrue(told["valid"])
        entries = {one["key"]: (one["value"], one["origin"]) for one in told["settings"]}
        self.assertEqual(entries["zone.external.max_inflight"], ("7", "environment TOUCHSTONE_MQTT__MAX_INFLIGHT"))
        self.assertEqual(entries["zone.external.retry_interval"], ("3s", "command line --set"))
        self.assertEqual(entries["zone.external.acl_nomatch"], ("deny", f"{self.config}:6"))
        self.assertEqual(entries["log.level"], ("info", "default"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
