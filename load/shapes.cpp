#include "load/shapes.hpp"

#include <algorithm>

namespace touchstone::load {

namespace {

struct NamedShape {
    std::string_view name;
    Shape shape;
};
constexpr NamedShape shapes[] = {{"pairs", Shape::pairs},
                                 {"fan-in", Shape::fan_in},
                                 {"fan-out", Shape::fan_out},
                                 {"shared", Shape::shared}};

}  // namespace

std::optional<Shape> shape_named(std::string_view name) {
    for (const auto& shape : shapes) {
        if (shape.name == name) return shape.shape;
    }
    return std::nullopt;
}

std::string_view name_of(Shape shape) {
    const auto* const found = std::ranges::find(shapes, shape, &NamedShape::shape);
    return found->name;
}

std::vector<Group> groups_of(const ShapeOptions& options) {
    Group publishers{.name = "publishers", .count = options.publishers};
    Group subscribers{.name = "subscribers", .count = options.subscribers};
    for (auto* const group : {&publishers, &subscribers}) {
        group->keep_alive_s = options.keep_alive_s;
        group->ramp_per_s = options.connects_per_s;
        group->is_persistent = options.is_persistent;
        group->reconnecting = options.reconnecting;
    }
    publishers.publishing = options.publishing;
    auto& audience = publishers.publishing.audience;
    audience.kind = Audience::Kind::own_topic;
    audience.topics = options.topics > 0              ? options.topics
                      : options.shape == Shape::pairs ? std::max(1U, options.publishers)
                                                      : 1;
    subscribers.subscribing.qos = options.subscriber_qos;
    subscribers.subscribing.streams_of = {0};
    subscribers.subscribing.is_shared = options.shape == Shape::shared;
    return {publishers, subscribers};
}

}  // namespace touchstone::load
