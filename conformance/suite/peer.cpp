#include "conformance/suite/peer.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "conformance/suite/context.hpp"

namespace touchstone::conformance {

namespace {

std::string text_of_code(std::uint8_t code, ProtocolVersion version) {
    return describe_code(code, version);
}

bool is_one_of(std::uint8_t code, std::initializer_list<int> codes) {
    return codes.size() == 0 || std::ranges::find(codes, static_cast<int>(code)) != codes.end();
}

std::string text_of_codes(std::initializer_list<int> codes, ProtocolVersion version) {
    std::string text;
    for (const int code : codes) {
        if (!text.empty()) text += " or ";
        text += describe_code(static_cast<std::uint8_t>(code), version);
    }
    return text;
}

/// What came instead of something, when nothing came.
std::string absence(const Actor& actor, Duration waited) {
    if (actor.has_ended) {
        return actor.ending == Arrival::reset ? "the connection was reset"
                                              : "the connection was closed";
    }
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
    return "nothing within " + std::to_string(milliseconds) + " ms";
}

bool is_accepted(const Actor& actor) {
    return actor.connection != nullptr && !actor.has_ended && actor.connack.has_value() &&
           actor.connack->reason_code == 0;
}

/// CONNACK codes by which a server declines for reasons of its own (freedom 13), or wants
/// credentials that nobody gave us.
bool is_own_reason(const Packet& connack) {
    const auto code = connack.reason_code;
    if (connack.version != ProtocolVersion::v5) return code >= 3;
    return is_one_of(code, {0x86, 0x87, 0x88, 0x89, 0x8A, 0x97, 0x9C, 0x9D, 0x9F});
}

std::string describe_expected(const Context& context, const ExpectedPublish& expected) {
    std::string text = "PUBLISH";
    if (expected.topic.has_value()) text += " t='" + context.full(*expected.topic) + "'";
    if (expected.payload.has_value()) text += " payload '" + printable(*expected.payload, 24) + "'";
    if (expected.qos.has_value()) {
        text += " QoS " + std::to_string(static_cast<int>(*expected.qos));
    }
    if (expected.retain.has_value()) {
        text += *expected.retain == Retain::yes ? " RETAIN 1" : " RETAIN 0";
    }
    if (expected.dup.has_value()) text += *expected.dup == Dup::yes ? " DUP 1" : " DUP 0";
    return text;
}

bool fits(const Context& context, const ExpectedPublish& expected, const Packet& packet) {
    return (!expected.topic.has_value() || packet.topic == context.full(*expected.topic)) &&
           (!expected.payload.has_value() || packet.payload == *expected.payload) &&
           (!expected.qos.has_value() || packet.qos == static_cast<std::uint8_t>(*expected.qos)) &&
           (!expected.retain.has_value() || packet.retain == (*expected.retain == Retain::yes)) &&
           (!expected.dup.has_value() || packet.dup == (*expected.dup == Dup::yes));
}

void forget_flow(Actor& actor, std::uint16_t packet_id) {
    std::erase_if(actor.flows,
                  [packet_id](const Packet& packet) { return packet.packet_id == packet_id; });
}

Instant answer_deadline(Context& context) {
    return context.now() + context.tolerances().answer();
}

/// Called when `actor` was not sent a PUBLISH that `is_wanted`. A server need not open as many
/// flows as Receive Maximum allows, and may let QoS 0 messages wait behind them, too (§4.9): then
/// the PUBLISH comes once the flows that are open are completed, and the case ends. Otherwise
/// returns.
void end_if_held_back(Actor& actor, const std::function<bool(const Packet&)>& is_wanted) {
    auto& context = *actor.context;
    if (actor.has_ended || actor.is_acknowledging || actor.flows.empty()) return;
    const auto open_flows = actor.flows.size();
    context.note("is it held back by what is not acknowledged?");
    while (!actor.flows.empty() && !actor.has_ended) {
        Peer{actor}.complete_oldest_flow();
        if (!context.take(actor, is_wanted, answer_deadline(context)).has_value()) continue;
        // With one flow at a time nothing is wrong; who opens two could open three.
        context.end(actor.flows_max == 1 ? Verdict::not_applicable : Verdict::non_strict,
                    "the broker sends nothing more while " + std::to_string(open_flows) +
                        (open_flows == 1 ? " message is" : " messages are") + " not acknowledged");
    }
}

/// Takes what is in the inbox and what still comes, until the end of the connection or `deadline`.
void gather(Actor& actor, End& end, Instant deadline) {
    auto& context = *actor.context;
    for (;;) {
        while (!actor.inbox.empty()) {
            Packet packet = std::move(actor.inbox.front());
            actor.inbox.pop_front();
            if (packet.type == PacketType::disconnect) {
                end.disconnect = std::move(packet);
            } else if (packet.type == PacketType::connack && !actor.connack.has_value()) {
                end.connack = packet;
                actor.connack = std::move(packet);
            } else {
                end.others.push_back(std::move(packet));
            }
        }
        if (end.connack.has_value() && end.connack->reason_code == 0) break;
        if (!context.receive(actor, deadline)) break;
    }
    end.is_closed = actor.has_ended;
}

bool has_pingresp(const End& end) {
    return std::ranges::find(end.others, PacketType::pingresp, &Packet::type) != end.others.end();
}

/// Whether the broker ends the connection. It is first given time; then a PINGREQ asks. Two answers
/// mean that it lives, so that a broker that answers while it is closing is not accused.
End await_end(Actor& actor) {
    auto& context = *actor.context;
    End end;
    gather(actor, end, context.now() + context.tolerances().close_before_asking());
    for (int asked = 0; asked < 2 && !end.is_closed && !end.disconnect.has_value(); ++asked) {
        std::erase_if(end.others,
                      [](const Packet& packet) { return packet.type == PacketType::pingresp; });
        context.send(actor, build_pingreq().bytes());
        const auto deadline = answer_deadline(context);
        while (!end.is_closed && !has_pingresp(end) && !end.disconnect.has_value() &&
               context.now() < deadline) {
            gather(actor, end, std::min(deadline, context.now() + context.tolerances().round_trip));
        }
        if (!has_pingresp(end)) break;
        gather(actor, end, context.now() + context.tolerances().close_before_asking());
    }
    if (!end.is_closed && end.disconnect.has_value()) gather(actor, end, answer_deadline(context));
    std::erase_if(end.others,
                  [](const Packet& packet) { return packet.type == PacketType::pingresp; });
    return end;
}

/// The close verdict of a connection that was accepted and then ended by the broker.
void judge_end(Actor& actor, const End& end, std::initializer_list<int> codes) {
    auto& context = *actor.context;
    const bool may_disconnect = actor.version == ProtocolVersion::v5 && actor.connack.has_value() &&
                                actor.connack->reason_code == 0;
    if (!may_disconnect) {  // 3.1.1 has no DISCONNECT of the server; before CONNACK neither
                            // has 5.0.
        context.judge_close(Verdict::pass, {});
    } else if (!end.disconnect.has_value()) {
        context.judge_close(Verdict::non_strict, "closed without DISCONNECT (SHOULD, 4.13.1)");
    } else if (!is_one_of(end.disconnect->reason_code, codes)) {
        context.judge_close(Verdict::non_strict,
                            "DISCONNECT with " +
                                text_of_code(end.disconnect->reason_code, actor.version) +
                                " instead of " + text_of_codes(codes, actor.version));
    } else {
        context.judge_close(Verdict::pass, {});
    }
}

std::string describe_life(const End& end) {
    std::string text = "the connection lives on";
    if (!end.others.empty()) text += ", after " + describe(end.others.front());
    return text;
}

enum class MarkersFrom : std::uint8_t { those_who_published, everybody };

/// Sends a marker from other clients of the case, so that everything published before is through
/// when it returns. False when the broker does not let us subscribe to it.
bool pass_markers(Actor& actor, MarkersFrom from = MarkersFrom::those_who_published) {
    auto& context = *actor.context;
    std::vector<Actor*> publishers;
    for (auto* other : context.actors()) {
        const bool is_wanted = other->has_published || from == MarkersFrom::everybody;
        if (is_wanted && is_accepted(*other)) publishers.push_back(other);
    }
    if (publishers.empty()) return true;

    const auto topic = context.marker_topic(actor);
    Peer receiver{actor};
    if (!actor.has_marker_subscription) {
        context.note("markers: is everything published so far through?");
        const auto id = receiver.take_packet_id();
        context.send(actor, build_subscribe(actor.version, id, {{.filter = topic}}).bytes());
        const auto suback = context.take(
            actor,
            [id](const Packet& packet) {
                return packet.type == PacketType::suback && packet.packet_id == id;
            },
            answer_deadline(context));
        if (!suback.has_value()) return false;
        if (suback->reason_codes.empty() || suback->reason_codes[0] >= 0x80) return false;
        actor.has_marker_subscription = true;
    }
    for (auto* publisher : publishers) {
        const std::string payload = "~" + std::to_string(actor.next_packet_id++);
        const auto draft = build_publish(publisher->version, {.topic = topic, .payload = payload});
        context.send(*publisher, draft.bytes());
        if (publisher != &actor) {
            context.send(*publisher, build_pingreq().bytes());
            const auto answer = context.take(
                *publisher,
                [](const Packet& packet) { return packet.type == PacketType::pingresp; },
                answer_deadline(context));
            if (!answer.has_value()) continue;  // It is gone; what it published went before.
        }
        const auto is_marker = [&](const Packet& packet) {
            return packet.type == PacketType::publish && packet.topic == topic &&
                   packet.payload == payload;
        };
        if (!context.take(actor, is_marker, answer_deadline(context)).has_value()) {
            end_if_held_back(actor, is_marker);
            context.end(Verdict::inconclusive, "a QoS 0 message did not arrive: " +
                                                   absence(actor, context.tolerances().answer()));
        }
    }
    return true;
}

}  // namespace

std::uint8_t SubscriptionOptions::byte() const {
    unsigned options = static_cast<unsigned>(qos);
    if (no_local) options |= 0x04U;
    if (retain_as_published) options |= 0x08U;
    options |= static_cast<unsigned>(retain_handling) << 4U;
    return static_cast<std::uint8_t>(options);
}

Peer Peer::open() {
    actor_->context->open(*actor_);
    return *this;
}

Peer Peer::cut() {
    actor_->context->close(*actor_, Ending::abort);
    return *this;
}

Peer Peer::send(const Draft& draft) {
    return send(draft.bytes());
}

Peer Peer::send(Bytes bytes) {
    actor_->context->send(*actor_, bytes);
    return *this;
}

Peer Peer::send(const std::vector<WebSocketMessage>& messages) {
    actor_->context->send(*actor_, messages);
    return *this;
}

bool Peer::is_open() const {
    return actor_->connection != nullptr && !actor_->has_ended;
}

Draft Peer::connect_packet(const ConnectOptions& options) {
    actor_->version = options.version.value_or(actor_->context->version());
    actor_->client_id = options.client_id.value_or(actor_->own_client_id);
    using enum PropertyId;
    ConnectFields fields{
        .version = actor_->version,
        .client_id = actor_->client_id,
        .clean_start = options.clean_start == CleanStart::yes,
        .keep_alive_s = static_cast<std::uint16_t>(options.keep_alive.count()),
        .user_name = options.user_name,
        .password = options.password,
    };
    const auto& credentials = actor_->context->declaration().credentials;
    const bool names_nobody = !options.user_name.has_value() && !options.password.has_value();
    if (credentials.has_value() && names_nobody && !options.is_anonymous) {
        fields.user_name = credentials->user_name;
        fields.password = credentials->password;
    }
    const auto add = [&fields](PropertyId id, const auto& number) {
        if (number.has_value()) fields.properties.push_back(number_property(id, *number));
    };
    add(session_expiry_interval, options.session_expiry_s);
    add(receive_maximum, options.receive_maximum);
    add(maximum_packet_size, options.maximum_packet_size_bytes);
    add(topic_alias_maximum, options.topic_alias_maximum);
    fields.properties.insert(fields.properties.end(), options.properties.begin(),
                             options.properties.end());
    if (options.will.has_value()) {
        const auto& will = *options.will;
        auto& will_fields = fields.will.emplace();
        will_fields.topic = actor_->context->full(will.topic);
        will_fields.payload = will.payload;
        will_fields.qos = will.qos;
        will_fields.retain = will.retain == Retain::yes;
        if (will.delay_s.has_value()) {
            will_fields.properties.push_back(number_property(will_delay_interval, *will.delay_s));
        }
        will_fields.properties.insert(will_fields.properties.end(), will.properties.begin(),
                                      will.properties.end());
    }
    return build_connect(fields);
}

Peer Peer::connect(const ConnectOptions& options) {
    auto& context = *actor_->context;
    open();
    send(connect_packet(options));
    const auto connack = context.take(
        *actor_, [](const Packet& packet) { return packet.type == PacketType::connack; },
        answer_deadline(context));
    if (!connack.has_value()) {
        context.fail("CONNACK with code 0", absence(*actor_, context.tolerances().answer()));
    }
    if (connack->reason_code != 0) {
        if (is_own_reason(*connack)) {
            context.end(Verdict::inconclusive,
                        "the broker does not let us in: " + describe(*connack));
        }
        context.fail("CONNACK with code 0", describe(*connack), &*connack);
    }
    actor_->connack = connack;
    const auto assigned = text_of(connack->properties, PropertyId::assigned_client_identifier);
    if (assigned.has_value()) actor_->client_id = *assigned;
    return *this;
}

Peer Peer::connect_expecting_session(bool present, const ConnectOptions& options) {
    connect(options);
    if (connack().session_present() != present) {
        actor_->context->fail(present ? "Session Present 1" : "Session Present 0",
                              describe(connack()), &connack());
    }
    return *this;
}

const Packet& Peer::connack() const {
    if (!actor_->connack.has_value()) {
        actor_->context->end(Verdict::inconclusive, actor_->name + " is not connected");
    }
    return *actor_->connack;
}

End Peer::expect_connect_refused(const Draft& draft, std::initializer_list<int> codes,
                                 RefusalAnswer answer, Detection detection) {
    auto& context = *actor_->context;
    open();
    actor_->tolerates_any_connack = answer == RefusalAnswer::any_version;
    send(draft);
    End end;
    gather(*actor_, end, answer_deadline(context));
    actor_->tolerates_any_connack = false;
    const bool is_accepted_by_broker = end.connack.has_value() && end.connack->reason_code == 0;
    if (is_accepted_by_broker && detection == Detection::elsewhere) {
        context.note("accepted, which another case judges");
        return end;
    }
    if (is_accepted_by_broker || !end.is_closed) {
        const auto seen = is_accepted_by_broker     ? describe(*end.connack)
                          : end.connack.has_value() ? "no close after " + describe(*end.connack)
                                                    : "no close";
        // After a refusing CONNACK the close is a MUST in any case (v5 [MQTT-3.2.2-7]).
        if (detection == Detection::binding || end.connack.has_value() != is_accepted_by_broker) {
            context.fail("a refusal and a close", seen,
                         end.connack.has_value() ? &*end.connack : nullptr);
        }
        context.downgrade(Verdict::non_strict, "not detected: " + seen);
        return end;
    }
    if (answer == RefusalAnswer::silence && end.connack.has_value()) {
        context.fail("a close without CONNACK", describe(*end.connack), &*end.connack);
    }
    if (answer == RefusalAnswer::connack && !end.connack.has_value()) {
        context.fail("a CONNACK with " + text_of_codes(codes, actor_->version), "a bare close");
    }
    const bool has_wrong_code = end.connack.has_value() && answer != RefusalAnswer::any_version &&
                                !is_one_of(end.connack->reason_code, codes);
    if (has_wrong_code && answer == RefusalAnswer::connack) {
        context.fail("a CONNACK with " + text_of_codes(codes, actor_->version),
                     describe(*end.connack), &*end.connack);
    }
    if (has_wrong_code) {
        context.judge_close(Verdict::non_strict, describe(*end.connack) + " instead of " +
                                                     text_of_codes(codes, actor_->version));
    } else {
        context.judge_close(Verdict::pass, {});
    }
    return end;
}

Peer Peer::disconnect(std::uint8_t reason_code, const Properties& properties) {
    auto& context = *actor_->context;
    send(build_disconnect(actor_->version, reason_code, properties));
    // The broker SHOULD close (§3.14.4). Waiting for that shows that it has read the packet.
    wait_for_close(context.now() + context.tolerances().close_before_asking());
    context.close(*actor_, Ending::finish);
    return *this;
}

Draft Peer::publish_packet(const Publication& publication) {
    PublishFields fields{
        .topic = actor_->context->full(publication.topic),
        .payload = publication.payload,
        .qos = publication.qos,
        .retain = publication.retain == Retain::yes,
        .dup = publication.dup == Dup::yes,
        .properties = publication.properties,
    };
    if (publication.qos != QoS::at_most_once) {
        fields.packet_id =
            publication.packet_id.has_value() ? *publication.packet_id : take_packet_id();
    }
    return build_publish(actor_->version, fields);
}

std::uint16_t Peer::send_publish(const Publication& publication) {
    Publication with_id = publication;
    if (publication.qos != QoS::at_most_once && !publication.packet_id.has_value()) {
        with_id.packet_id = take_packet_id();
    }
    send(publish_packet(with_id));
    return with_id.packet_id.value_or(0);
}

Peer Peer::publish(const Topic& topic, QoS qos, std::string_view payload) {
    return publish(Publication{.topic = topic, .qos = qos, .payload = std::string{payload}});
}

Peer Peer::publish(const Publication& publication) {
    const auto id = send_publish(publication);
    if (publication.qos == QoS::at_most_once) return *this;
    auto& context = *actor_->context;
    const bool is_qos_1 = publication.qos == QoS::at_least_once;
    const auto first =
        expect_acknowledgement(is_qos_1 ? PacketType::puback : PacketType::pubrec, id);
    if (first.reason_code >= 0x80) {
        context.end(Verdict::not_applicable, "the broker refuses the PUBLISH: " + describe(first));
    }
    if (is_qos_1) return *this;
    send_acknowledgement(PacketType::pubrel, id);
    expect_acknowledgement(PacketType::pubcomp, id);
    return *this;
}

Peer Peer::send_acknowledgement(PacketType type, std::uint16_t packet_id, std::uint8_t reason_code,
                                const Properties& properties) {
    const bool ends_flow = type == PacketType::puback || type == PacketType::pubcomp ||
                           (type == PacketType::pubrec && reason_code >= 0x80);
    if (ends_flow) forget_flow(*actor_, packet_id);
    return send(build_acknowledgement(actor_->version, type, packet_id, reason_code, properties));
}

Packet Peer::expect_acknowledgement(PacketType type, std::uint16_t packet_id) {
    auto& context = *actor_->context;
    auto packet = context.take(
        *actor_,
        [&](const Packet& candidate) {
            return candidate.type == type && candidate.packet_id == packet_id;
        },
        answer_deadline(context));
    if (!packet.has_value()) {
        context.fail(std::string{name_of(type)} + " id=" + std::to_string(packet_id),
                     absence(*actor_, context.tolerances().answer()));
    }
    return std::move(*packet);
}

Draft Peer::subscribe_packet(const std::vector<Subscription>& subscriptions,
                             const Properties& properties) {
    std::vector<FilterFields> filters;
    filters.reserve(subscriptions.size());
    for (const auto& subscription : subscriptions) {
        const auto options = actor_->version == ProtocolVersion::v5
                                 ? subscription.options.byte()
                                 : static_cast<std::uint8_t>(subscription.options.qos);
        filters.push_back(
            {.filter = actor_->context->full(subscription.filter), .options = options});
    }
    return build_subscribe(actor_->version, take_packet_id(), filters, properties);
}

Packet Peer::try_subscribe(const std::vector<Subscription>& subscriptions,
                           const Properties& properties) {
    send(subscribe_packet(subscriptions, properties));
    return expect(PacketType::suback);
}

Peer Peer::subscribe(const Topic& filter, QoS qos) {
    return subscribe(filter, SubscriptionOptions{.qos = qos});
}

Peer Peer::subscribe(const Topic& filter, const SubscriptionOptions& options,
                     const Properties& properties) {
    const auto suback = try_subscribe({{filter, options}}, properties);
    if (suback.reason_codes.size() != 1 ||
        suback.reason_codes[0] != static_cast<std::uint8_t>(options.qos)) {
        // A server may refuse a filter or grant less (§3.9.3).
        actor_->context->end(Verdict::not_applicable,
                             "the broker does not grant what the case needs: " + describe(suback));
    }
    return *this;
}

Draft Peer::unsubscribe_packet(const std::vector<Topic>& filters) {
    std::vector<std::string> texts;
    texts.reserve(filters.size());
    for (const auto& filter : filters) texts.push_back(actor_->context->full(filter));
    return build_unsubscribe(actor_->version, take_packet_id(), texts);
}

Packet Peer::unsubscribe(const std::vector<Topic>& filters) {
    send(unsubscribe_packet(filters));
    auto unsuback = expect(PacketType::unsuback);
    for (const auto code : unsuback.reason_codes) {
        if (code >= 0x80) {
            actor_->context->end(Verdict::not_applicable,
                                 "the broker refuses to unsubscribe: " + describe(unsuback));
        }
    }
    return unsuback;
}

std::uint16_t Peer::take_packet_id() {
    if (actor_->next_packet_id == 0) actor_->next_packet_id = 1;
    return actor_->next_packet_id++;
}

Peer Peer::acknowledging(bool on) {
    actor_->is_acknowledging = on;
    return *this;
}

Packet Peer::expect(PacketType type) {
    auto& context = *actor_->context;
    auto packet = context.take(
        *actor_, [type](const Packet& candidate) { return candidate.type == type; },
        answer_deadline(context));
    if (!packet.has_value()) {
        const auto seen = actor_->inbox.empty() || actor_->has_ended
                              ? absence(*actor_, context.tolerances().answer())
                              : describe(actor_->inbox.front());
        context.fail(std::string{name_of(type)}, seen);
    }
    if (type == PacketType::connack && !actor_->connack.has_value()) actor_->connack = *packet;
    return std::move(*packet);
}

std::optional<Packet> Peer::next() {
    auto& context = *actor_->context;
    return context.take(
        *actor_, [](const Packet&) { return true; }, answer_deadline(context));
}

Packet Peer::expect_publish(const ExpectedPublish& expected) {
    auto& context = *actor_->context;
    const auto patience = expected.within.value_or(context.tolerances().answer());
    const auto is_publish = [](const Packet& candidate) {
        return candidate.type == PacketType::publish;
    };
    auto packet = context.take(*actor_, is_publish, context.now() + patience);
    if (!packet.has_value()) {
        end_if_held_back(*actor_, is_publish);
        context.fail(describe_expected(context, expected), absence(*actor_, patience));
    }
    if (!fits(context, expected, *packet)) {
        context.fail(describe_expected(context, expected), describe(*packet), &*packet);
    }
    return std::move(*packet);
}

Packet Peer::expect_message(const ExpectedPublish& expected) {
    auto packet = expect_publish(expected);
    acknowledge(packet);
    return packet;
}

std::vector<Packet> Peer::expect_publishes(std::size_t count) {
    std::vector<Packet> packets;
    packets.reserve(count);
    while (packets.size() < count) packets.push_back(expect_publish());
    return packets;
}

Peer Peer::expect_nothing() {
    auto& context = *actor_->context;
    pass_markers(*actor_);
    ping();
    if (!actor_->inbox.empty()) {
        const auto& packet = actor_->inbox.front();
        context.fail("nothing", describe(packet), &packet);
    }
    return *this;
}

Peer Peer::expect_nothing_by_ping() {
    auto& context = *actor_->context;
    ping();
    if (!actor_->inbox.empty()) {
        const auto& packet = actor_->inbox.front();
        context.fail("nothing", describe(packet), &packet);
    }
    return *this;
}

Peer Peer::settle() {
    pass_markers(*actor_, MarkersFrom::everybody);
    return *this;
}

std::vector<Packet> Peer::collect() {
    pass_markers(*actor_);
    ping();
    std::vector<Packet> packets;
    std::erase_if(actor_->inbox, [&packets](Packet& packet) {
        if (packet.type != PacketType::publish) return false;
        packets.push_back(std::move(packet));
        return true;
    });
    return packets;
}

Peer Peer::acknowledge(const Packet& publish) {
    if (actor_->is_acknowledging || publish.qos == 0) return *this;
    if (publish.qos == 1) return send_acknowledgement(PacketType::puback, publish.packet_id);
    send_acknowledgement(PacketType::pubrec, publish.packet_id);
    expect_acknowledgement(PacketType::pubrel, publish.packet_id);
    return send_acknowledgement(PacketType::pubcomp, publish.packet_id);
}

Peer Peer::complete_oldest_flow() {
    if (actor_->flows.empty()) {
        actor_->context->end(Verdict::inconclusive, actor_->name + " has no flow to complete");
    }
    return acknowledge(Packet{actor_->flows.front()});
}

Peer Peer::ping() {
    auto& context = *actor_->context;
    // An answer too many, from before, must not be taken for the answer to this one.
    context.receive_what_is_there(*actor_);
    send(build_pingreq());
    const auto answer = context.take(
        *actor_, [](const Packet& packet) { return packet.type == PacketType::pingresp; },
        answer_deadline(context));
    if (!answer.has_value()) {
        context.fail("PINGRESP", absence(*actor_, context.tolerances().answer()));
    }
    return *this;
}

End Peer::expect_rejected(std::initializer_list<int> codes, Detection detection) {
    auto& context = *actor_->context;
    auto end = await_end(*actor_);
    if (end.is_closed) {
        judge_end(*actor_, end, codes);
    } else if (end.disconnect.has_value()) {
        context.fail("a close after DISCONNECT", "no close", &*end.disconnect);
    } else if (detection == Detection::binding) {
        context.fail("a close", describe_life(end));
    } else {
        context.downgrade(Verdict::non_strict, "not detected: " + describe_life(end));
    }
    return end;
}

End Peer::expect_transport_close() {
    auto end = await_end(*actor_);
    if (!end.is_closed) actor_->context->fail("a close", describe_life(end));
    actor_->context->judge_close(Verdict::pass, {});
    return end;
}

End Peer::expect_close(std::initializer_list<int> codes) {
    auto& context = *actor_->context;
    auto end = wait_for_close(answer_deadline(context));
    if (!end.is_closed) context.fail("a close", absence(*actor_, context.tolerances().answer()));
    judge_end(*actor_, end, codes);
    return end;
}

End Peer::wait_for_close(Instant deadline) {
    End end;
    gather(*actor_, end, deadline);
    return end;
}

const std::string& Peer::client_id() const {
    return actor_->client_id;
}

ProtocolVersion Peer::version() const {
    return actor_->version;
}

Instant Peer::now() const {
    return actor_->context->now();
}

}  // namespace touchstone::conformance
