#!/usr/bin/env python3
"""Sessions with MQTT.js; the scenarios are in mqtt_js.js."""

import os
import unittest

import session

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mqtt_js.js")


class MqttJs:
    def scenario(self, name):
        self.run_client("node", SCRIPT, name, str(self.port), self.version)

    def test_each_qos_arrives_once_and_in_order(self):
        self.scenario("each_qos_arrives_once_and_in_order")

    def test_many_flows_at_once_stay_in_order(self):
        self.scenario("many_flows_at_once_stay_in_order")

    def test_a_retained_message_is_kept_replaced_and_cleared(self):
        self.scenario("a_retained_message_is_kept_replaced_and_cleared")

    def test_a_will_is_published_when_the_client_vanishes_and_only_then(self):
        self.scenario("a_will_is_published_when_the_client_vanishes_and_only_then")

    def test_a_session_keeps_messages_for_its_client(self):
        self.scenario("a_session_keeps_messages_for_its_client")


session.for_each_version(MqttJs, globals())

if __name__ == "__main__":
    unittest.main(verbosity=2)
