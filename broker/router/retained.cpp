#include "broker/router/retained.hpp"

#include <algorithm>
#include <utility>

namespace touchstone {
namespace {

/// How long the version of a removed topic is remembered: far longer than a message between shards
/// of one node can be under way.
constexpr Duration removal_remembered = std::chrono::seconds{60};

/// Takes the first level off `text`; the second member is false when it was the last one.
std::pair<std::string_view, bool> take_level(std::string_view& text) {
    const auto slash = text.find('/');
    const auto level = text.substr(0, slash);
    if (slash == std::string_view::npos) return {level, false};
    text.remove_prefix(slash + 1);
    return {level, true};
}

bool is_alive(const MessageRef& message, Instant now) {
    return message && message->expires_at() > now;
}

}  // namespace

RetainedMessages::Node& RetainedMessages::node_of(std::string_view topic) {
    auto* node = &root_;
    for (bool more = true; more;) {
        const auto [level, goes_on] = take_level(topic);
        more = goes_on;
        auto found = node->children.find(level);
        if (found == node->children.end())
            found = node->children.emplace(std::string{level}, std::make_unique<Node>()).first;
        node = found->second.get();
    }
    return *node;
}

const RetainedMessages::Node* RetainedMessages::find_node(std::string_view topic) const {
    const auto* node = &root_;
    for (bool more = true; more;) {
        const auto [level, goes_on] = take_level(topic);
        more = goes_on;
        const auto found = node->children.find(level);
        if (found == node->children.end()) return nullptr;
        node = found->second.get();
    }
    return node;
}

void RetainedMessages::prune(Node& node, std::string_view topic) {
    const auto [level, goes_on] = take_level(topic);
    const auto found = node.children.find(level);
    if (found == node.children.end()) return;
    auto& child = *found->second;
    if (goes_on) prune(child, topic);
    if (!child.message && child.version == RetainVersion{} && child.children.empty())
        node.children.erase(found);
}

RetainedMessages::Stored RetainedMessages::store(const MessageRef& message, RetainVersion version,
                                                 Instant now) {
    const auto remember = [&](Instant at) {
        due_.push_back({at, version, std::string{message->topic()}});
        std::push_heap(due_.begin(), due_.end(), Later{});
    };
    const auto* const known = find_node(message->topic());
    if (known != nullptr && known->version >= version) return Stored::older;

    if (message->payload().empty()) {
        if (known == nullptr && !with_peers_) return Stored::yes;
        auto& node = node_of(message->topic());
        put(node, {});
        node.version = with_peers_ ? version : RetainVersion{};
        if (with_peers_) remember(now + removal_remembered);
        prune(root_, message->topic());
        return Stored::yes;
    }
    if (!has_room(message->topic(), message->size_bytes())) return Stored::full;
    auto& node = node_of(message->topic());
    put(node, message);
    node.version = version;
    if (message->expires_at() != never) remember(message->expires_at());
    return Stored::yes;
}

bool RetainedMessages::has_room(std::string_view topic, std::size_t size_bytes) const {
    const auto* const known = find_node(topic);
    const bool replaces = known != nullptr && known->message;
    const auto freed_bytes = replaces ? known->message->size_bytes() : 0;
    return (replaces || count_ < limits_.count_max) &&
           (size_bytes <= freed_bytes || bytes_ - freed_bytes + size_bytes <= limits_.bytes_max);
}

void RetainedMessages::put(Node& node, MessageRef message) {
    if (node.message) {
        --count_;
        bytes_ -= node.message->size_bytes();
    }
    if (message) {
        ++count_;
        bytes_ += message->size_bytes();
    }
    node.message = std::move(message);
}

MessageRef RetainedMessages::find(std::string_view topic, Instant now) const {
    const auto* const node = find_node(topic);
    if (node == nullptr || !is_alive(node->message, now)) return {};
    return node->message;
}

void RetainedMessages::collect(std::string_view filter, Instant now,
                               std::vector<MessageRef>& into) const {
    collect_below(root_, filter, true, now, into);
}

void RetainedMessages::collect_below(const Node& node, std::string_view filter, bool first,
                                     Instant now, std::vector<MessageRef>& into) {
    const auto [level, goes_on] = take_level(filter);
    if (level == "#") {
        // The parent level itself matches too (§4.7.1.2).
        if (!first && is_alive(node.message, now)) into.push_back(node.message);
        collect_all(node, first, now, into);
        return;
    }
    // clang 14 cannot capture a structured binding itself.
    const auto step = [&, is_deeper = goes_on](const Node& child) {
        if (is_deeper)
            collect_below(child, filter, false, now, into);
        else if (is_alive(child.message, now))
            into.push_back(child.message);
    };
    if (level == "+") {
        for (const auto& [name, child] : node.children) {
            if (first && name.starts_with('$')) continue;  // [MQTT-4.7.2-1]
            step(*child);
        }
        return;
    }
    if (const auto found = node.children.find(level); found != node.children.end())
        step(*found->second);
}

void RetainedMessages::collect_all(const Node& node, bool first, Instant now,
                                   std::vector<MessageRef>& into) {
    for (const auto& [name, child] : node.children) {
        if (first && name.starts_with('$')) continue;  // [MQTT-4.7.2-1]
        if (is_alive(child->message, now)) into.push_back(child->message);
        collect_all(*child, false, now, into);
    }
}

Instant RetainedMessages::sweep(Instant now) {
    while (!due_.empty() && due_.front().at <= now) {
        std::pop_heap(due_.begin(), due_.end(), Later{});
        const auto due = std::move(due_.back());
        due_.pop_back();
        const auto* const found = find_node(due.topic);
        if (found == nullptr || found->version != due.version) continue;  // a newer one is there
        auto& node = node_of(due.topic);
        put(node, {});
        node.version = {};
        prune(root_, due.topic);
    }
    return due_.empty() ? never : due_.front().at;
}

}  // namespace touchstone
