#!/usr/bin/env python3
"""Sessions with mosquitto_pub and mosquitto_sub."""

import signal
import subprocess
import threading
import unittest

import session

FORMAT = "%t %q %r %p"  # Topic Name, QoS, RETAIN, payload


def topic(line):
    return line.split()[0]


class Subscriber:
    """mosquitto_sub, running; `lines` are the messages, in FORMAT."""

    def __init__(self, command):
        self.process = subprocess.Popen(["stdbuf", "-oL", *command, "-d"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True,
                                        preexec_fn=session.broker_process.end_with_parent)
        # A client that hangs is ended, which ends the reading of its output, too.
        self.watchdog = threading.Timer(session.TIMEOUT_S, self.process.kill)
        self.watchdog.start()
        self.printed = []
        self.await_line("Subscribed (mid")

    def await_line(self, beginning):
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return
        raise AssertionError(f"mosquitto_sub ended before it printed '{beginning}':\n" + "\n".join(self.printed))

    def messages(self):
        """Waits for the end of the client; its messages, in the order of arrival."""
        self.printed += [line.rstrip("\n") for line in self.process.stdout]
        self.close()
        notes = ("Client ", "Subscribed ", "All subscriptions ")
        return [line for line in self.printed if line and not line.startswith(notes)]

    def close(self, with_signal=signal.SIGKILL):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        self.process.wait()
        self.process.stdout.close()


class MosquittoClients:
    def publish(self, topic, payload, *options, version=None):
        self.run_client("mosquitto_pub", *self.address(version), "-t", topic, *(["-m", payload] if payload else ["-n"]),
                        *options)

    def address(self, version=None):
        number = {"3.1.1": "mqttv311", "5.0": "mqttv5"}[version or self.version]
        return ["-h", "127.0.0.1", "-p", str(self.port), "-V", number]

    def subscriber(self, *options):
        subscriber = Subscriber(["mosquitto_sub", *self.address(), "-F", FORMAT, *options])
        self.addCleanup(subscriber.close)
        return subscriber

    def test_each_qos_arrives_once_and_in_order(self):
        subscriber = self.subscriber("-q", "2", "-t", "things/+/state", "-C", "9")
        expected = []
        for qos in 0, 1, 2:
            lines = [f"{qos}.{number}" for number in range(3)]
            command = ["mosquitto_pub", *self.address(session.other(self.version)), "-t", f"things/{qos}/state", "-q",
                       str(qos), "-l"]
            subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True, timeout=session.TIMEOUT_S)
            expected += [f"things/{qos}/state {qos} 0 {line}" for line in lines]
        # The order is promised within a topic, a QoS and a publisher.
        self.assertEqual(sorted(subscriber.messages(), key=topic), expected)

    def test_a_subscription_lowers_the_qos(self):
        subscriber = self.subscriber("-q", "1", "-t", "a", "-C", "1")
        self.publish("a", "x", "-q", "2")
        self.assertEqual(subscriber.messages(), ["a 1 0 x"])

    def test_a_retained_message_is_kept_replaced_and_cleared(self):
        self.publish("r/kept", "old", "-r", "-q", "1")
        self.publish("r/kept", "new", "-r", "-q", "1")
        self.publish("r/cleared", "x", "-r", "-q", "1")
        self.publish("r/cleared", None, "-r", "-q", "1")
        subscriber = self.subscriber("-q", "1", "-t", "r/+", "-C", "2")
        self.publish("r/live", "x", "-q", "1")
        self.assertEqual(sorted(subscriber.messages()), ["r/kept 1 1 new", "r/live 1 0 x"])

    def test_a_will_is_published_when_the_client_vanishes_and_only_then(self):
        observer = self.subscriber("-q", "1", "-t", "will/#", "-C", "2")
        will = ["--will-qos", "1", "--will-topic"]
        # This one says goodbye (-E: DISCONNECT once it has subscribed), so its will is discarded.
        self.run_client("mosquitto_sub", *self.address(), "-t", "x", "-E", *will, "will/polite", "--will-payload", "gone")
        vanishing = self.subscriber("-t", "x", *will, "will/vanished", "--will-payload", "gone")
        vanishing.close(signal.SIGKILL)
        observer.await_line("will/vanished")
        self.publish("will/live", "x", "-q", "1")
        self.assertEqual(observer.messages(), ["will/vanished 1 0 gone", "will/live 1 0 x"])

    def test_a_session_keeps_messages_for_its_client(self):
        identity = ["-i", "sleeper", "-c", "-q", "2", "-t", "offline/#"]
        if self.version == "5.0":
            identity += ["-x", str(session.SESSION_EXPIRY_S)]
        self.run_client("mosquitto_sub", *self.address(), *identity, "-E")
        for number in range(4):
            self.publish(f"offline/{1 + number % 2}", str(number), "-q", str(1 + number % 2))
        returned = self.run_client("mosquitto_sub", *self.address(), *identity, "-C", "4", "-W", str(session.TIMEOUT_S),
                                   "-F", FORMAT)
        self.assertEqual(sorted(returned.splitlines(), key=topic),
                         ["offline/1 1 0 0", "offline/1 1 0 2", "offline/2 2 0 1", "offline/2 2 0 3"])

    def test_a_clean_start_forgets_the_session(self):
        kept = ["-i", "sleeper", "-c", "-q", "1", "-t", "offline/#"]
        if self.version == "5.0":
            kept += ["-x", str(session.SESSION_EXPIRY_S)]
        self.run_client("mosquitto_sub", *self.address(), *kept, "-E")
        self.publish("offline/x", "lost", "-q", "1")
        self.run_client("mosquitto_sub", *self.address(), "-i", "sleeper", "-t", "other", "-E")
        subscriber = self.subscriber("-i", "sleeper", "-q", "1", "-t", "offline/#", "-C", "1")
        self.publish("offline/x", "live", "-q", "1")
        self.assertEqual(subscriber.messages(), ["offline/x 1 0 live"])


session.for_each_version(MosquittoClients, globals())

if __name__ == "__main__":
    unittest.main(verbosity=2)
