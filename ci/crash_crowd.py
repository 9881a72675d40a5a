"""Many sessions that last, of clients that are away: each with a subscription and a message that waits for it.

For `ci/crash`: they make the data that a broker finds when it starts as large as it gets, and have to be there at the end.
"""

import concurrent.futures
import socket
import struct

import fuzz_packets

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
THREADS = 32
WINDOW = 500
TIMEOUT_S = 60


class Problem(Exception):
    pass


class Connection:
    """One connection that waits for each answer."""

    def __init__(self, port, client_id, clean_session):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.send(fuzz_packets.packet(0x10, fuzz_packets.text(b"MQTT") + bytes([4, 2 * clean_session, 0, 0])
                                      + fuzz_packets.text(client_id)))
        kind, body = self.next()
        if kind != CONNACK or body[1] != 0:
            raise Problem(f"{client_id.decode()} is not let in: {body.hex()}")
        self.has_session = bool(body[0] & 1)

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Problem("the broker closed a connection")
        self.rest += data

    def next(self):
        """Type and body of the next packet, which is shorter than 128 bytes."""
        while len(self.rest) < 2 or len(self.rest) < 2 + self.rest[1]:
            self.more()
        kind, end = self.rest[0] >> 4, 2 + self.rest[1]
        body, self.rest = self.rest[2:end], self.rest[end:]
        return kind, body

    def leave(self):
        self.send(b"\xe0\x00")
        self.socket.close()


class Crowd:
    def __init__(self, count):
        self.count = count
        self.lost_sessions, self.lost_messages = [], []

    def each(self, act):
        with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(act, range(self.count)):
                pass

    def enter(self, port):
        """Everybody comes, subscribes and leaves; then each is sent a message. Raises Problem, OSError."""
        def come(number):
            one = Connection(port, b"crowd-%d" % number, clean_session=False)
            one.send(fuzz_packets.packet(0x82, b"\x00\x01" + fuzz_packets.text(b"crowd/%d" % number) + b"\x01"))
            if one.next()[0] != SUBACK:
                raise Problem(f"crowd-{number} gets no SUBACK")
            one.leave()
        self.each(come)
        publisher = Connection(port, b"to-the-crowd", clean_session=True)
        missing = 0
        for number in range(self.count):
            publisher.send(fuzz_packets.packet(0x32, fuzz_packets.text(b"crowd/%d" % number)
                                               + struct.pack(">H", number % 60_000 + 1) + b"%d" % number))
            missing += 1
            while missing > (WINDOW if number + 1 < self.count else 0):
                if publisher.next()[0] != PUBACK:
                    raise Problem("the publisher to the crowd gets something other than PUBACK")
                missing -= 1
        publisher.leave()

    def look(self, port):
        """Everybody comes back and gets its message. Raises Problem, OSError."""
        def come_back(number):
            one = Connection(port, b"crowd-%d" % number, clean_session=False)
            if not one.has_session:
                self.lost_sessions.append(f"crowd-{number}")
                return one.leave()
            try:
                kind, body = one.next()
            except TimeoutError:
                self.lost_messages.append(f"crowd-{number}")
                return one.leave()
            at = 2 + struct.unpack(">H", body[:2])[0]
            if kind != PUBLISH or body[at + 2:] != b"%d" % number:
                self.lost_messages.append(f"crowd-{number}")
            one.send(struct.pack(">BB", PUBACK << 4, 2) + body[at:at + 2])
            return one.leave()
        self.each(come_back)
