#include "conformance/generated/player.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace touchstone::conformance::generated {

namespace {

/// How long a wait for one connection lasts before the others are looked at.
constexpr std::chrono::milliseconds slice{10};
/// A broker that sends without end has been seen through after so many packets.
constexpr std::size_t packets_per_settling_max = 2'000;
constexpr std::size_t trace_steps_max = 2'000;

struct Wire {
    std::unique_ptr<Connection> connection{};
    Buffer stream{};
    bool is_pinged = false;  // and nothing was sent since
};

struct Stop {};  // what there is to say is in Played

class Player {
public:
    Player(Target& target, const Script& script, const PlaySettings& settings)
        : target_{target},
          script_{script},
          settings_{settings},
          model_{{.token = settings.token,
                  .tolerances = settings.tolerances,
                  .capabilities = settings.capabilities,
                  .credentials = settings.credentials,
                  .is_of_one_part = settings.is_of_one_part}} {}

    Played run() {
        played_.token = settings_.token;
        played_.outcome.started = target_.now();
        try {
            for (const char client : client_names) {
                played_.outcome.actors.emplace_back(1, client);
            }
            played_.outcome.actors.emplace_back("broker");
            for (std::size_t i = 0; i < script_.size(); ++i) {
                played_.step = i;
                perform(script_[i], i + 1);
            }
            if (settings_.is_shared_broker) await_stragglers();
        } catch (const Stop&) {
        }
        if (settings_.is_shared_broker && !played_.was_unreachable) clean_up();
        for (auto& wire : wires_) {
            if (wire.connection != nullptr) wire.connection->close(Ending::finish);
        }
        played_.outcome.ended = target_.now();
        if (played_.divergence.has_value()) {
            played_.outcome.verdict = Verdict::fail;
            played_.outcome.reason = played_.divergence->text;
            if (!played_.divergence->statement.empty()) {
                played_.outcome.broken_statements.push_back(played_.divergence->statement);
            }
        } else if (!played_.inconclusive.empty()) {
            played_.outcome.verdict = Verdict::inconclusive;
            played_.outcome.reason = played_.inconclusive;
        }
        return std::move(played_);
    }

private:
    Wire& wire(char client) { return wires_[static_cast<std::size_t>(client - 'a')]; }

    void perform(const Step& step, std::size_t number) {
        throw_if_interrupted();
        auto outgoing = model_.begin(step, number, target_.now());
        played_.has_applied.push_back(outgoing.has_value());
        if (!outgoing.has_value()) return;
        if (step.verb == Verb::wait) {
            pass(std::chrono::seconds{step.number("seconds")});
            settle('a');
            return;
        }
        if (outgoing->opens) open(step.client);
        send(step, *outgoing);
        if (outgoing->ends.has_value()) end(step.client, *outgoing->ends);
        settle(step.client);
    }

    void open(char client) {
        auto& one = wire(client);
        one = Wire{};
        std::string problem;
        one.connection = target_.open(problem);
        if (one.connection == nullptr) {
            played_.was_unreachable = true;
            played_.inconclusive = problem;
            throw Stop{};
        }
        record({.kind = TraceStep::Kind::opened, .from = std::string{client}, .to = "broker"});
    }

    void send(const Step& step, const Outgoing& outgoing) {
        auto& one = wire(step.client);
        if (one.connection == nullptr) return;
        for (const auto& packet : outgoing.packets) {
            ++played_.packet_count;
            if (outgoing.is_text_frame) {
                record_packet(step.client, packet);
                one.connection->frames()->send(
                    {.kind = WebSocketMessage::Kind::text, .fragments = {packet}});
                continue;
            }
            const bool is_joined = model_.is_joined(step.client) && !outgoing.ends.has_value() &&
                                   model_.can_ping(step.client);
            send_bytes(step.client, packet, is_joined);
        }
        if (outgoing.is_ping_frame) {
            record({.kind = TraceStep::Kind::noted,
                    .from = std::string{step.client},
                    .text = "a Ping frame"});
            one.connection->frames()->send(
                {.kind = WebSocketMessage::Kind::ping, .fragments = {buffer_of("ping")}});
        }
    }

