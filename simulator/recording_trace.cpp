// What the clients of recorded shards sent and were sent, as the trace of a run.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/record/codec.hpp"
#include "broker/wire/packets.hpp"
#include "simulator/engine.hpp"
#include "simulator/recording.hpp"
#include "simulator/recording_inputs.hpp"

namespace touchstone::simulator {

using record::Decoder;
using record::Frame;
using record::Kind;

namespace {

/// Those that follow from packets and Packet Identifiers alone, and not from how long nothing came.
constexpr auto packet_invariants = std::to_array<std::string_view>(
    {"O2", "O3", "O5", "W1", "P1", "P2", "A1", "limits", "receive-maximum", "reading", "refusal"});
/// Those that need all connections of a client, from the first on.
constexpr auto session_invariants = std::to_array<std::string_view>({"S1", "S3", "S4"});

/// A frame, with its place in the order of all shards.
struct Placed {
    Instant at;
    std::size_t shard = 0;
    std::size_t frame = 0;
};

/// Effects have the instant of their input.
std::vector<Placed> in_order(const std::vector<ShardRecord>& shards) {
    std::vector<Placed> all;
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
        Instant at{};
        const auto& frames = shards[shard].frames.all;
        for (std::size_t i = 0; i < frames.size(); ++i) {
            if (record::has_instant(frames[i].kind)) Decoder{frames[i].payload}(at);
            all.push_back({at, shard, i});
        }
    }
    std::ranges::stable_sort(all, {}, &Placed::at);
    return all;
}

bool has_storage(const ShardRecord& shard) {
    Broker::Options options;
    bool has_authentication = false;
    bool has_events = false;
    bool has_storage = false;
    Decoder{shard.frames.all.front().payload}(options, has_authentication, has_events, has_storage);
    return has_storage;
}

/// What the operator's settings promise, where they do so for every client and all the time.
TracedNode promises_of(const std::vector<ShardRecord>& shards, Actor actor) {
    // Without a word from the operator the standard's limits hold.
    TracedNode promises{.actor = actor, .inflight_max = 65'535};
    const bool are_changed = std::ranges::any_of(shards, [](const ShardRecord& shard) {
        return std::ranges::find(shard.frames.all, Kind::rules, &Frame::kind) !=
               shard.frames.all.end();
    });
    Broker::Options options;
    std::array<bool, 3> ports{};
    access::NodeRules rules;
    Decoder{shards.front().frames.all.front().payload}(options, ports[0], ports[1], ports[2],
                                                       rules);
    if (are_changed || rules.zones.size() != 1) return promises;
    const auto& settings = rules.zones.front().settings;
    promises.inflight_max = settings.inflight_max;
    promises.packet_id_max = settings.packet_id_max;
    promises.session_expiry_s_v3 = settings.session_expiry_s_v3;
    promises.session_expiry_s_max = settings.session_expiry_s_max;
    promises.keep_alive_s_max = settings.keep_alive_s_max;
    promises.packet_size_bytes_max = settings.packet_size_bytes_max;
    promises.has_user_name_as_client_id = rules.zones.front().policy.user_name_as_client_id;
    promises.retry_interval = settings.retry_interval;
    return promises;
}

class TraceWriter {
public:
    explicit TraceWriter(const std::vector<ShardRecord>& shards) : shards_{shards} {
        node_ = trace_.add_actor("broker");
        trace_.nodes.push_back(promises_of(shards, node_));
    }

    Trace write() {
        const auto all = in_order(shards_);
        std::optional<Instant> begin;
        for (const auto& one : all) {
            const auto& frame = shards_[one.shard].frames.all[one.frame];
            if (!is_usable(one.at)) break;  // what a replay refuses, and all behind it
            if (!begin && record::has_instant(frame.kind)) begin = one.at;
            if (begin) now_ = run_begin + (one.at - *begin);
            take(one.shard, one.frame);
        }
        trace_.end.at = now_;
        return std::move(trace_);
    }

private:
    struct Connection {
        ConnectionNumber number;
        ProtocolVersion version = ProtocolVersion::v3_1_1;
        std::array<StreamRecorder, 2> recorders;
        bool is_traced = false;
    };

    void take(std::size_t shard, std::size_t place) {
        const auto& frame = shards_[shard].frames.all[place];
        Decoder all{frame.payload};
        Instant at;
        ConnectionId id;
        switch (frame.kind) {
            case Kind::open:
                all(at, id);
                connections_[{shard, id}] = {};
                return;
            case Kind::bytes: {
                Bytes bytes;
                all(at, id, bytes);
                return on_bytes(connections_[{shard, id}], bytes, shard, place);
            }
            case Kind::sent: {
                Bytes bytes;
                all(id, bytes);
                return on_sent(connections_[{shard, id}], bytes);
            }
            case Kind::closed:
            case Kind::aborted:
                all(id);
                return on_end(shard, id,
                              frame.kind == Kind::closed ? TraceEntry::Kind::closed
                                                         : TraceEntry::Kind::aborted);
            case Kind::close: all(at, id); return on_end(shard, id, TraceEntry::Kind::ended);
            case Kind::moved:  // begins again on the other shard, with the same bytes
                all(id);
                connections_.erase({shard, id});
                return;
            case Kind::begin:
            case Kind::found:
            case Kind::recovered:
            case Kind::written:
            case Kind::peer:
            case Kind::tick:
            case Kind::stored:
            case Kind::read:
            case Kind::authenticated:
            case Kind::publish:
            case Kind::rules:
            case Kind::stop:
            case Kind::resumed:
            case Kind::told_peer:
            case Kind::drawn:
            case Kind::asked:
            case Kind::forgotten:
            case Kind::connected:
            case Kind::disconnected:
            case Kind::put:
            case Kind::erased:
            case Kind::committed:
            case Kind::looked_up:
            case Kind::readable:
            case Kind::unusable:
            case Kind::taken:
            case Kind::end: return;
        }
    }

    /// What the core took of the bytes stands behind the effects that it had meanwhile; nothing
    /// when the process ended before it was written.
    [[nodiscard]] std::optional<Intake> intake_of(std::size_t shard, std::size_t input,
                                                  bool& is_moved) const {
        const auto& frames = shards_[shard].frames.all;
        for (auto i = input + 1; i < frames.size() && record::is_effect(frames[i].kind); ++i) {
            is_moved = is_moved || frames[i].kind == Kind::moved;
            if (frames[i].kind != Kind::taken) continue;
            Intake intake;
            Decoder{frames[i].payload}(intake);
            return intake;
        }
        return std::nullopt;
    }

    /// All that was taken comes before the answers to it.
    void on_bytes(Connection& connection, Bytes bytes, std::size_t shard, std::size_t input) {
        bool is_moved = false;
        const auto intake = intake_of(shard, input, is_moved);
        auto size_bytes = intake ? std::min(intake->consumed_bytes, bytes.size()) : bytes.size();
        if (intake && intake->next == Intake::Next::gone && !is_moved) {
            // Bytes that are no packet end a connection and are not taken. Whole packets behind a
            // DISCONNECT are for nobody.
            Bytes rest = bytes.subspan(size_bytes);
            if (!wire::take_frame(rest, wire::packet_size_bytes_max, connection.version)) {
                size_bytes = bytes.size();
            }
        }
        if (size_bytes == 0) return;
        Buffer taken{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size_bytes)};
        if (!connection.is_traced) begin(connection, taken);
        transfer(connection, Direction::to_broker, taken);
    }

    void on_sent(Connection& connection, Bytes bytes) {
        if (!connection.is_traced) return;  // refused before it said anything
        const auto packets_before = trace_.packets.size();
        transfer(connection, Direction::to_client, bytes);
        for (auto i = packets_before; i < trace_.packets.size(); ++i) {
            const auto& packet = trace_.packets[i];
            // A client has no Session State where the server has none [MQTT-3.2.2-5].
            const bool is_fresh = !packet.malformed && packet.type == wire::PacketType::connack &&
                                  !is_failure(packet.reason) && !packet.session_present;
            if (is_fresh) note(connection, TraceEntry::Kind::forgot, Direction::to_client);
        }
    }

    /// `first` begins with the CONNECT, if its client behaves. The Password in it is made
    /// unreadable: no checker needs it, and reports are handed on.
    void begin(Connection& connection, Buffer& first) {
        connection.is_traced = true;
        Bytes rest = first;
        const auto frame =
            wire::take_frame(rest, wire::packet_size_bytes_max, ProtocolVersion::v3_1_1);
        std::string name;
        if (frame && frame.value() && frame.value()->type == wire::PacketType::connect) {
            if (const auto connect = wire::decode_connect(*frame.value())) {
                name = connect.value().client_id;
                if (const auto& password = connect.value().password) {
                    const auto at = password->data() - first.data();
                    std::fill_n(first.begin() + at, password->size(), std::byte{'*'});
                }
            }
        }
        const Actor client = actor_of(std::move(name));
        connection.number = trace_.add_connection(client, node_);
        note(connection, TraceEntry::Kind::opening, Direction::to_client);
        note(connection, TraceEntry::Kind::opened, Direction::to_broker);
    }

    /// Clients without a Client Identifier are others each time.
    Actor actor_of(std::string name) {
        if (name.empty()) {
            return trace_.add_actor("(no name) " + std::to_string(trace_.actors.size()));
        }
        const auto [known, is_new] = actors_.try_emplace(name);
        if (is_new) known->second = trace_.add_actor(std::move(name));
        return known->second;
    }

    void transfer(Connection& connection, Direction to, Bytes bytes) {
        auto& recorder = connection.recorders[static_cast<std::size_t>(to)];
        recorder.on_sent(trace_, now_, connection.number, to, bytes, connection.version);
        recorder.on_taken(trace_, now_, to, bytes.size());
    }

    void note(const Connection& connection, TraceEntry::Kind kind, Direction end) {
        trace_.add({now_, kind, end, trace_.client_of(connection.number), connection.number, 0});
    }

    void on_end(std::size_t shard, ConnectionId id, TraceEntry::Kind kind) {
        const auto found = connections_.find({shard, id});
        if (found == connections_.end()) return;
        if (found->second.is_traced) note(found->second, kind, Direction::to_broker);
        connections_.erase(found);
    }

    const std::vector<ShardRecord>& shards_;
    Trace trace_;
    Actor node_;
    Instant now_ = run_begin;
    std::map<std::pair<std::size_t, ConnectionId>, Connection> connections_;
    std::map<std::string, Actor> actors_;  // by Client Identifier
};

}  // namespace

Trace trace_of(const std::vector<ShardRecord>& shards) {
    return TraceWriter{shards}.write();
}

bool can_judge(std::string_view invariant, const std::vector<ShardRecord>& shards) {
    if (std::ranges::find(packet_invariants, invariant) != packet_invariants.end()) return true;
    return std::ranges::find(session_invariants, invariant) != session_invariants.end() &&
           std::ranges::none_of(shards, has_storage);
}

}  // namespace touchstone::simulator
