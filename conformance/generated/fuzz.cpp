#include "conformance/generated/fuzz.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "conformance/packets/build.hpp"

namespace touchstone::conformance::generated {

namespace {

constexpr std::chrono::milliseconds slice{5};
/// What is read of what an attack is answered with.
constexpr std::size_t answer_bytes_max = 4'000'000;

struct Client {
    std::unique_ptr<Connection> connection{};
    Buffer stream{};
    ProtocolVersion version = ProtocolVersion::v5;
    bool has_ended = false;
};

struct Wrong {
    Divergence divergence;
    bool is_gone = false;
};

}  // namespace

class Siege::State {
public:
    State(Target& target, const PlaySettings& settings)
        : target_{target},
          settings_{settings},
          version_{settings.capabilities.speaks_v5 ? ProtocolVersion::v5
                                                   : ProtocolVersion::v3_1_1} {}

    std::string begin() {
        try {
            publisher_ = connect("p");
            subscriber_ = connect("s");
            observer_ = connect("o");
            subscribe(subscriber_, witness_topic());
            // A plain filter: what attackers publish goes past the witnesses, and is looked at.
            for (const char last : {'a', 'b', 'c'}) {
                subscribe(observer_, settings_.token + "/f/" + last);
            }
            subscribe(observer_, settings_.token + "/f/will");
        } catch (const Wrong& wrong) {
            return wrong.divergence.text;
        }
        return {};
    }

    Attacked run(const Attack& attack) {
        Attacked attacked;
        try {
            throw_if_interrupted();
            assault(attack, attacked);
            const auto before = target_.now();
            check_witnesses();
            attacked.round_trip = target_.now() - before;
            check_newcomer();
        } catch (const Wrong& wrong) {
            attacked.divergence = wrong.divergence;
            attacked.is_gone = wrong.is_gone;
        } catch (const Interrupted&) {
            attacked.was_interrupted = true;
        }
        return attacked;
    }

    void clean_up() {
        try {
            for (int i = 0; i < 4; ++i) {
                auto client = open();
                send(client,
                     build_connect({.version = version_,
                                    .client_id = "c" + settings_.token + std::to_string(i)}));
                if (!expect(client, PacketType::connack).has_value()) continue;
                for (const char last : {'a', 'b', 'c'}) {
                    const auto topic = settings_.token + "/f/" + last;
                    send(client, build_publish(version_, {.topic = topic, .retain = true}));
                }
                send(client, build_disconnect(version_));
                client.connection->close(Ending::finish);
            }
        } catch (const Wrong&) {
            // A broker that is gone needs no cleaning.
        }
    }

private:
    struct Interrupted {};

    [[nodiscard]] std::string witness_topic() const { return settings_.token + "/witness"; }

    void throw_if_interrupted() const {
        if (settings_.is_interrupted != nullptr && *settings_.is_interrupted) throw Interrupted{};
    }

    [[noreturn]] static void complain(std::string kind, std::string text, bool is_gone = false) {
        throw Wrong{{"", std::move(kind), std::move(text)}, is_gone};
    }

    Client open() {
        std::string problem;
        Client client{.connection = target_.open(problem), .version = version_};
        if (client.connection == nullptr) {
            complain("broker gone", "no Network Connection can be opened: " + problem, true);
        }
        return client;
    }

    static void send(Client& client, const Draft& draft) { client.connection->send(draft.bytes()); }

    /// Takes whole packets that are there, waiting until `deadline` for the first.
    std::vector<Packet> receive(Client& client, Instant deadline) {
        std::vector<Packet> packets;
        for (;;) {
            Buffer raw;
            while (take_packet(client.stream, raw) != Framing::need_more) {
                packets.push_back(decode(raw, client.version, Sender::server));
            }
            if (!packets.empty() || client.has_ended) return packets;
            throw_if_interrupted();
            const auto arrival = client.connection->receive(client.stream, deadline);
            if (arrival == Arrival::bytes) continue;
            if (arrival == Arrival::deadline) return packets;
            client.has_ended = true;
        }
    }

    /// The next packet of `type`; others are answered and looked at on the way.
    std::optional<Packet> expect(Client& client, PacketType type) {
        const auto deadline = target_.now() + settings_.tolerances.answer();
        std::optional<Packet> found;
        while (!found.has_value() && !client.has_ended && target_.now() < deadline) {
            for (auto& packet : receive(client, std::min(deadline, target_.now() + slice))) {
                if (packet.type == PacketType::publish) on_publish(client, packet);
                if (packet.type == type && !found.has_value()) found = std::move(packet);
            }
        }
        return found;
    }

    void on_publish(Client& client, const Packet& packet) {
        for (const auto& fault : packet.faults) {
            // Of what has no number the broker may pass on what it got (§4.13.1).
            if (fault.statement.find("/MQTT-") == std::string::npos) continue;
            throw Wrong{{fault.statement, "ill-formed packet passed on",
                         fault.text + ": " + describe(packet)}};
        }
        if (packet.qos == 1) {
            send(client,
                 build_acknowledgement(client.version, PacketType::puback, packet.packet_id));
        }
        if (&client != &subscriber_) return;
        if (packet.topic == witness_topic() && packet.payload == expected_) {
            has_arrived_ = true;
            return;
        }
        if (packet.topic == witness_topic() && packet.payload == previous_) return;
        complain("isolation broken", "the witness gets what is not for it: " + describe(packet));
    }