    /// As the connection has it: in pieces, or with a PINGREQ behind it in the same piece.
    void send_bytes(char client, Buffer bytes, bool is_joined) {
        auto& one = wire(client);
        record_packet(client, bytes);
        one.is_pinged = false;
        if (is_joined) {
            const auto ping = model_.ping(client, target_.now());
            record_packet(client, ping);
            append(bytes, ping);
            one.is_pinged = true;
        }
        const auto piece = model_.split(client);
        if (piece == 0) {
            one.connection->send(bytes);
            return;
        }
        auto* const frames = one.connection->frames();
        if (frames != nullptr && piece % 2 == 0) {
            WebSocketMessage message;
            for (std::size_t at = 0; at < bytes.size(); at += piece) {
                const auto end = std::min(at + piece, bytes.size());
                message.fragments.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                               bytes.begin() + static_cast<std::ptrdiff_t>(end));
            }
            frames->send(message);
            return;
        }
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            one.connection->send(Bytes{bytes}.subspan(at, std::min(piece, bytes.size() - at)));
        }
    }

    void end(char client, Ending ending) {
        auto& one = wire(client);
        if (one.connection == nullptr) return;
        record({.kind = TraceStep::Kind::closed,
                .from = std::string{client},
                .to = "broker",
                .text = ending == Ending::abort ? "connection cut" : "connection closed"});
        one.connection->close(ending);
        one.connection.reset();
        model_.on_ended_by_client(client, target_.now());
        if (!settings_.is_shared_broker) return;
        // A real broker learns of it when the network tells; nothing in MQTT says that it has.
        target_.pass_time_until(target_.now() + 2 * settings_.tolerances.round_trip +
                                std::chrono::milliseconds{1});
    }

    /// Lets time pass, and takes what comes meanwhile.
    void pass(Duration duration) {
        const auto until = target_.now() + duration;
        record({.kind = TraceStep::Kind::waited,
                .from = "broker",
                .text = std::to_string(duration.count() / 1'000'000) + " s"});
        // What comes is judged by the time of its arrival: in small steps, unless there are many.
        constexpr int steps_max = 240;
        const auto step = std::max<Duration>(std::chrono::milliseconds{500}, duration / steps_max);
        while (target_.now() < until) {
            throw_if_interrupted();
            target_.pass_time_until(std::min(target_.now() + step, until));
            model_.on_time(target_.now());
            drain();
            throw_if_diverged();
        }
        model_.on_time(target_.now());
    }

    /// Until nothing is owed, and all clients have made a round trip: the acting one first, so that
    /// what it caused is on its way to the others before they ask.
    void settle(char actor) {
        for (auto& one : wires_) one.is_pinged = false;
        const auto patience = static_cast<double>(settings_.tolerances.answer().count());
        const auto deadline =
            target_.now() + Duration{static_cast<Duration::rep>(patience * settings_.patience)};
        const auto packets_before = received_;
        for (;;) {
            throw_if_interrupted();
            drain();
            throw_if_diverged();
            if (received_ - packets_before > packets_per_settling_max) {
                played_.divergence =
                    Divergence{"", "packets without end", "packets come without end"};
                throw Stop{};
            }
            model_.on_time(target_.now());
            if (const auto owed = model_.owed(target_.now())) {
                if (target_.now() >= deadline) {
                    played_.divergence = owed->divergence;
                    record({.kind = TraceStep::Kind::noted,
                            .from = std::string{owed->client},
                            .text = owed->divergence.text,
                            .deviates = true});
                    throw Stop{};
                }
                receive(owed->client, std::min(deadline, target_.now() + slice));
                continue;
            }
            if (ping_one(actor)) continue;
            if (std::ranges::any_of(client_names,
                                    [this](char client) { return ping_one(client); })) {
                continue;
            }
            break;
        }
        model_.on_settled();
    }

    /// What a broker sends after it has answered a PINGREQ is judged, too, when it comes soon.
    void await_stragglers() {
        target_.pass_time_until(target_.now() + settings_.tolerances.round_trip +
                                std::chrono::milliseconds{2});
        drain();
        throw_if_diverged();
    }

    bool ping_one(char client) {
        auto& one = wire(client);
        if (one.connection == nullptr || one.is_pinged || !model_.can_ping(client)) return false;
        one.is_pinged = true;
        const auto bytes = model_.ping(client, target_.now());
        record_packet(client, bytes);
        one.connection->send(bytes);
        return true;
    }

    void drain() {
        for (const char client : client_names) {
            while (receive(client, target_.now())) throw_if_diverged();
        }
    }

    /// True when bytes came.
    bool receive(char client, Instant deadline) {
        auto& one = wire(client);
        if (one.connection == nullptr) {
            if (deadline > target_.now()) target_.pass_time_until(deadline);
            return false;
        }
        const auto arrival = one.connection->receive(one.stream, deadline);
        if (arrival == Arrival::deadline) return false;
        if (arrival == Arrival::bytes) {
            take_packets(client);
            return true;
        }
        record({.kind = TraceStep::Kind::closed,
                .from = "broker",
                .to = std::string{client},
                .text = arrival == Arrival::closed ? "connection closed" : "connection reset"});
        one.connection.reset();
        model_.on_end(client, arrival, target_.now());
        if (!model_.inconclusive().empty()) {
            played_.inconclusive = model_.inconclusive();
            throw Stop{};
        }
        return false;
    }

    void take_packets(char client) {
        auto& one = wire(client);
        Buffer raw;
        while (take_packet(one.stream, raw) != Framing::need_more) {
            ++received_;
            Packet packet = decode(raw, model_.version(client), Sender::server);
            packet.at = target_.now();
            const auto before = model_.divergences().size();
            const auto answers = model_.on_received(client, packet, packet.at);
            const bool deviates = model_.divergences().size() > before;
            record({.kind = TraceStep::Kind::packet,
                    .from = "broker",
                    .to = std::string{client},
                    .bytes = raw,
                    .text = describe(packet),
                    .deviates = deviates,
                    .note = deviates ? model_.divergences()[before].text : std::string{}});
            throw_if_diverged();
            if (!model_.inconclusive().empty()) {
                played_.inconclusive = model_.inconclusive();
                throw Stop{};
            }
            for (const auto& answer : answers) {
                ++played_.packet_count;
                send_bytes(client, answer, false);
            }
        }
    }

    void throw_if_diverged() {
        if (model_.divergences().empty()) return;
        played_.divergence = model_.divergences().front();
        throw Stop{};
    }

    void throw_if_interrupted() {
        if (settings_.is_interrupted == nullptr || !*settings_.is_interrupted) return;
        played_.was_interrupted = true;
        throw Stop{};
    }

    void record(TraceStep step) {
        if (played_.outcome.trace.size() >= trace_steps_max) return;
        step.at = target_.now();
        played_.outcome.trace.push_back(std::move(step));
    }

    void record_packet(char client, const Buffer& bytes) {
        const auto packet = decode(bytes, model_.version(client), Sender::client);
        auto text = describe(packet);
        if (!packet.is_decodable) text = std::to_string(bytes.size()) + " bytes of " + text;
        record({.kind = TraceStep::Kind::packet,
                .from = std::string{client},
                .to = "broker",
                .bytes = bytes,
                .text = std::move(text)});
    }

    /// Ends the Sessions and removes the Retained Messages that the script may have left.
    void clean_up() {
        for (auto& one : wires_) {
            if (one.connection != nullptr) one.connection->close(Ending::finish);
            one.connection.reset();
        }
        const auto deadline = target_.now() + settings_.tolerances.answer();
        const auto converse = [&](ProtocolVersion version, const std::string& client_id,
                                  const std::vector<Buffer>& packets, std::size_t answer_bytes) {
            std::string problem;
            const auto connection = target_.open(problem);
            if (connection == nullptr) return;
            auto bytes =
                build_connect(with_credentials({.version = version, .client_id = client_id},
                                               settings_.credentials))
                    .bytes();
            for (const auto& packet : packets) append(bytes, packet);
            connection->send(bytes);
            Buffer answers;
            while (answers.size() < answer_bytes &&
                   connection->receive(answers, deadline) == Arrival::bytes) {
            }
            connection->send(build_disconnect(version).bytes());
            connection->close(Ending::finish);
        };
        for (const auto& [client_id, version] : model_.sessions_to_end()) {
            converse(version, client_id, {}, 4);
        }
        const auto version =
            settings_.capabilities.speaks_v5 ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
        std::vector<Buffer> packets;
        for (const auto& topic : model_.topics_to_clear()) {
            packets.push_back(build_publish(version, {.topic = topic, .retain = true}).bytes());
        }
        if (packets.empty()) return;
        packets.push_back(build_pingreq().bytes());
        converse(version, "c" + settings_.token + "0", packets, 6);
    }

    Target& target_;
    const Script& script_;
    const PlaySettings& settings_;
    Model model_;
    std::array<Wire, 4> wires_{};
    std::size_t received_ = 0;
    Played played_{};
};

}  // namespace

Played play(Target& target, const Script& script, const PlaySettings& settings) {
    return Player{target, script, settings}.run();
}

}  // namespace touchstone::conformance::generated
