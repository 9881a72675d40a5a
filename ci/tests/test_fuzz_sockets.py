#!/usr/bin/env python3
"""ci/fuzz-sockets must send what its seed says, and each of its checks must be able to fail."""

import importlib.machinery
import importlib.util
import os
import random
import select
import socket
import struct
import sys
import unittest

CI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, CI)
loader = importlib.machinery.SourceFileLoader("fuzz_sockets", os.path.join(CI, "fuzz-sockets"))
fuzz_sockets = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(fuzz_sockets)

import fuzz_packets  # noqa: E402  (its folder is known only now)

MIB = 1024 * 1024


class Lives(unittest.TestCase):
    def bytes_of(self, seed):
        return [fuzz_sockets.Life(seed, slot, number).pieces for slot in range(5) for number in range(40)]

    def test_the_same_seed_sends_the_same(self):
        self.assertEqual(self.bytes_of(1), self.bytes_of(1))

    def test_another_seed_sends_something_else(self):
        self.assertNotEqual(self.bytes_of(1), self.bytes_of(2))

    def test_every_kind_is_drawn(self):
        kinds = {fuzz_sockets.Life(1, slot, 0).kind for slot in range(500)}
        self.assertEqual(kinds, set(fuzz_sockets.Life.KINDS))

    def test_pieces_hold_everything(self):
        draw = random.Random(1)
        for size in range(1, 300):
            data = draw.randbytes(size)
            self.assertEqual(b"".join(fuzz_sockets.Life.cut(draw, data)), data)

    def test_packets_that_are_to_be_right_end_where_they_say(self):
        for version in (fuzz_packets.V3_1, fuzz_packets.V3_1_1, fuzz_packets.V5):
            maker = fuzz_packets.PacketMaker(random.Random(1), version, b"client")
            for _ in range(300):
                data = maker.any()
                length = shift = 0
                for at, digit in enumerate(data[1:5], start=2):
                    length |= (digit & 127) << shift
                    shift += 7
                    if digit < 128:
                        break
                self.assertEqual(len(data), at + length)


class Judged(unittest.TestCase):
    """A pair without a broker: the test says what comes."""

    def setUp(self):
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.pair = object.__new__(fuzz_sockets.ServedPair)
        vars(self.pair).update(name="pair", qos=1, version=fuzz_packets.V3_1_1, topic=b"t", sent=4, acknowledged=4, received=0,
                               waits_since=None, next_at=0, subscriber=self.client(), publisher=None)

    def client(self):
        client = object.__new__(fuzz_sockets.ServedClient)
        vars(client).update(name="client", version=fuzz_packets.V3_1_1, unread=b"", packet_id=0, socket=self.near)
        return client

    def deliver(self, *numbers, qos=1, topic=b"t"):
        for number in numbers:
            self.far.sendall(fuzz_packets.packet(0x30 | qos << 1, fuzz_packets.text(topic) + struct.pack(">H", number + 1)
                                                 + str(number).encode()))
        self.pair.on_readable(self.pair.subscriber, 0)

    def assert_fails(self, *numbers, expected="expected message", **options):
        with self.assertRaisesRegex(fuzz_sockets.Failure, expected):
            self.deliver(*numbers, **options)

    def test_messages_in_order_pass_and_are_acknowledged(self):
        self.deliver(0, 1, 2, 3)
        self.assertTrue(self.pair.is_complete)
        self.assertEqual(self.far.recv(100), b"".join(b"\x40\x02" + struct.pack(">H", number) for number in range(1, 5)))

    def test_a_lost_message_fails(self):
        self.assert_fails(0, 2)

    def test_a_doubled_message_fails(self):
        self.assert_fails(0, 0)

    def test_another_order_fails(self):
        self.assert_fails(1, 0)

    def test_another_qos_fails(self):
        self.assert_fails(0, qos=2)

    def test_another_topic_fails(self):
        self.assert_fails(0, topic=b"u")

    def test_a_closed_connection_fails(self):
        self.far.close()
        with self.assertRaisesRegex(fuzz_sockets.Failure, "had its connection closed"):
            self.pair.on_readable(self.pair.subscriber, 0)

    def test_silence_fails(self):
        self.pair.step(0, may_publish=False)
        self.pair.step(fuzz_sockets.PATIENCE_S, may_publish=False)
        with self.assertRaisesRegex(fuzz_sockets.Failure, "nothing came for"):
            self.pair.step(fuzz_sockets.PATIENCE_S + 1, may_publish=False)


class Memory(unittest.TestCase):
    def judge(self, size_at, time_s=100):
        watch = object.__new__(fuzz_sockets.Watch)
        warm_up_s = time_s * fuzz_sockets.WARM_UP_SHARE
        vars(watch).update(warm_up_until=warm_up_s, end=time_s, is_judged=True,
                           samples=[(at, size_at(at)) for at in range(time_s)])
        return watch.judge_memory()

    def test_growth_in_the_warm_up_passes(self):
        self.assertIn("100.0 MiB at most", self.judge(lambda at: min(at, 20) * 5 * MIB))

    def test_growth_after_it_fails(self):
        with self.assertRaisesRegex(fuzz_sockets.Failure, "memory grows"):
            self.judge(lambda at: (50 + at // 4) * MIB)


class Unreachable(unittest.TestCase):
    def test_a_broker_that_is_gone_fails(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        slot = fuzz_sockets.Slot(0, 1, port, select.epoll(), fuzz_sockets.Counts())
        with self.assertRaisesRegex(fuzz_sockets.Failure, "refuses connections"):
            for number in range(1000):
                slot.step(number)
        slot.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
