// Watches one client's conversation with the broker and applies the rules that hold in every case:
// what may come when, answers that belong to requests, identifiers in use, the limits of CONNECT.
// A rule about a single packet is the reader's (packets/reader.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/packets/reader.hpp"

namespace touchstone::conformance {

class Monitor {
public:
    /// A new Network Connection of the same client: nothing of the old one counts any more.
    void on_opened();
    /// `packet` was sent by the client. A packet with faults stops the rules about answers.
    void on_sent(const Packet& packet);
    /// `packet` came from the broker. Returns the rules that it breaks. Puts the Topic Name in
    /// place of a known Topic Alias.
    [[nodiscard]] std::vector<Fault> on_received(Packet& packet);

private:
    /// A PUBLISH from the broker whose flow is not complete.
    struct Flow {
        std::uint8_t qos = 1;
        bool is_released = false;  // PUBREC was sent
        std::string topic{};
        std::string payload{};
    };

    [[nodiscard]] bool is_resumed() const {
        return connack_.has_value() && connack_->session_present();
    }
    void check_order(const Packet& packet, std::vector<Fault>& faults);
    void check_limits(const Packet& packet, std::vector<Fault>& faults) const;
    void check_connack(const Packet& packet, std::vector<Fault>& faults);
    void check_auth(const Packet& packet, std::vector<Fault>& faults) const;
    void check_publish(Packet& packet, std::vector<Fault>& faults);
    void check_alias(Packet& packet, std::vector<Fault>& faults);
    void check_pubrel(const Packet& packet, std::vector<Fault>& faults);
    void check_answer(Packet& packet, std::vector<Fault>& faults);

    using Request = std::pair<PacketType, std::uint16_t>;  // type of the answer, Packet Identifier
    std::map<Request, std::size_t> awaited_{};             // how many such answers may come
    std::map<std::uint16_t, std::size_t> filters_of_{};    // filters of SUBSCRIBE and UNSUBSCRIBE
    bool has_sent_faulty_ = false;
    bool has_sent_no_filter_ = false;
    std::optional<Packet> connect_{};
    std::optional<Packet> connack_{};
    bool has_received_disconnect_ = false;
    std::map<std::uint16_t, Flow> flows_{};
    std::map<std::uint32_t, std::string> topic_of_alias_{};
};

}  // namespace touchstone::conformance