    Client connect(const std::string& name) {
        auto client = open();
        send(client, build_connect({.version = version_,
                                    .client_id = "c" + settings_.token + name,
                                    .keep_alive_s = 0}));
        const auto connack = expect(client, PacketType::connack);
        if (!connack.has_value()) complain("no liveness", "a CONNECT gets no CONNACK");
        if (connack->reason_code != 0) {
            complain("no liveness", "a CONNECT is refused: " + describe(*connack));
        }
        return client;
    }

    void subscribe(Client& client, const std::string& filter) {
        send(client, build_subscribe(version_, 1, {{.filter = filter, .options = 1}}));
        const auto suback = expect(client, PacketType::suback);
        if (!suback.has_value()) complain("no liveness", "SUBSCRIBE gets no SUBACK");
    }

    /// Sends the attack, and takes what comes back.
    void assault(const Attack& attack, Attacked& attacked) {
        auto client = open();
        client.version = attack.version;
        for (const auto& packet : attack.packets) {
            if (client.has_ended || !send_in_pieces(client, packet, attack.piece_bytes)) break;
            look_at_answers(client, attack, attacked);
        }
        // What it was sent is processed when the witnesses have made their round trip.
        check_witnesses();
        look_at_answers(client, attack, attacked);
        client.connection->close(attack.ending);
    }

    /// False when the broker has ended the connection.
    static bool send_in_pieces(Client& client, const Buffer& packet, std::size_t piece_bytes) {
        constexpr std::size_t pieces_max = 1'000;
        const auto piece = piece_bytes == 0 ? std::max<std::size_t>(packet.size(), 1)
                                            : std::max(piece_bytes, packet.size() / pieces_max);
        for (std::size_t at = 0; at < packet.size(); at += piece) {
            const auto size = std::min(piece, packet.size() - at);
            if (!client.connection->send(Bytes{packet}.subspan(at, size))) return false;
        }
        return true;
    }

    void look_at_answers(Client& client, const Attack& attack, Attacked& attacked) {
        for (auto packets = receive(client, target_.now()); !packets.empty();
             packets = receive(client, target_.now())) {
            for (const auto& packet : packets) {
                ++attacked.packets_received;
                if (!attack.is_connect_right) continue;
                if (!packet.is_decodable) {
                    complain("undecodable packet", "an attacker gets " + to_hex(packet.raw, 40));
                }
                for (const auto& fault : packet.faults) {
                    if (fault.statement.empty()) continue;
                    throw Wrong{{fault.statement, "ill-formed answer",
                                 fault.text + ": " + describe(packet)}};
                }
            }
            if (client.stream.size() > answer_bytes_max) {
                complain("answers without end", "an attacker is sent megabytes");
            }
        }
    }

    void check_witnesses() {
        previous_ = std::exchange(expected_, "w" + std::to_string(++count_));
        has_arrived_ = false;
        const auto began = target_.now();
        send(publisher_, build_publish(version_, {.topic = witness_topic(),
                                                  .payload = expected_,
                                                  .qos = settings_.capabilities.maximum_qos > 0
                                                             ? QoS::at_least_once
                                                             : QoS::at_most_once,
                                                  .packet_id = 1}));
        send(publisher_, build_pingreq());
        if (!expect(publisher_, PacketType::pingresp).has_value()) {
            complain_of(publisher_, "the publisher");
        }
        const auto deadline = began + settings_.tolerances.answer();
        while (!has_arrived_) {
            if (subscriber_.has_ended || target_.now() >= deadline) {
                complain_of(subscriber_, "the subscriber");
            }
            for (const auto& packet :
                 receive(subscriber_, std::min(deadline, target_.now() + slice))) {
                if (packet.type == PacketType::publish) on_publish(subscriber_, packet);
            }
        }
        send(observer_, build_pingreq());
        if (!expect(observer_, PacketType::pingresp).has_value()) {
            complain_of(observer_, "the observer");
        }
    }

    /// A witness that is not served: is it alone, or is the broker gone?
    void complain_of(const Client& client, const std::string& name) {
        std::string problem;
        const bool is_gone = target_.open(problem) == nullptr;
        complain(is_gone ? "broker gone" : "isolation broken",
                 name + " among the witnesses " +
                     (client.has_ended ? "is disconnected" : "gets no answer") +
                     (is_gone ? ", and no connection can be opened: " + problem : std::string{}),
                 is_gone);
    }

    void check_newcomer() {
        auto client = connect("n");
        send(client, build_disconnect(version_));
        client.connection->close(Ending::finish);
    }

    Target& target_;
    const PlaySettings& settings_;
    ProtocolVersion version_;
    Client publisher_{};
    Client subscriber_{};
    Client observer_{};
    std::uint64_t count_ = 0;
    std::string expected_{};
    std::string previous_{};
    bool has_arrived_ = false;
};

Siege::Siege(Target& target, const PlaySettings& settings)
    : state_{std::make_unique<State>(target, settings)} {}
Siege::~Siege() = default;

std::string Siege::begin() {
    return state_->begin();
}
Attacked Siege::run(const Attack& attack) {
    return state_->run(attack);
}
void Siege::clean_up() {
    state_->clean_up();
}

std::optional<std::uint64_t> resident_bytes(unsigned process_id) {
    std::ifstream status{"/proc/" + std::to_string(process_id) + "/status"};
    std::string line;
    while (std::getline(status, line)) {
        if (!line.starts_with("VmRSS:")) continue;
        std::istringstream figure{line.substr(6)};
        std::uint64_t kibibytes = 0;
        if (figure >> kibibytes) return kibibytes * 1'024;
    }
    return std::nullopt;
}

}  // namespace touchstone::conformance::generated
