// Workloads by their shape: who publishes to whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "load/workload.hpp"

namespace touchstone::load {

enum class Shape : std::uint8_t {
    pairs,    // publisher i to subscriber i, each pair with a topic of its own
    fan_in,   // all publish on one topic, few subscribe to it
    fan_out,  // few publish on one topic, all subscribe to it
    shared,   // all publish on one topic, subscribers share it: each message goes to one of them
};

[[nodiscard]] std::optional<Shape> shape_named(std::string_view name);
[[nodiscard]] std::string_view name_of(Shape shape);

struct ShapeOptions {
    Shape shape = Shape::pairs;
    std::uint32_t publishers = 100;
    std::uint32_t subscribers = 100;
    std::uint32_t topics = 0;  // 0: as the shape has it
    Publishing publishing;     // its audience is the shape's
    QoS subscriber_qos = QoS::at_most_once;
    std::uint16_t keep_alive_s = 60;
    double connects_per_s = 0;
    bool is_persistent = false;
    Reconnecting reconnecting;
};

/// The groups "publishers" and "subscribers".
[[nodiscard]] std::vector<Group> groups_of(const ShapeOptions& options);

}  // namespace touchstone::load
