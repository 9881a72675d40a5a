#!/usr/bin/python3
"""Sessions with Eclipse Paho (Debian's python3-paho-mqtt, hence Debian's interpreter)."""

import collections
import operator
import queue
import socket
import unittest

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import session

Message = collections.namedtuple("Message", "topic qos retain payload")
by_topic = operator.attrgetter("topic")  # The order is promised within a topic, a QoS and a publisher.
Connected = collections.namedtuple("Connected", "session_present code")


class Client:
    """A client in a thread of its own; what happens to it comes out of queues, so that a test waits for events."""

    def __init__(self, version, port, name, clean=True, will=None):
        self.version, self.port, self.clean = version, port, clean
        self.messages, self.connected = queue.Queue(), queue.Queue()
        self.subscribed, self.ended = queue.Queue(), queue.Queue()
        if version == "5.0":
            self.client = paho.Client(name, protocol=paho.MQTTv5)
            self.client.on_connect = lambda _c, _u, flags, code, _p: self.connected.put(
                Connected(flags["session present"], int(code.value)))
            self.client.on_subscribe = lambda _c, _u, _mid, codes, _p: self.subscribed.put([code.value for code in codes])
            self.client.on_disconnect = lambda *_: self.ended.put(True)
        else:
            self.client = paho.Client(name, protocol=paho.MQTTv311, clean_session=clean)
            self.client.on_connect = lambda _c, _u, flags, code: self.connected.put(Connected(flags["session present"], code))
            self.client.on_subscribe = lambda _c, _u, _mid, codes: self.subscribed.put(list(codes))
            self.client.on_disconnect = lambda *_: self.ended.put(True)
        self.client.on_message = lambda _c, _u, m: self.messages.put(Message(m.topic, m.qos, m.retain, m.payload.decode()))
        if will is not None:
            self.client.will_set(will, "gone", qos=1)
        self.client.reconnect_delay_set(min_delay=3600)

    def connect(self):
        options = {}
        if self.version == "5.0":
            properties = Properties(PacketTypes.CONNECT)
            if not self.clean:
                properties.SessionExpiryInterval = session.SESSION_EXPIRY_S
            options = {"clean_start": self.clean, "properties": properties}
        self.client.connect("127.0.0.1", self.port, keepalive=60, **options)
        self.client.loop_start()
        connected = self.connected.get(timeout=session.TIMEOUT_S)
        assert connected.code == 0, f"refused with {connected.code}"
        return connected.session_present

    def subscribe(self, topic_filter, qos):
        self.client.subscribe(topic_filter, qos)
        return self.subscribed.get(timeout=session.TIMEOUT_S)

    def publish(self, topic, payload, qos, retain=False):
        """Waits until a QoS 1 or 2 flow is complete."""
        info = self.client.publish(topic, payload, qos, retain)
        info.wait_for_publish(session.TIMEOUT_S)
        assert info.is_published(), f"no acknowledgement of '{payload}' within {session.TIMEOUT_S} s"

    def take(self, count):
        return [self.messages.get(timeout=session.TIMEOUT_S) for _ in range(count)]

    def disconnect(self):
        self.client.disconnect()
        self.ended.get(timeout=session.TIMEOUT_S)
        self.client.loop_stop()

    def vanish(self):
        """The Network Connection ends without a DISCONNECT."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.ended.get(timeout=session.TIMEOUT_S)
        self.client.loop_stop()


class Paho:
    def client(self, name, **options):
        client = Client(options.pop("version", self.version), self.port, name, **options)
        self.addCleanup(client.client.loop_stop)
        self.addCleanup(client.client.disconnect)  # Runs first, and lets the loop end at once.
        return client

    def connected(self, name, **options):
        client = self.client(name, **options)
        client.connect()
        return client

    def test_each_qos_arrives_once_and_in_order(self):
        subscriber = self.connected("subscriber")
        self.assertEqual(subscriber.subscribe("things/+/state", 2), [2])
        publisher = self.connected("publisher", version=session.other(self.version))
        expected = []
        for qos in 0, 1, 2:
            for number in range(5):
                publisher.publish(f"things/{qos}/state", str(number), qos)
                expected.append(Message(f"things/{qos}/state", qos, False, str(number)))
        self.assertEqual(sorted(subscriber.take(15), key=by_topic), expected)
        publisher.publish("things/end/state", "end", 2)
        self.assertEqual(subscriber.take(1), [Message("things/end/state", 2, False, "end")])

    def test_many_flows_at_once_stay_in_order(self):
        subscriber = self.connected("subscriber")
        subscriber.subscribe("t", 2)
        publisher = self.connected("publisher")
        for qos in 1, 2:
            flows = [publisher.client.publish("t", str(number), qos) for number in range(100)]
            for flow in flows:
                flow.wait_for_publish(session.TIMEOUT_S)
            self.assertEqual(subscriber.take(100), [Message("t", qos, False, str(number)) for number in range(100)])

    def test_after_unsubscribe_nothing_more_arrives(self):
        subscriber = self.connected("subscriber")
        subscriber.subscribe("a", 1)
        subscriber.subscribe("b", 1)
        unsubscribed = queue.Queue()
        subscriber.client.on_unsubscribe = lambda *_: unsubscribed.put(True)
        subscriber.client.unsubscribe("a")
        unsubscribed.get(timeout=session.TIMEOUT_S)
        publisher = self.connected("publisher")
        publisher.publish("a", "x", 1)
        publisher.publish("b", "y", 1)
        self.assertEqual(subscriber.take(1), [Message("b", 1, False, "y")])

    def test_a_retained_message_is_kept_replaced_and_cleared(self):
        publisher = self.connected("publisher")
        publisher.publish("r/kept", "old", 1, retain=True)
        publisher.publish("r/kept", "new", 2, retain=True)
        publisher.publish("r/cleared", "x", 1, retain=True)
        publisher.publish("r/cleared", "", 1, retain=True)
        subscriber = self.connected("subscriber")
        subscriber.subscribe("r/+", 2)
        publisher.publish("r/live", "x", 1)
        self.assertEqual(sorted(subscriber.take(2), key=by_topic),
                         [Message("r/kept", 2, True, "new"), Message("r/live", 1, False, "x")])

    def test_a_will_is_published_when_the_client_vanishes_and_only_then(self):
        observer = self.connected("observer")
        observer.subscribe("will/#", 1)
        self.connected("polite", will="will/polite").disconnect()
        self.connected("vanishing", will="will/vanished").vanish()
        self.assertEqual(observer.take(1), [Message("will/vanished", 1, False, "gone")])
        publisher = self.connected("publisher")
        publisher.publish("will/live", "x", 1)
        self.assertEqual(observer.take(1), [Message("will/live", 1, False, "x")])

    def test_a_session_keeps_messages_for_its_client(self):
        sleeper = self.client("sleeper", clean=False)
        self.assertFalse(sleeper.connect())
        sleeper.subscribe("offline/#", 2)
        sleeper.disconnect()
        publisher = self.connected("publisher")
        for number in range(10):
            publisher.publish(f"offline/{1 + number % 2}", str(number), 1 + number % 2)
        returned = self.client("sleeper", clean=False)
        self.assertTrue(returned.connect(), "Session Present")
        expected = [Message(f"offline/{1 + number % 2}", 1 + number % 2, False, str(number)) for number in range(10)]
        self.assertEqual(sorted(returned.take(10), key=by_topic), sorted(expected, key=by_topic))

    def test_a_clean_start_forgets_the_session(self):
        sleeper = self.client("sleeper", clean=False)
        sleeper.connect()
        sleeper.subscribe("offline/#", 1)
        sleeper.disconnect()
        publisher = self.connected("publisher")
        publisher.publish("offline/x", "lost", 1)
        returned = self.client("sleeper", clean=True)
        self.assertFalse(returned.connect(), "Session Present")
        returned.subscribe("offline/#", 1)
        publisher.publish("offline/x", "live", 1)
        self.assertEqual(returned.take(1), [Message("offline/x", 1, False, "live")])

    def test_a_second_connection_of_a_client_ends_the_first(self):
        first = self.connected("twin")
        second = self.connected("twin")
        first.ended.get(timeout=session.TIMEOUT_S)
        second.subscribe("t", 1)
        second.publish("t", "x", 1)
        self.assertEqual(second.take(1), [Message("t", 1, False, "x")])


session.for_each_version(Paho, globals())

if __name__ == "__main__":
    unittest.main(verbosity=2)
