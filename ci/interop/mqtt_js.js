// One session with MQTT.js, in a process of its own.
//
// usage: node mqtt_js.js SCENARIO PORT VERSION     VERSION is 3.1.1 or 5.0
// Exit code 0 when everything arrived as expected; otherwise the difference is on stderr. Every step waits for an event.

'use strict';

const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const mqtt = require('mqtt');

const TIMEOUT_MS = 20000;
const SESSION_EXPIRY_S = 300; // v5; a session of v3.1.1 has no end

const [scenarioName, port, version] = process.argv.slice(2);
const otherVersion = version === '5.0' ? '3.1.1' : '5.0';

// MQTT.js with the messages in a queue. `take(n)` waits for the next n, each "topic qos retain payload".
class Client {
  constructor(clientId, options = {}) {
    const { clean = true, will = undefined, speaks = version } = options;
    this.options = {
      clientId,
      clean,
      will: will && { topic: will, payload: Buffer.from('gone'), qos: 1, retain: false },
      protocolVersion: speaks === '5.0' ? 5 : 4,
      properties: speaks === '5.0' && !clean ? { sessionExpiryInterval: SESSION_EXPIRY_S } : undefined,
      reconnectPeriod: 0,
      connectTimeout: TIMEOUT_MS,
    };
    this.queue = [];
    this.arrivals = new EventEmitter();
  }

  // Resolves to Session Present.
  async connect() {
    this.client = mqtt.connect(`mqtt://127.0.0.1:${port}`, this.options);
    // Before the CONNACK: messages of a resumed session follow it at once.
    this.client.on('message', (topic, payload, packet) => {
      this.queue.push(`${topic} ${packet.qos} ${packet.retain ? 1 : 0} ${payload}`);
      this.arrivals.emit('arrival');
    });
    const [connack] = await this.event('connect');
    return connack.sessionPresent;
  }

  event(name) {
    return once(this.client, name, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  async subscribe(filter, qos) {
    const granted = await this.client.subscribeAsync(filter, { qos });
    return granted.map((subscription) => subscription.qos);
  }

  publish(topic, payload, qos, retain = false) {
    return this.client.publishAsync(topic, payload, { qos, retain });
  }

  async take(count) {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    while (this.queue.length < count) {
      try {
        await once(this.arrivals, 'arrival', { signal });
      } catch (error) {
        throw new Error(`${count} messages expected within ${TIMEOUT_MS} ms, arrived: ${JSON.stringify(this.queue)}`);
      }
    }
    return this.queue.splice(0, count);
  }

  end() {
    return this.client.endAsync();
  }

  // The Network Connection ends without a DISCONNECT.
  async vanish() {
    const closed = this.event('close');
    this.client.stream.destroy();
    await closed;
  }
}

async function connected(clientId, options) {
  const client = new Client(clientId, options);
  await client.connect();
  return client;
}

// The order is promised within a topic, a QoS and a publisher; Array.sort is stable.
function byTopic(messages) {
  const topic = (message) => message.split(' ')[0];
  return [...messages].sort((a, b) => (topic(a) < topic(b) ? -1 : topic(a) > topic(b) ? 1 : 0));
}

const scenarios = {
  async each_qos_arrives_once_and_in_order() {
    const subscriber = await connected('subscriber');
    assert.deepEqual(await subscriber.subscribe('things/+/state', 2), [2]);
    const publisher = await connected('publisher', { speaks: otherVersion });
    const expected = [];
    for (const qos of [0, 1, 2]) {
      for (let number = 0; number < 5; ++number) {
        await publisher.publish(`things/${qos}/state`, String(number), qos);
        expected.push(`things/${qos}/state ${qos} 0 ${number}`);
      }
    }
    assert.deepEqual(byTopic(await subscriber.take(15)), expected);
    await publisher.publish('things/end/state', 'end', 2);
    assert.deepEqual(await subscriber.take(1), ['things/end/state 2 0 end']);
  },

  async many_flows_at_once_stay_in_order() {
    const subscriber = await connected('subscriber');
    await subscriber.subscribe('t', 2);
    const publisher = await connected('publisher');
    for (const qos of [1, 2]) {
      // MQTT.js does not heed the broker's Receive Maximum, so the test stays below the usual one, 20.
      const numbers = [...Array(15).keys()];
      await Promise.all(numbers.map((number) => publisher.publish('t', String(number), qos)));
      assert.deepEqual(await subscriber.take(15), numbers.map((number) => `t ${qos} 0 ${number}`));
    }
  },

  async a_retained_message_is_kept_replaced_and_cleared() {
    const publisher = await connected('publisher');
    await publisher.publish('r/kept', 'old', 1, true);
    await publisher.publish('r/kept', 'new', 2, true);
    await publisher.publish('r/cleared', 'x', 1, true);
    await publisher.publish('r/cleared', '', 1, true);
    const subscriber = await connected('subscriber');
    await subscriber.subscribe('r/+', 2);
    await publisher.publish('r/live', 'x', 1);
    assert.deepEqual(byTopic(await subscriber.take(2)), ['r/kept 2 1 new', 'r/live 1 0 x']);
  },

  async a_will_is_published_when_the_client_vanishes_and_only_then() {
    const observer = await connected('observer');
    await observer.subscribe('will/#', 1);
    await (await connected('polite', { will: 'will/polite' })).end();
    await (await connected('vanishing', { will: 'will/vanished' })).vanish();
    assert.deepEqual(await observer.take(1), ['will/vanished 1 0 gone']);
    const publisher = await connected('publisher');
    await publisher.publish('will/live', 'x', 1);
    assert.deepEqual(await observer.take(1), ['will/live 1 0 x']);
  },

  async a_session_keeps_messages_for_its_client() {
    const sleeper = new Client('sleeper', { clean: false });
    assert.equal(await sleeper.connect(), false);
    await sleeper.subscribe('offline/#', 2);
    await sleeper.end();
    const publisher = await connected('publisher');
    const expected = [];
    for (let number = 0; number < 10; ++number) {
      const qos = 1 + (number % 2);
      await publisher.publish(`offline/${qos}`, String(number), qos);
      expected.push(`offline/${qos} ${qos} 0 ${number}`);
    }
    const returned = new Client('sleeper', { clean: false });
    assert.equal(await returned.connect(), true, 'Session Present');
    assert.deepEqual(byTopic(await returned.take(10)), byTopic(expected));
  },
};

async function main() {
  const scenario = scenarios[scenarioName];
  if (scenario === undefined) {
    throw new Error(`unknown scenario '${scenarioName}'; known: ${Object.keys(scenarios).join(' ')}`);
  }
  await scenario();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
