// expiry: what waited in the server for longer than its Message Expiry Interval is not sent any
// more [MQTT-3.3.2-5], and what is sent says how much of it is left [MQTT-3.3.2-6]. Both are judged
// where a message is sent for the first time, by the node's clock.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "broker/base/check.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// A driver's timer may be as coarse as this, and the interval counts whole seconds.
constexpr Duration tolerance = std::chrono::milliseconds{2'500};

struct Coming {
    Instant at;
    std::optional<std::uint32_t> expiry_s;
};

std::optional<std::uint32_t> expiry_of(const Trace& trace, const History& history,
                                       const TracedPacket& packet) {
    const auto version = history.of(packet.connection).version;
    if (version != ProtocolVersion::v5) return std::nullopt;
    const auto publish = wire::decode_publish(trace.frame_of(packet), version);
    CHECK(publish.has_value());  // or it would be no PUBLISH in the trace
    return publish.value().properties.integer(wire::PropertyId::message_expiry_interval);
}

class Judge {
public:
    Judge(const Trace& trace, const History& history) : trace_{trace}, history_{history} {}

    void see_coming(const TracedPacket& packet, Instant at) {
        const Actor node = history_.of(packet.connection).node;
        comings_[{node, packet.message}].push_back({at, expiry_of(trace_, history_, packet)});
    }

    void judge(const TracedPacket& packet, std::size_t index) {
        const Actor node = history_.of(packet.connection).node;
        const auto found = comings_.find({node, packet.message});
        if (found == comings_.end()) return;
        // Which copy of one that came several times is sent is not to be seen.
        const auto problem = [&](const Coming& one) { return problem_of(packet, index, one); };
        if (std::ranges::any_of(found->second,
                                [&](const Coming& one) { return problem(one).empty(); })) {
            return;
        }
        failures.push_back(
            {index,
             fmt::format("{} was sent to '{}' {}", label_of(trace_, packet.message),
                         history_.of(packet.connection).client_id, problem(found->second.back()))});
    }

    Failures failures;

private:
    [[nodiscard]] std::string problem_of(const TracedPacket& packet, std::size_t index,
                                         const Coming& coming) const {
        if (!coming.expiry_s) return {};
        const Actor node = history_.of(packet.connection).node;
        const Instant now = trace_.entries[index].at;
        const Duration expiry = std::chrono::seconds{*coming.expiry_s};
        // While its process is paused a node neither sends nor forgets; its clock may go on.
        const auto least = history_.active(trace_, node, coming.at, now);
        const auto most = std::max(least, trace_.elapsed(node, coming.at, now));
        if (least > expiry + tolerance) {
            return fmt::format("{} ms after it had come, with a Message Expiry Interval of {} s",
                               least.count() / 1'000, *coming.expiry_s);
        }
        if (history_.of(packet.connection).version != ProtocolVersion::v5) return {};
        const auto left = expiry_of(trace_, history_, packet);
        if (!left) return "without the Message Expiry Interval that it came with";
        const Duration left_us = std::chrono::seconds{*left};
        if (left_us <= expiry - least + tolerance && left_us + tolerance >= expiry - most)
            return {};
        return fmt::format(
            "with a Message Expiry Interval of {} s, {} ms after it had come with {} s", *left,
            least.count() / 1'000, *coming.expiry_s);
    }

    const Trace& trace_;
    const History& history_;
    std::map<std::pair<Actor, std::uint32_t>, std::vector<Coming>> comings_;  // node, message
};

}  // namespace

Failures check_message_expiry(const Trace& trace, const History& history) {
    Judge judge{trace, history};
    FlowReader flows{history};
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto& seen = flows.at(index);
        const bool is_publish =
            (entry.kind == TraceEntry::Kind::sent || entry.kind == TraceEntry::Kind::arrived) &&
            entry.type == wire::PacketType::publish;
        if (!is_publish || trace.packets[entry.index].message == no_message) continue;
        if (const auto* packet = taken_by_broker(trace, entry)) {
            judge.see_coming(*packet, entry.at);
        } else if (const auto* sent = sent_by_broker(trace, entry)) {
            const bool is_first = sent->qos == QoS::at_most_once ||
                                  seen.what == FlowTracker::What::started ||
                                  seen.what == FlowTracker::What::started_in_use;
            const bool is_will = trace.messages[sent->message].is_will;  // came with its CONNECT
            if (is_first && !is_will) judge.judge(*sent, index);
        }
    }
    return std::move(judge.failures);
}

}  // namespace touchstone::simulator
