#!/usr/bin/env python3
"""Sessions that do not come over plain TCP: TLS, WebSocket and both, by clients we did not write; and haproxy in front,
which ends TLS and says in a PROXY header who the client is."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import session

FOLDER = os.path.dirname(os.path.abspath(__file__))

WEB_CLIENT = """
const mqtt = require('mqtt');
const [url, authority] = process.argv.slice(1);
const sizes = [0, 100, 70000, 900000];
async function main() {
  const client = await mqtt.connectAsync(url, {
    ca: require('fs').readFileSync(authority), protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 20000 });
  const got = [];
  const all = new Promise((resolve) => client.on('message', (topic, payload) => {
    got.push(payload.length);
    if (got.length === sizes.length) resolve();
  }));
  await client.subscribeAsync('t', { qos: 2 });
  for (const size of sizes) await client.publishAsync('t', Buffer.alloc(size, 'x'), { qos: 2 });
  await all;
  console.log(got.join());
  await client.endAsync();
}
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
"""

PAHO_CLIENT = """
import sys, threading
import paho.mqtt.client as mqtt
transport, port, authority = sys.argv[1:]
client = mqtt.Client(transport=transport, protocol=mqtt.MQTTv5)
if authority:
    client.tls_set(authority)
arrived = threading.Event()
client.on_connect = lambda *_: client.subscribe("t", 2)
client.on_subscribe = lambda *_: client.publish("t", b"x" * 100000, 2)
client.on_message = lambda _, __, message: arrived.set() if len(message.payload) == 100000 else None
client.connect("localhost", int(port))
client.loop_start()
sys.exit(0 if arrived.wait(20) else 1)
"""


class Transports(session.Session):
    """A broker with a listener of each kind; `ports` has them by name."""

    # As the broker writes them into the port file: --listen first, then by transport and name.
    names = ["tcp", "proxied", "ssl", "ws", "wss"]

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="touchstone-transports-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=authority", "-keyout", self.file("ca.key"), "-out", self.file("ca.crt"))
        self.issue("broker", "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.issue("client", "sensor-7", "basicConstraints=CA:FALSE")
        self.options = []
        for name, transport in ("ssl", "ssl"), ("wss", "wss"):
            self.set(f"listener.{transport}.{name}", "127.0.0.1:0")
            self.set(f"listener.{transport}.{name}.certfile", self.file("broker.crt"))
            self.set(f"listener.{transport}.{name}.keyfile", self.file("broker.key"))
        self.set("listener.ws.ws", "127.0.0.1:0")
        self.set("listener.tcp.proxied", "127.0.0.1:0")
        self.set("listener.tcp.proxied.proxy_protocol", "on")
        self.set("listener.tcp.proxied.peer_cert_as_username", "cn")
        self.set("listener.tcp.proxied.mountpoint", "%u/")
        super().setUp()
        with open(os.path.join(self.broker.folder, "port"), encoding="ascii") as file:
            ports = [int(line.rsplit(":", 1)[1]) for line in file.read().split()]
        self.assertEqual(len(ports), len(self.names))
        self.ports = dict(zip(self.names, ports))

    def set(self, key, value):
        self.options += ["--set", f"{key}={value}"]

    def file(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def issue(self, name, common_name, extension):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}",
                     "-keyout", self.file(name + ".key"), "-out", self.file(name + ".csr"))
        with open(self.file("extension"), "w", encoding="ascii") as file:
            file.write(extension)
        self.openssl("x509", "-req", "-in", self.file(name + ".csr"), "-CA", self.file("ca.crt"), "-CAkey",
                     self.file("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", self.file("extension"), "-out",
                     self.file(name + ".crt"))

    def test_mosquitto_speaks_each_version_of_tls(self):
        for version in "tlsv1.2", "tlsv1.3":
            address = ["-h", "localhost", "-p", str(self.ports["ssl"]), "--cafile", self.file("ca.crt"), "--tls-version",
                       version]
            self.run_client("mosquitto_pub", *address, "-t", version, "-m", "kept", "-r", "-q", "2")
            printed = self.run_client("mosquitto_sub", *address, "-t", version, "-C", "1", "-W", str(session.TIMEOUT_S))
            self.assertEqual(printed, "kept\n")

    def test_openssl_resumes_its_sessions(self):
        connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a" + b"\xe0\x00"  # CONNECT, DISCONNECT

        def printed(*options):
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.ports['ssl']}", *options]
            done = subprocess.run(command, input=connect, capture_output=True, timeout=session.TIMEOUT_S, check=False)
            return re.findall(rb"^(New|Reused), TLSv1", done.stdout, re.MULTILINE)

        for version in "-tls1_2", "-tls1_3":
            kept = self.file("session" + version)
            # Without -ign_eof s_client would leave at the end of its input, before a ticket has come.
            self.assertEqual(printed(version, "-ign_eof", "-sess_out", kept), [b"New"])
            for _ in range(4):  # the broker's shards take turns
                self.assertEqual(printed(version, "-ign_eof", "-sess_in", kept), [b"Reused"])

    def test_mqtt_js_speaks_web_socket(self):
        for url in f"ws://127.0.0.1:{self.ports['ws']}/mqtt", f"wss://localhost:{self.ports['wss']}/mqtt":
            done = subprocess.run(["node", "-e", WEB_CLIENT, url, self.file("ca.crt")], cwd=FOLDER, capture_output=True,
                                  text=True, timeout=2 * session.TIMEOUT_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, "0,100,70000,900000\n"), done.stderr)

    def test_paho_speaks_each_transport(self):
        for transport, name in ("tcp", "ssl"), ("websockets", "ws"), ("websockets", "wss"):
            authority = "" if name == "ws" else self.file("ca.crt")
            self.run_client("/usr/bin/python3", "-c", PAHO_CLIENT, transport, str(self.ports[name]), authority)

    def test_haproxy_says_who_the_client_is(self):
        with open(self.file("haproxy.pem"), "w", encoding="ascii") as pem:
            for name in "broker.crt", "broker.key":
                with open(self.file(name), encoding="ascii") as part:
                    pem.write(part.read())
        # It takes ports of ours, which are handed to it open.
        listening = {name: listening_socket() for name in ("v1", "v2")}
        with open(self.file("haproxy.cfg"), "w", encoding="ascii") as config:
            config.write(f"""
