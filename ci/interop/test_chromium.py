#!/usr/bin/env python3
"""MQTT.js in a page that headless chromium has open, over WebSocket and over WebSocket with TLS. Left out where there is
no chromium: it is bigger than everything else that ci/install installs."""

import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import unittest

import session

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_modules", "mqtt", "dist", "mqtt.min.js")

PAGE = """<!doctype html><title>MQTT.js</title><script src="mqtt.js"></script><script>
const sizes = [0, 100, 70000, 900000];
const tell = (said) => fetch('/told', { method: 'POST', body: JSON.stringify(said) });
async function talk(version) {
  const client = await mqtt.connectAsync(URL_OF_BROKER, { protocolVersion: version, reconnectPeriod: 0, connectTimeout: 20000 });
  const got = [];
  const all = new Promise((resolve) => client.on('message', (topic, payload) => {
    got.push(payload.length);
    if (got.length === sizes.length) resolve();
  }));
  await client.subscribeAsync('t', { qos: 2 });
  for (const size of sizes) await client.publishAsync('t', new Uint8Array(size), { qos: 2 });
  await all;
  await client.endAsync();
  return got;
}
(async () => [await talk(4), await talk(5)])().then(tell, (error) => tell(String(error)));
</script>"""


class Chromium(session.Session):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="touchstone-chromium-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)  # chromium may still be writing its profile
        if self.transport == "wss":
            certificate = session.broker_process.make_certificate(self.folder)
            self.options = ["--set", "listener.wss.web=127.0.0.1:0", "--set", f"listener.wss.web.certfile={certificate}",
                            "--set", f"listener.wss.web.keyfile={certificate}"]
        else:
            self.options = ["--set", "listener.ws.web=127.0.0.1:0"]
        super().setUp()
        with open(os.path.join(self.broker.folder, "port"), encoding="ascii") as file:
            self.url = f"{self.transport}://localhost:{file.read().split()[1].rsplit(':', 1)[1]}/mqtt"
        self.told = queue.Queue()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def handler(self):
        pages = {"/": ("text/html", PAGE.replace("URL_OF_BROKER", json.dumps(self.url)).encode())}
        with open(SCRIPT, "rb") as file:
            pages["/mqtt.js"] = ("text/javascript", file.read())
        told = self.told

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, content = pages.get(self.path, ("text/plain", b""))
                self.answer(200 if content else 404, kind, content)

            def do_POST(self):
                told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(200, "text/plain", b"")

            def answer(self, status, kind, content):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        return Handler

    def talk(self):
        browser = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
             f"--user-data-dir={self.folder}/profile", "--remote-debugging-port=0",
             f"http://127.0.0.1:{self.server.server_port}/"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=session.broker_process.end_with_parent)
        try:
            sizes = [0, 100, 70000, 900000]
            self.assertEqual(self.told.get(timeout=3 * session.TIMEOUT_S), [sizes, sizes])
        finally:
            browser.terminate()
            browser.wait()


class OverWebSocket(Chromium):
    transport = "ws"

    def test_a_page_talks(self):
        self.talk()


class OverWebSocketAndTls(Chromium):
    transport = "wss"

    def test_a_page_talks(self):
        self.talk()


if __name__ == "__main__":
    unittest.main(verbosity=2)
