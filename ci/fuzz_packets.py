"""Control Packets of MQTT 3.1, 3.1.1 and 5.0 as a fuzzer wants them: right, or wrong in one place or a few. Knows the
format and nothing else; shares no code with the broker. Used by ci/fuzz-sockets.
"""

import struct

V3_1, V3_1_1, V5 = 3, 4, 5

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, \
    DISCONNECT, AUTH = range(1, 16)

TOPICS = [b"a", b"a/b", b"a/b/c", b"a//c", b"/", b"b", b"b/\xc3\xbc", b"room/12/temperature", b"room/13/temperature",
          b"deep" + b"/x" * 100, b"$SYS/broker", b"long/" + b"y" * 300]
FILTERS = TOPICS + [b"#", b"+", b"a/#", b"a/+/c", b"+/b", b"room/+/temperature", b"/+", b"$share/g/a/#", b"$share/h/#",
                    b"$SYS/#", b"+" + b"/+" * 60]
WRONG_TOPICS = [b"", b"#", b"a/#", b"a/+", b"a\x00b", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"a" * 65_535, b"/" * 5000]
WRONG_FILTERS = [b"", b"a#", b"a/#/b", b"+a", b"a+", b"##", b"$share", b"$share/", b"$share/g", b"$share/g/", b"$share//a",
                 b"$share/+/a", b"$share/g#/a", b"a\x00b", b"\xff", b"a" * 65_535, b"+/" * 5000]
TEXTS = [b"", b"x", b"text", b"\xe2\x82\xac", b"z" * 200]
WRONG_TEXTS = [b"\x00", b"\xff\xff", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc3", b"t" * 65_535]
USER_NAMES = [b"", b"user", b"admin", b"u\xc3\xbc"]

# Property: (Identifier, kind, packets it belongs to); §2.2.2.2.
BYTE, TWO_BYTES, FOUR_BYTES, VARIABLE, TEXT, DATA, PAIR = range(7)
PROPERTIES = [
    (0x01, BYTE, {PUBLISH, "will"}), (0x02, FOUR_BYTES, {PUBLISH, "will"}), (0x03, TEXT, {PUBLISH, "will"}),
    (0x08, TEXT, {PUBLISH, "will"}), (0x09, DATA, {PUBLISH, "will"}), (0x0B, VARIABLE, {SUBSCRIBE}),
    (0x11, FOUR_BYTES, {CONNECT, DISCONNECT}), (0x12, TEXT, set()), (0x13, TWO_BYTES, set()),
    (0x15, TEXT, {CONNECT, AUTH}), (0x16, DATA, {CONNECT, AUTH}), (0x17, BYTE, {CONNECT}), (0x18, FOUR_BYTES, {"will"}),
    (0x19, BYTE, {CONNECT}), (0x1A, TEXT, set()), (0x1C, TEXT, set()), (0x1F, TEXT, {DISCONNECT, PUBACK, PUBREC, PUBREL,
                                                                                   PUBCOMP, AUTH}),
    (0x21, TWO_BYTES, {CONNECT}), (0x22, TWO_BYTES, {CONNECT}), (0x23, TWO_BYTES, {PUBLISH}), (0x24, BYTE, set()),
    (0x25, BYTE, set()), (0x26, PAIR, {CONNECT, PUBLISH, "will", SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, PUBACK, PUBREC, PUBREL,
                                       PUBCOMP, AUTH}),
    (0x27, FOUR_BYTES, {CONNECT}), (0x28, BYTE, set()), (0x29, BYTE, set()), (0x2A, BYTE, set()),
]
REASON_CODES = [0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19] + list(range(0x80, 0xA3))


def variable_byte_integer(value):
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (128 if value else 0))
        if not value:
            return bytes(out)


def text(value):
    return struct.pack(">H", len(value) & 0xFFFF) + value


def packet(first_byte, body):
    return bytes([first_byte]) + variable_byte_integer(len(body)) + body


