#!/usr/bin/env python3
"""ci/crash must find what a broker has forgotten or said twice, and nothing else."""

import importlib.machinery
import importlib.util
import os
import struct
import subprocess
import sys
import unittest

CI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, CI)
loader = importlib.machinery.SourceFileLoader("crash", os.path.join(CI, "crash"))
crash = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(crash)


class Remembered(unittest.TestCase):
    def setUp(self):
        self.memory = crash.Memory({"one": 1, "two": 2}, {"first": 1, "second": 2})

    def test_what_was_acknowledged_has_to_arrive_everywhere(self):
        for _ in range(3):
            self.memory.next_message("one")
        self.memory.on_acknowledged("one", 0)
        self.memory.on_acknowledged("one", 2)
        self.memory.on_arrived("first", "one", 2)
        self.memory.on_arrived("first", "one", 0)
        self.memory.on_arrived("second", "one", 0)
        self.assertEqual(self.memory.lost(), [("second", "one", 2)])

    def test_what_was_not_acknowledged_may_be_missing_or_arrive(self):
        self.memory.next_message("two")
        self.assertEqual(self.memory.lost(), [])
        self.memory.on_arrived("second", "two", 0)
        self.assertEqual(self.memory.lost() + self.memory.doubled(), [])

    def test_only_qos_2_all_the_way_must_not_come_twice(self):
        for subscriber in ("first", "second"):
            for publisher in ("one", "two"):
                self.memory.on_arrived(subscriber, publisher, 5)
                self.memory.on_arrived(subscriber, publisher, 5)
        self.assertEqual(self.memory.doubled(), [("second", "two", 5)])

    def test_the_last_acknowledged_retained_message_is_known(self):
        for number in range(crash.RETAINED_EACH + 2):
            self.memory.next_message("one")
            self.memory.on_acknowledged("one", number)
        self.assertEqual(self.memory.retained["one"], crash.RETAINED_EACH)
        self.assertEqual(self.memory.retained["two"], -1)


class Clients(unittest.TestCase):
    def setUp(self):
        self.memory = crash.Memory({"one": 2}, {"first": 2})

    def connected(self, client):
        client.unsent = bytearray()
        client.on_packet(crash.CONNACK, 0x20, b"\x01\x00" if client.has_session else b"\x00\x00")
        return client

    def test_a_session_that_is_gone_is_noticed(self):
        publisher = self.connected(crash.Publisher("one", self.memory, 2))
        self.connected(publisher)
        self.assertEqual(self.memory.lost_sessions, [])
        publisher.on_packet(crash.CONNACK, 0x20, b"\x00\x00")
        self.assertEqual(self.memory.lost_sessions, ["one"])

    def test_a_flow_goes_on_where_it_was(self):
        publisher = self.connected(crash.Publisher("one", self.memory, 2))
        publisher.is_over = True
        for packet_id in range(2, crash.WINDOW + 1):
            publisher.on_packet(crash.PUBREC, 0x50, struct.pack(">H", packet_id))
            publisher.on_packet(crash.PUBCOMP, 0x70, struct.pack(">H", packet_id))
        self.connected(publisher)
        self.assertEqual(publisher.unsent[0], 0x3D)  # PUBLISH with DUP, QoS 2; message 0 is one to be retained
        publisher.on_packet(crash.PUBREC, 0x50, b"\x00\x01")
        self.connected(publisher)
        self.assertEqual(bytes(publisher.unsent), b"\x62\x02\x00\x01")  # PUBREL

    def test_a_message_that_was_not_released_is_no_second_one(self):
        subscriber = self.connected(crash.Subscriber("first", self.memory, 2))
        publish = b"\x00\x09crash/one\x00\x07" + b"0 ..."
        for _ in range(2):
            subscriber.on_packet(crash.PUBLISH, 0x34, publish)
        self.assertEqual(self.memory.doubled(), [])
        subscriber.on_packet(crash.PUBREL, 0x62, b"\x00\x07")
        subscriber.on_packet(crash.PUBLISH, 0x34, publish)
        self.assertEqual(self.memory.doubled(), [("first", "one", 0)])

    def test_subscriptions_are_compared(self):
        changer = self.connected(crash.Changer("changer", self.memory, crash.random.Random(1)))
        changer.is_over = True
        number = changer.asked[1]
        changer.on_packet(crash.SUBACK, 0x90, b"\x00\x01\x01")
        self.assertEqual(changer.wrong(), [number])
        topic = b"extra/%d" % number
        changer.on_packet(crash.PUBLISH, 0x32, struct.pack(">H", len(topic)) + topic + b"\x00\x01")
        self.assertEqual(changer.wrong(), [])


class Run(unittest.TestCase):
    def run_crash(self, *options):
        return subprocess.run([os.path.join(CI, "crash"), "--broker", os.environ["TOUCHSTONE"], "--kills", "3", "--life", "0.3",
                               "--patience", "2", *options], capture_output=True, text=True, check=False)

    def test_a_broker_with_a_data_directory_passes(self):
        done = self.run_crash("--sessions", "40")
        self.assertIn("40 sessions that were away: 40 are there, 40 with their message", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "crash: 3 kills, 0 acknowledged messages lost, 0 QoS 2 duplicates",
                         done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0)

    def test_a_broker_without_one_fails(self):
        done = self.run_crash("--without-data", "--shards", "1", "--sessions", "40")
        self.assertIn("40 sessions that were away: 0 are there, 0 with their message", done.stdout)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout.splitlines()[-1], r"^crash: 3 kills, [1-9]\d* acknowledged messages lost, ")

    def test_a_program_that_is_no_broker_is_unreachable(self):
        done = self.run_crash("--broker", "/bin/false")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
