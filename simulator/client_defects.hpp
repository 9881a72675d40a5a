// Defect switches of a simulated client: published bugs of client libraries and bridges, built in
// on purpose and off. Each is named as in the catalogue of published defects
// (scenarios/catalogue.pbtxt); a name that nodes have as well (broker/base/defects.hpp) is the same
// mistake on the other side.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

namespace touchstone::simulator {

// name, what the client does wrong; by name
#define TOUCHSTONE_CLIENT_DEFECTS(X)                                                               \
    X(qos2_client_no_dedupe, "a repeated QoS 2 message reaches the application again")             \
    X(qos2_rx_not_in_session, "which QoS 2 messages were received goes with the connection")

enum class ClientDefect : std::uint8_t {
#define TOUCHSTONE_DEFECT(name, story) name,
    TOUCHSTONE_CLIENT_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
};

/// One switch with its name, for command lines and reports.
struct ClientDefectSwitch {
    ClientDefect defect;
    std::string_view name;
    std::string_view story;
};

inline constexpr auto client_defect_switches = std::to_array<ClientDefectSwitch>({
#define TOUCHSTONE_DEFECT(name, story) {ClientDefect::name, #name, story},
    TOUCHSTONE_CLIENT_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
});

/// The switches that are on: none at first.
class ClientDefects {
public:
    [[nodiscard]] bool has(ClientDefect defect) const {
        return is_on_[static_cast<std::size_t>(defect)];
    }
    void turn_on(ClientDefect defect) { is_on_.set(static_cast<std::size_t>(defect)); }

private:
    std::bitset<client_defect_switches.size()> is_on_;
};

/// Turns the switch called `name` on. False when there is none.
[[nodiscard]] inline bool turn_on(ClientDefects& defects, std::string_view name) {
    for (const auto& one : client_defect_switches) {
        if (one.name != name) continue;
        defects.turn_on(one.defect);
        return true;
    }
    return false;
}

}  // namespace touchstone::simulator