defaults
    mode tcp
    timeout connect 20s
    timeout client 60s
    timeout server 60s
frontend v2
    bind fd@{listening['v2'].fileno()} ssl crt {self.file('haproxy.pem')} ca-file {self.file('ca.crt')} verify optional
    default_backend v2
backend v2
    server broker 127.0.0.1:{self.ports['proxied']} send-proxy-v2-ssl-cn
frontend v1
    bind fd@{listening['v1'].fileno()}
    default_backend v1
backend v1
    server broker 127.0.0.1:{self.ports['proxied']} send-proxy
""")
        proxy = subprocess.Popen(["haproxy", "-db", "-f", self.file("haproxy.cfg")], stdout=subprocess.DEVNULL,
                                 pass_fds=[one.fileno() for one in listening.values()],
                                 preexec_fn=session.broker_process.end_with_parent)
        self.addCleanup(lambda: (proxy.terminate(), proxy.wait()))
        ports = {name: one.getsockname()[1] for name, one in listening.items()}
        # The listener puts the User Name before the topic, so the topic tells who the broker took the client for.
        self.run_client("mosquitto_pub", "-h", "localhost", "-p", str(ports["v2"]), "--cafile", self.file("ca.crt"),
                        "--cert", self.file("client.crt"), "--key", self.file("client.key"), "-t", "t", "-m", "v2", "-r",
                        "-q", "1")
        self.run_client("mosquitto_pub", "-h", "127.0.0.1", "-p", str(ports["v1"]), "-u", "bob", "-t", "t", "-m", "v1",
                        "-r", "-q", "1")
        printed = self.run_client("mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.ports["tcp"]), "-t", "+/t", "-C", "2",
                                  "-W", str(session.TIMEOUT_S), "-v")
        self.assertEqual(sorted(printed.splitlines()), ["bob/t v1", "sensor-7/t v2"])
        for one in listening.values():
            one.close()


def listening_socket():
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen()
    return one


if __name__ == "__main__":
    unittest.main(verbosity=2)
