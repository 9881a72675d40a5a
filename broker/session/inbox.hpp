// Inbox: what a server remembers of one client's own publications: QoS 2 messages whose PUBREL is
// due (Session State) and Topic Aliases (of the Network Connection).
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/wire/types.hpp"

namespace touchstone {

class Inbox {
public:
    enum class Received : std::uint8_t {
        is_new,
        again,  // the identifier is there already: a duplicate [MQTT-4.3.3-10]
        full,   // `count_max` are there
    };
    Received receive(wire::PacketId packet_id, std::size_t count_max) {
        if (has(packet_id)) {
            carried_over_.erase(packet_id.raw());
            return Received::again;
        }
        if (unreleased_.size() >= count_max) return Received::full;
        unreleased_.insert(packet_id.raw());
        return Received::is_new;
    }
    [[nodiscard]] bool has(wire::PacketId packet_id) const {
        return unreleased_.contains(packet_id.raw());
    }
    /// False when the identifier is unknown.
    bool release(wire::PacketId packet_id) {
        carried_over_.erase(packet_id.raw());
        return unreleased_.erase(packet_id.raw()) != 0;
    }
    [[nodiscard]] const boost::container::flat_set<std::uint16_t>& unreleased() const {
        return unreleased_;
    }

    /// Of these, how many were received on the connection of now.
    [[nodiscard]] std::size_t received_on_connection() const {
        return unreleased_.size() - carried_over_.size();
    }

    /// Sets or replaces what an alias stands for (v5 §3.3.2.3.4).
    void set_alias(std::uint16_t alias, std::string_view topic) { aliases_[alias] = topic; }
    /// Empty when the alias is unknown. Valid until the next set_alias.
    [[nodiscard]] std::string_view topic_of(std::uint16_t alias) const {
        const auto found = aliases_.find(alias);
        return found == aliases_.end() ? std::string_view{} : std::string_view{found->second};
    }
    /// Aliases do not outlive the Network Connection [MQTT-3.3.2-7].
    void begin_connection() {
        aliases_.clear();
        carried_over_ = unreleased_;
    }

    [[nodiscard]] bool is_empty() const { return unreleased_.empty() && aliases_.empty(); }

private:
    boost::container::flat_set<std::uint16_t> unreleased_;
    boost::container::flat_set<std::uint16_t> carried_over_;  // of these, from before the connection
    boost::container::flat_map<std::uint16_t, std::string> aliases_;
};

}  // namespace touchstone