class PacketMaker:
    """Draws packets of one protocol version. `chance` is how likely each field is made wrong; 0: packets are right."""

    def __init__(self, random, version, client_id, chance=0.0):
        self.random, self.version, self.client_id, self.chance = random, version, client_id, chance

    def twisted(self):
        return self.chance > 0 and self.random.random() < self.chance

    # --- Fields

    def number(self, value, bits):
        if self.twisted():
            value = self.random.choice([0, 1, (1 << bits) - 1, 1 << (bits - 1), self.random.getrandbits(bits)])
        return value.to_bytes(bits // 8, "big")

    def text(self, value, wrong=None):
        if not self.twisted():
            return text(value)
        value = self.random.choice(wrong or WRONG_TEXTS) if self.random.random() < 0.6 else value
        length = len(value) if self.random.random() < 0.6 else self.random.choice([0, 1, len(value) + 1, 0x7FFF, 0xFFFF])
        return struct.pack(">H", length & 0xFFFF) + value

    def packet_id(self):
        return self.number(self.random.randint(1, 8), 16)

    def qos(self):
        return self.random.choice([0, 1, 2] if not self.twisted() else [3])

    def properties(self, packet_type):
        """With their length; empty before 5.0."""
        if self.version != V5:
            return b""
        mine = [one for one in PROPERTIES if packet_type in one[2]]
        chosen = [self.random.choice(mine) for _ in range(self.random.choice([0, 0, 0, 1, 2, 4]))] if mine else []
        if self.chance == 0:
            chosen = list({one[0]: one for one in chosen}.values())
        while self.twisted():
            chosen.append(self.random.choice(PROPERTIES))
        body = b"".join(self.property(*one[:2]) for one in chosen)
        if self.twisted():
            body += bytes([self.random.getrandbits(8)]) + self.random.randbytes(self.random.randrange(5))
        length = len(body)
        if self.twisted():
            length = self.random.choice([0, max(length - 1, 0), length + 1, 127, 128, 268_435_455])
        return variable_byte_integer(length) + body

    def property(self, identifier, kind):
        name = bytes([identifier])
        if kind == BYTE:
            return name + self.number(self.random.randrange(2), 8)
        if kind == TWO_BYTES:
            return name + self.number(self.random.choice([1, 2, 10, 65_535]), 16)
        if kind == FOUR_BYTES:
            return name + self.number(self.random.choice([1, 2, 60, 1_000_000]), 32)
        if kind == VARIABLE:
            return name + (self.random.randbytes(5) if self.twisted() else variable_byte_integer(self.random.randint(1, 300)))
        if kind == PAIR:
            return name + self.text(self.random.choice(TEXTS)) + self.text(self.random.choice(TEXTS))
        return name + self.text(self.random.choice(TEXTS if kind == TEXT and identifier != 0x08 else [b"a/b", b"x"]))

    def payload(self):
        # Long ones are few: each goes to all who have subscribed to everything.
        size = self.random.choices([0, 1, 16, 100, 2_047, 2_048, 20_000], [5, 5, 50, 30, 4, 4, 2])[0]
        return self.random.randbytes(size)

    # --- Packets

    def connect(self):
        random = self.random
        has_will, has_user_name = random.random() < 0.3, random.random() < 0.2
        has_password = has_user_name and random.random() < 0.5
        flags = (random.random() < 0.6) << 1 | has_will << 2 | has_password << 6 | has_user_name << 7
        will_qos = random.randrange(3)
        if has_will:
            flags |= will_qos << 3 | (random.random() < 0.3) << 5
        name = b"MQIsdp" if self.version == V3_1 else b"MQTT"
        body = self.text(name, [b"MQTTT", b"mqtt", b"", b"MQIsdp", b"HTTP/1.1"]) + self.number(self.version, 8)
        body += self.number(flags, 8) + self.number(random.choice([0, 1, 10, 60, 65_535]), 16)
        body += self.properties(CONNECT)
        body += self.text(self.client_id if random.random() < 0.97 else b"")
        if has_will:
            body += self.properties("will") + self.text(random.choice(TOPICS), WRONG_TOPICS) + self.text(self.payload()[:3000])
        if has_user_name:
            body += self.text(random.choice(USER_NAMES))
        if has_password:
            body += self.text(b"secret")
        return packet(CONNECT << 4, body)

    def publish(self):
        qos = self.qos()
        flags = qos << 1 | (self.random.random() < 0.1) | ((self.random.random() < 0.1) << 3 if qos else 0)
        body = self.text(self.random.choice(TOPICS), WRONG_TOPICS)
        if qos:
            body += self.packet_id()
        return packet(PUBLISH << 4 | flags, body + self.properties(PUBLISH) + self.payload())

    def acknowledgement(self):
        packet_type = self.random.choice([PUBACK, PUBREC, PUBREL, PUBCOMP])
        body = self.packet_id()
        if self.version == V5 and self.random.random() < 0.3:
            body += self.number(self.random.choice(REASON_CODES), 8)
            if self.random.random() < 0.5:
                body += self.properties(packet_type)
        return packet(packet_type << 4 | (2 if packet_type == PUBREL else 0), body)

    def subscribe(self):
        body = self.packet_id() + self.properties(SUBSCRIBE)
        for _ in range(self.random.choice([1, 1, 2, 5])):
            options = self.qos()
            if self.version == V5:
                options |= self.random.choice([0, 0x04, 0x08, 0x10, 0x20])
            body += self.text(self.random.choice(FILTERS), WRONG_FILTERS) + self.number(options, 8)
        return packet(SUBSCRIBE << 4 | 2, body)

    def unsubscribe(self):
        body = self.packet_id() + self.properties(UNSUBSCRIBE)
        for _ in range(self.random.choice([1, 1, 2])):
            body += self.text(self.random.choice(FILTERS), WRONG_FILTERS)
        return packet(UNSUBSCRIBE << 4 | 2, body)

    def pingreq(self):
        return packet(PINGREQ << 4, b"" if not self.twisted() else b"\x00")

    def disconnect(self):
        body = b""
        if self.version == V5 and self.random.random() < 0.5:
            body = self.number(self.random.choice(REASON_CODES), 8)
            if self.random.random() < 0.5:
                body += self.properties(DISCONNECT)
        return packet(DISCONNECT << 4, body)

    def auth(self):
        return packet(AUTH << 4, self.number(self.random.choice([0x00, 0x18, 0x19]), 8) + self.properties(AUTH))

    def of_the_server(self):
        """A packet that a client never sends."""
        packet_type = self.random.choice([0, CONNACK, SUBACK, UNSUBACK, PINGRESP, CONNECT])
        return packet(packet_type << 4, self.random.randbytes(self.random.randrange(8)))

    def any(self):
        """A packet as a busy client sends it, seldom one of those that end a connection."""
        kinds = [self.publish] * 8 + [self.subscribe] * 3 + [self.acknowledgement] * 6 + [self.unsubscribe, self.pingreq]
        if self.chance > 0:
            kinds += [self.of_the_server, self.auth, self.connect, self.disconnect]
        return self.random.choice(kinds)()

    # --- Bytes

    def mutated(self, data):
        """A few bytes of a packet changed, without regard to what they mean."""
        random = self.random
        data = bytearray(data)
        for _ in range(random.choice([1, 1, 2, 4])):
            at = random.randrange(len(data) + 1)
            how = random.randrange(7)
            if how == 0 and at < len(data):
                data[at] ^= 1 << random.randrange(8)
            elif how == 1:
                data[at:at] = random.randbytes(random.randint(1, 4))
            elif how == 2:
                del data[at:at + random.randint(1, 4)]
            elif how == 3:
                del data[at:]
            elif how == 4:
                data[at:at] = data[at:at + random.randint(1, 64)]
            elif how == 5:
                # The Remaining Length, of any size and form.
                data[1:2] = random.choice([b"\x00", b"\x7f", b"\x80\x00", b"\xff\x7f", b"\xff\xff\x03", b"\xff\xff\xff\x7f",
                                           b"\xff\xff\xff\xff", b"\x80\x80\x80\x80\x01"])
            elif data:
                data[0] = random.getrandbits(8)
        return bytes(data)
