// What a run counts. One list, so that reports, metrics and sums cannot forget one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace touchstone::load {

// name, meaning
#define TOUCHSTONE_LOAD_COUNTS(X)                                                                  \
    X(connect_attempts, "connections tried")                                                       \
    X(connects, "connections accepted with CONNACK")                                               \
    X(refused, "CONNACK with a Reason Code of refusal")                                            \
    X(connect_failures, "connections that could not be opened, or ended before CONNACK")           \
    X(connect_timeouts, "no CONNACK in time")                                                      \
    X(lost_connections, "connections that ended without being asked to")                           \
    X(answer_timeouts, "connections given up because a PINGRESP did not come in time")             \
    X(pings, "PINGREQ sent")                                                                       \
    X(pings_answered, "PINGRESP received")                                                         \
    X(subscriptions, "subscriptions granted")                                                      \
    X(subscriptions_refused, "subscriptions refused")                                              \
    X(offered, "messages that were due")                                                           \
    X(sent, "messages sent")                                                                       \
    X(sent_bytes, "bytes of their payloads")                                                       \
    X(acknowledged, "messages acknowledged: PUBACK or PUBCOMP")                                    \
    X(refused_messages, "messages refused with a Reason Code")                                     \
    X(abandoned, "messages unacknowledged when their Session ended")                               \
    X(held_back, "messages that waited for an acknowledgement or for room in the socket")          \
    X(publisher_away, "messages that were due while their publisher had no connection")            \
    X(expected, "deliveries that the messages sent should come to")                                \
    X(received, "messages received")                                                               \
    X(received_bytes, "bytes of their payloads")                                                   \
    X(received_once, "different messages received, of those that carry a number")                  \
    X(duplicates, "messages received again")                                                       \
    X(out_of_order, "messages received after a later one of the same publisher")                   \
    X(unstamped, "messages received without a number")                                             \
    X(foreign, "messages received that this run did not send")                                     \
    X(wills, "Will Messages received")                                                             \
    X(protocol_errors, "packets that could not be understood")                                     \
    X(tls_failures, "TLS handshakes that failed")                                                  \
    X(files_short, "no descriptor left")                                                           \
    X(ports_short, "no local port left")                                                           \
    X(memory_short, "no memory for a socket")                                                      \
    X(sent_in_window, "messages sent while it was measured")                                       \
    X(offered_in_window, "messages due while it was measured")                                     \
    X(received_in_window, "messages received while it was measured")

enum class Count : std::uint8_t {
#define TOUCHSTONE_LOAD_COUNT(name, meaning) name,
    TOUCHSTONE_LOAD_COUNTS(TOUCHSTONE_LOAD_COUNT)
#undef TOUCHSTONE_LOAD_COUNT
        count_of_counts,
};
inline constexpr auto count_kinds = static_cast<std::size_t>(Count::count_of_counts);

struct CountText {
    std::string_view name;
    std::string_view meaning;
};
inline constexpr std::array<CountText, count_kinds> count_texts{{
#define TOUCHSTONE_LOAD_COUNT(name, meaning) {#name, meaning},
    TOUCHSTONE_LOAD_COUNTS(TOUCHSTONE_LOAD_COUNT)
#undef TOUCHSTONE_LOAD_COUNT
}};

class Counts {
public:
    std::uint64_t& operator[](Count count) { return values_[static_cast<std::size_t>(count)]; }
    std::uint64_t operator[](Count count) const { return values_[static_cast<std::size_t>(count)]; }
    void add(const Counts& other) {
        for (std::size_t i = 0; i < count_kinds; ++i) values_[i] += other.values_[i];
    }
    [[nodiscard]] Counts minus(const Counts& earlier) const {
        Counts difference = *this;
        for (std::size_t i = 0; i < count_kinds; ++i) difference.values_[i] -= earlier.values_[i];
        return difference;
    }

private:
    std::array<std::uint64_t, count_kinds> values_{};
};

}  // namespace touchstone::load
