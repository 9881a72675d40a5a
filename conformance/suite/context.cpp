#include "conformance/suite/context.hpp"

#include <algorithm>
#include <utility>

namespace touchstone::conformance {

namespace {

/// Longer records say nothing more, and a broker may send without end.
constexpr std::size_t trace_steps_max = 2'000;
constexpr std::size_t recorded_bytes_max = 70'000;
/// How often a wait on a real clock looks whether the user has interrupted.
constexpr std::chrono::milliseconds interrupt_interval{200};

/// Of what is sent in pieces so many are small: what is cut in a packet is its beginning, and a
/// payload of 64 KiB byte by byte would take minutes.
constexpr std::size_t pieces_max = 256;
/// Longer than the simulated link takes for a piece.
constexpr std::chrono::microseconds piece_interval{60};

/// What comes next, as a reader of the record wants to know it.
std::string describe_frames(const std::vector<WebSocketMessage>& messages) {
    using Kind = WebSocketMessage::Kind;
    const bool has_text =
        std::ranges::find(messages, Kind::text, &WebSocketMessage::kind) != messages.end();
    if (messages.size() == 1 && messages.front().kind == Kind::ping) return "a Ping frame";
    std::size_t frame_count = 0;
    for (const auto& message : messages) frame_count += message.fragments.size();
    std::string text = frame_count == 1 ? "in one" : "in " + std::to_string(frame_count);
    text += has_text ? " text" : " binary";
    text += frame_count == 1 ? " frame" : " frames";
    if (messages.size() < frame_count && messages.size() == 1) text += ", fragments of one message";
    return text + ":";
}

}  // namespace

Context::Context(Target& target, const Surroundings& surroundings, ProtocolVersion version,
                 std::string token)
    : target_{target},
      surroundings_{surroundings},
      version_{version},
      token_{std::move(token)} {}

Context::~Context() = default;

CaseOutcome Context::run(const std::function<void(Context&)>& body) {
    outcome_.started = now();
    try {
        body(*this);
    } catch (const CaseEnded& ended) {
        // A case that had already seen something worse than what ended it keeps the reason for
        // both.
        outcome_.verdict = ended.verdict;
        outcome_.reason = ended.reason;
        outcome_.expected = ended.expected;
        outcome_.seen = ended.seen;
    } catch (const Interrupted&) {
        clean_up();  // the broker outlives our run
        throw;
    }
    try {
        clean_up();
    } catch (const CaseEnded&) {
        // The broker does not let us clean up. If that is a defect, a case of its own shows it.
    }
    outcome_.ended = now();
    for (const auto& actor : actors_) outcome_.actors.push_back(actor.name);
    outcome_.actors.emplace_back("broker");
    return std::move(outcome_);
}

Actor& Context::actor(std::string_view name) {
    const auto found = std::ranges::find(actors_, name, &Actor::name);
    if (found != actors_.end()) return *found;
    // A Client Identifier that every broker has to accept (v5 [MQTT-3.1.3-5]).
    auto& made = actors_.emplace_back();
    made.context = this;
    made.name = name;
    made.own_client_id = "c" + token_ + std::to_string(actors_.size());
    made.client_id = made.own_client_id;
    made.version = version_;
    return made;
}

std::vector<Actor*> Context::actors() {
    std::vector<Actor*> all;
    for (auto& actor : actors_) all.push_back(&actor);
    return all;
}

std::string Context::full(const Topic& topic) const {
    auto text = topic.is_absolute ? topic.text : token_ + '/' + topic.text;
    if (!topic.share_name.empty()) text = "$share/" + topic.share_name + '/' + text;
    return text;
}

std::string Context::marker_topic(const Actor& actor) const {
    return token_ + "/~" + actor.own_client_id.substr(1 + token_.size());
}

void Context::open(Actor& actor) {
    throw_if_interrupted();
    if (actor.connection != nullptr) close(actor, Ending::finish);
    std::string problem;
    actor.connection = target_.open(problem);
    if (actor.connection == nullptr) {
        outcome_.was_unreachable = true;
        end(Verdict::inconclusive, problem);
    }
    actor.has_ended = false;
    actor.stream.clear();
    actor.inbox.clear();
    actor.flows.clear();
    actor.monitor.on_opened();
    actor.connack.reset();
    actor.has_marker_subscription = false;
    record({.kind = TraceStep::Kind::opened, .at = now(), .from = actor.name, .to = "broker"});
}

void Context::close(Actor& actor, Ending ending) {
    if (actor.connection == nullptr) return;
    actor.connection->close(ending);
    actor.connection.reset();
    if (!actor.has_ended) {
        record({.kind = TraceStep::Kind::closed,
                .at = now(),
                .from = actor.name,
                .to = "broker",
                .text = ending == Ending::abort ? "connection cut" : "connection closed"});
    }
    actor.has_ended = true;
}

void Context::send(Actor& actor, Bytes bytes) {
    throw_if_interrupted();
    if (actor.connection == nullptr) {
        end(Verdict::inconclusive, actor.name + " has no Network Connection");
    }
    record_sent(actor, bytes);
    send_in_pieces(*actor.connection, bytes);
}

void Context::send_in_pieces(Connection& connection, Bytes bytes) {
    const auto& split = surroundings_.split;
    const auto send_front = [&](std::size_t size) {
        connection.send(bytes.first(size));
        bytes = bytes.subspan(size);
        // In virtual time nothing but time keeps two pieces apart.
        if (!surroundings_.is_shared_broker) target_.pass_time_until(now() + piece_interval);
    };
    if (split.first_bytes > 0 && bytes.size() > split.first_bytes) send_front(split.first_bytes);
    if (split.piece_bytes > 0) {
        for (std::size_t i = 0; i < pieces_max && bytes.size() > split.piece_bytes; ++i) {
            send_front(split.piece_bytes);
        }
    }
    if (!bytes.empty()) connection.send(bytes);
}

void Context::stop_broker() {
    note("the broker is stopped");
    std::string problem;
    if (!target_.stop_broker(problem)) end(Verdict::inconclusive, problem);
}

void Context::start_broker() {
    note("the broker is started");
    std::string problem;
    if (!target_.start_broker(problem)) end(Verdict::inconclusive, problem);
}

void Context::send(Actor& actor, const std::vector<WebSocketMessage>& messages) {
    throw_if_interrupted();
    if (actor.connection == nullptr) {
        end(Verdict::inconclusive, actor.name + " has no Network Connection");
    }
    auto* const sender = actor.connection->frames();
    if (sender == nullptr) end(Verdict::not_applicable, "the transport is no WebSocket");
    note(describe_frames(messages));
    Buffer all;
    for (const auto& message : messages) {
        if (message.kind == WebSocketMessage::Kind::ping) continue;  // holds nothing of MQTT
        for (const auto& fragment : message.fragments) append(all, fragment);
    }
    record_sent(actor, all);
    for (const auto& message : messages) sender->send(message);
}

WebSocketHandshake Context::shake_hands(const std::vector<std::string>& subprotocols) {
    throw_if_interrupted();
    std::string problem;
    auto handshake = target_.shake_hands(subprotocols, problem);
    if (!handshake.has_value()) {
        outcome_.was_unreachable = true;
        end(Verdict::inconclusive, problem);
    }
    std::string text = "a handshake that offers";
    for (const auto& name : subprotocols) text += " '" + name + "'";
    if (subprotocols.empty()) text += " no subprotocol";
    text += handshake->status == 0 ? ": closed without an answer"
                                   : ": HTTP status " + std::to_string(handshake->status);
    if (handshake->subprotocol.has_value())
        text += ", subprotocol '" + *handshake->subprotocol + "'";
    note(text);
    return std::move(*handshake);
}

void Context::record_sent(Actor& actor, Bytes bytes) {
    Buffer rest{bytes.begin(), bytes.end()};
    while (!rest.empty()) {
        Buffer raw;
        if (take_packet(rest, raw) != Framing::packet && raw.empty()) raw = std::exchange(rest, {});
        Packet packet = decode(raw, actor.version, Sender::client);
        if (packet.type == PacketType::connect && packet.is_decodable) {
            actor.version = packet.version;
            actor.client_id = packet.client_id;
        }
        actor.monitor.on_sent(packet);
        remember_for_cleaning(packet);
        actor.has_published = actor.has_published || packet.type == PacketType::publish;
        record({.kind = TraceStep::Kind::packet,
                .at = now(),
                .from = actor.name,
                .to = "broker",
                .bytes = std::move(raw),
                .text = describe(packet)});
    }
}

bool Context::receive(Actor& actor, Instant deadline) {
    const auto size_before = actor.inbox.size();
    while (actor.inbox.size() == size_before) {
        if (take_packet_from_stream(actor)) continue;
        if (actor.has_ended || actor.connection == nullptr) return false;
        throw_if_interrupted();
        const auto slice = surroundings_.is_shared_broker
                               ? std::min(deadline, now() + interrupt_interval)
                               : deadline;
        const auto arrival = actor.connection->receive(actor.stream, slice);
        if (arrival == Arrival::bytes) continue;
        if (arrival == Arrival::deadline) {
            if (slice >= deadline) return false;
            continue;
        }
        on_end(actor, arrival);
    }
    return true;
}

void Context::on_end(Actor& actor, Arrival arrival) {
    if (arrival == Arrival::text_frame) fail_for_text_frame();
    actor.has_ended = true;
    actor.ending = arrival;
    const auto problem = actor.connection->problem();
    std::string text = arrival == Arrival::closed ? "connection closed" : "connection reset";
    if (!problem.empty()) text += ": " + problem;
    record({.kind = TraceStep::Kind::closed,
            .at = now(),
            .from = "broker",
            .to = actor.name,
            .text = std::move(text)});
    if (arrival != Arrival::refused) return;
    outcome_.was_unreachable = true;
    end(Verdict::inconclusive, problem);
}

void Context::fail_for_text_frame() {
    const std::string statement =
        version_ == ProtocolVersion::v5 ? "v5/MQTT-6.0.0-1" : "v3.1.1/MQTT-6.0.0-1";
    outcome_.broken_statements.push_back(statement);
    fail("Control Packets in binary frames (" + statement + ")", "a text frame");
}

void Context::receive_what_is_there(Actor& actor) {
    while (receive(actor, now())) {
    }
}

bool Context::take_packet_from_stream(Actor& actor) {
    Buffer raw;
    switch (take_packet(actor.stream, raw)) {
        case Framing::need_more: return false;
        case Framing::packet:
        case Framing::broken: break;
    }
    Packet packet = decode(raw, actor.version, Sender::server);
    packet.at = now();
    on_packet(actor, std::move(packet));
    return true;
}

void Context::on_packet(Actor& actor, Packet packet) {
    if (is_foreign(packet)) {
        // Another case's message, through a wildcard: none of our business, but it holds a slot.
        if (packet.qos > 0) acknowledge_at_once(actor, packet);
        return;
    }
    auto faults = actor.monitor.on_received(packet);
    const bool is_connack_of_other_version =
        actor.tolerates_any_connack && packet.type == PacketType::connack;
    if (!is_connack_of_other_version) {
        faults.insert(faults.begin(), packet.faults.begin(), packet.faults.end());
    } else if (packet.raw.size() >= 4) {
        packet.reason_code = std::to_integer<std::uint8_t>(packet.raw[3]);
    }
    packet.step = outcome_.trace.size();
    record({.kind = TraceStep::Kind::packet,
            .at = packet.at,
            .from = "broker",
            .to = actor.name,
            .bytes = packet.raw,
            .text = describe(packet)});
    for (const auto& fault : faults) {
        if (fault.statement.empty()) {
            downgrade(Verdict::non_strict, fault.text);
            continue;
        }
        outcome_.broken_statements.push_back(fault.statement);
        mark_deviation(packet.step, fault.text);
        end(Verdict::fail, fault.statement + ": " + fault.text,
            "what " + fault.statement + " demands", fault.text + ": " + describe(packet));
    }
    if (packet.type == PacketType::publish && packet.qos > 0) {
        if (actor.is_acknowledging) {
            acknowledge_at_once(actor, packet);
        } else {
            actor.flows.push_back(packet);
            actor.flows_max = std::max(actor.flows_max, actor.flows.size());
        }
    }
    if (actor.is_acknowledging && packet.type == PacketType::pubrel) {
        send(actor,
             build_acknowledgement(actor.version, PacketType::pubcomp, packet.packet_id).bytes());
        return;
    }
    actor.inbox.push_back(std::move(packet));
}

void Context::acknowledge_at_once(Actor& actor, const Packet& packet) {
    const auto type = packet.qos == 1 ? PacketType::puback : PacketType::pubrec;
    send(actor, build_acknowledgement(actor.version, type, packet.packet_id).bytes());
}

bool Context::is_foreign(const Packet& packet) const {
    if (!surroundings_.is_shared_broker || packet.type != PacketType::publish) return false;
    return packet.is_decodable && !packet.topic.starts_with('$') &&
           packet.topic.find(token_) == std::string::npos &&
           find(packet.properties, PropertyId::topic_alias) == nullptr;
}

std::optional<Packet>
Context::take(Actor& actor, const std::function<bool(const Packet&)>& is_wanted, Instant deadline) {
    for (;;) {
        const auto found = std::ranges::find_if(actor.inbox, is_wanted);
        if (found != actor.inbox.end()) {
            Packet packet = std::move(*found);
            actor.inbox.erase(found);
            return packet;
        }
        if (!receive(actor, deadline)) return std::nullopt;
    }
}

void Context::wait_until(Instant instant, std::string_view what_for) {
    record({.kind = TraceStep::Kind::waited,
            .at = now(),
            .from = "broker",
            .text = std::string{what_for}});
    while (now() < instant) {
        throw_if_interrupted();
        target_.pass_time_until(surroundings_.is_shared_broker
                                    ? std::min(instant, now() + interrupt_interval)
                                    : instant);
    }
}

void Context::note(std::string_view text) {
    record(
        {.kind = TraceStep::Kind::noted, .at = now(), .from = "broker", .text = std::string{text}});
}

void Context::end(Verdict verdict, std::string reason, std::string expected, std::string seen) {
    throw CaseEnded{verdict, std::move(reason), std::move(expected), std::move(seen)};
}

void Context::fail(std::string expected, std::string seen, const Packet* packet) {
    if (packet != nullptr) {
        mark_deviation(packet->step, "expected " + expected);
    } else {
        record({.kind = TraceStep::Kind::noted,
                .at = now(),
                .from = "broker",
                .text = "expected " + expected + "; seen: " + seen,
                .deviates = true});
    }
    std::string reason = "expected " + expected + ", saw " + seen;
    end(Verdict::fail, std::move(reason), std::move(expected), std::move(seen));
}

void Context::downgrade(Verdict verdict, std::string reason) {
    // info < non-strict; a pass is below both.
    const auto rank = [](Verdict value) {
        return value == Verdict::non_strict ? 2 : value == Verdict::info ? 1 : 0;
    };
    note(reason);
    if (rank(verdict) <= rank(outcome_.verdict)) return;
    outcome_.verdict = verdict;
    outcome_.reason = std::move(reason);
}

void Context::judge_close(Verdict verdict, std::string reason) {
    const auto rank = [](Verdict value) {
        return value == Verdict::fail ? 2 : value == Verdict::non_strict ? 1 : 0;
    };
    if (!outcome_.close_verdict.has_value() || rank(verdict) > rank(*outcome_.close_verdict)) {
        outcome_.close_verdict = verdict;
        if (verdict != Verdict::pass && outcome_.reason.empty()) outcome_.reason = reason;
    }
    if (verdict != Verdict::pass) note(reason);
}

void Context::record(TraceStep step) {
    if (!is_recording_ || outcome_.trace.size() >= trace_steps_max) return;
    if (step.bytes.size() > recorded_bytes_max) {
        step.bytes_left_out = static_cast<std::uint32_t>(step.bytes.size() - recorded_bytes_max);
        step.bytes.resize(recorded_bytes_max);
    }
    outcome_.trace.push_back(std::move(step));
}

void Context::mark_deviation(std::size_t step, std::string_view note) {
    if (step >= outcome_.trace.size()) return;
    outcome_.trace[step].deviates = true;
    outcome_.trace[step].note = note;
}

void Context::remember_for_cleaning(const Packet& sent) {
    if (!is_recording_) return;
    if (sent.type == PacketType::publish && sent.retain && !sent.topic.empty()) {
        retained_topics_[sent.topic] = sent.version;
    }
    if (sent.type != PacketType::connect) return;
    if (sent.will.has_value() && sent.will->retain) {
        retained_topics_[sent.will->topic] = sent.version;
    }
    const bool outlives =
        sent.version == ProtocolVersion::v5
            ? number_of(sent.properties, PropertyId::session_expiry_interval).value_or(0) > 0
            : (sent.connect_flags & 2U) == 0;
    if (outlives && !sent.client_id.empty()) kept_sessions_[sent.client_id] = sent.version;
}

void Context::clean_up() {
    is_recording_ = false;
    end_connections();
    // In virtual time the world of the case ends with it.
    if (!surroundings_.is_shared_broker) return;
    end_sessions();
    clear_retained();
}

void Context::end_connections() {
    for (auto& actor : actors_) {
        if (actor.connection == nullptr) continue;
        if (!actor.has_ended && actor.connack.has_value()) {
            actor.connection->send(build_disconnect(actor.version).bytes());
        }
        close(actor, Ending::finish);
    }
}

void Context::end_sessions() {
    for (const auto& [client_id, version] : kept_sessions_) {
        std::string problem;
        const auto connection = target_.open(problem);
        if (connection == nullptr) return;
        const auto connect =
            build_connect(with_credentials({.version = version, .client_id = client_id}));
        connection->send(connect.bytes());
        Buffer answer;
        const auto arrival = connection->receive(answer, now() + surroundings_.tolerances.answer());
        if (arrival == Arrival::deadline) return;
        connection->send(build_disconnect(version).bytes());
        connection->close(Ending::finish);
    }
}

void Context::clear_retained() {
    for (const auto& [topic, version] : retained_topics_) {
        std::string problem;
        const auto connection = target_.open(problem);
        if (connection == nullptr) return;
        // One connection per topic: a topic that the broker refuses must not keep the others.
        auto bytes =
            build_connect(with_credentials({.version = version, .client_id = "c" + token_ + "0"}))
                .bytes();
        append(bytes, build_publish(version, {.topic = topic, .retain = true}).bytes());
        append(bytes, build_pingreq().bytes());
        connection->send(bytes);
        Buffer answers;
        while (answers.size() < 6 &&
               connection->receive(answers, now() + surroundings_.tolerances.answer()) ==
                   Arrival::bytes) {
        }
        connection->send(build_disconnect(version).bytes());
        connection->close(Ending::finish);
    }
}

ConnectFields Context::with_credentials(ConnectFields fields) const {
    return conformance::with_credentials(std::move(fields), declaration().credentials);
}

void Context::throw_if_interrupted() const {
    if (surroundings_.is_interrupted != nullptr && *surroundings_.is_interrupted) {
        throw Interrupted{};
    }
}

}  // namespace touchstone::conformance
