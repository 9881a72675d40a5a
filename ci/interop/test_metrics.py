#!/usr/bin/env python3
"""/metrics of our broker, judged by promtool, while mosquitto_pub and mosquitto_sub use it."""

import re
import subprocess
import unittest
import urllib.request

import session


class Metrics(session.Session):
    options = ["--metrics", "127.0.0.1:0"]

    def setUp(self):
        super().setUp()
        # Printed before the port file is written.
        self.url = re.search(r"http://127\.0\.0\.1:\d+/metrics", self.broker.output).group()

    def scrape(self):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.url, timeout=session.TIMEOUT_S) as response:
            return response.read().decode()

    def total(self, name, **labels):
        """The sum over all shards of a counter, for the given labels."""
        total = 0
        for found, text, value in re.findall(r"^(\w+)\{([^}]*)\} (\S+)$", self.scrape(), re.MULTILINE):
            if found == name and dict(re.findall(r'(\w+)="([^"]*)"', text)).items() >= labels.items():
                total += float(value)
        return total

    def publish(self, qos):
        self.run_client("mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-i", "client-of-the-test", "-t",
                        "topic/of/the/test", "-m", "x", "-q", str(qos))

    def test_promtool_has_nothing_to_say(self):
        self.publish(2)
        judged = subprocess.run(["promtool", "check", "metrics"], input=self.scrape(), text=True, check=False,
                                timeout=session.TIMEOUT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((judged.returncode, judged.stdout), (0, ""))

    def test_publications_are_counted_by_qos(self):
        self.assertEqual(self.total("touchstone_publish_received_total"), 0)
        for qos in 1, 2, 2:
            self.publish(qos)
        self.assertEqual(self.total("touchstone_publish_received_total", qos="1"), 1)
        self.assertEqual(self.total("touchstone_publish_received_total", qos="2"), 2)
        self.assertEqual(self.total("touchstone_connections_opened_total"), 3)

    def test_no_label_comes_from_a_client(self):
        self.publish(1)
        self.assertNotRegex(self.scrape(), "of.the.test")


if __name__ == "__main__":
    unittest.main(verbosity=2)
