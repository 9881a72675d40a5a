// FilterIndex: Topic Filters with something attached, found by the Topic Names they match (§4.7).
// Filters without wildcards are one look-up; those with wildcards are a tree of levels whose edges
// stand in one hash table, so a match costs a look-up per level and per `+` on the way, however
// many filters there are. Nothing depends on the order of the tables.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/base/hash.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone {

/// `Entry` is default-constructed when its filter is first added and keeps its address until the
/// filter is removed.
template <class Entry>
class FilterIndex {
public:
    /// `hash_seed`: unpredictable for those who choose the filters.
    explicit FilterIndex(std::uint64_t hash_seed, bool dollar_rule_ignored = false)
        : exact_{0, TextHash{hash_seed}},
          edges_{0, EdgeHash{hash_seed}},
          dollar_rule_ignored_{dollar_rule_ignored} {}
    FilterIndex(const FilterIndex&) = delete;
    FilterIndex& operator=(const FilterIndex&) = delete;
    ~FilterIndex() {
        for (auto& [text, named] : exact_) delete named;
        for (auto& [edge, node] : edges_) delete node;
    }

    /// The entry of `filter`, made when it is new. `filter` is a valid Topic Filter.
    Entry& add(std::string_view filter) {
        if (!wire::has_wildcard(filter)) {
            if (const auto found = exact_.find(filter); found != exact_.end())
                return found->second->entry;
            auto* named = new Named{std::string{filter}, {}};
            exact_.emplace(named->filter, named);
            return named->entry;
        }
        auto* node = &root_;
        for_each_level(filter, [&](std::string_view level) { node = &child(*node, level); });
        if (!node->entry) {
            node->entry = std::make_unique<Entry>();
            ++wildcard_filter_count_;
        }
        return *node->entry;
    }

    /// The entry of exactly `filter`; null when there is none.
    [[nodiscard]] Entry* find(std::string_view filter) {
        if (!wire::has_wildcard(filter)) {
            const auto found = exact_.find(filter);
            return found == exact_.end() ? nullptr : &found->second->entry;
        }
        auto* node = find_node(filter);
        return node == nullptr ? nullptr : node->entry.get();
    }

    /// Forgets `filter`, which is there.
    void remove(std::string_view filter) {
        if (!wire::has_wildcard(filter)) {
            const auto found = exact_.find(filter);
            CHECK(found != exact_.end());
            auto* named = found->second;
            exact_.erase(found);
            delete named;
            return;
        }
        auto* node = find_node(filter);
        CHECK(node != nullptr && node->entry);
        node->entry.reset();
        --wildcard_filter_count_;
        while (node->parent != nullptr && !node->entry && node->child_count == 0) {
            auto* const parent = node->parent;
            if (parent->plus == node) parent->plus = nullptr;
            if (parent->hash == node) parent->hash = nullptr;
            --parent->child_count;
            edges_.erase(Edge{parent->id, node->level});
            delete node;
            node = parent;
        }
    }

    /// Calls `visit(Entry&)` once for each filter that matches `name`. `visit` does not change the
    /// index.
    template <class Visit>
    void match(std::string_view name, Visit visit) {
        if (const auto found = exact_.find(name); found != exact_.end())
            visit(found->second->entry);
        if (wildcard_filter_count_ == 0) return;
        // A filter that begins with a wildcard does not match names that begin with $
        // [MQTT-4.7.2-1].
        const bool may_begin_with_wildcard = !name.starts_with('$') || dollar_rule_ignored_;
        match_below(root_, name, may_begin_with_wildcard, visit);
    }

    [[nodiscard]] std::size_t size() const { return exact_.size() + wildcard_filter_count_; }

private:
    struct Named {
        std::string filter;
        Entry entry;
    };
    struct Node {
        Node* parent = nullptr;
        std::uint32_t id = 0;
        std::uint32_t child_count = 0;
        Node* plus = nullptr;  // the child `+`
        Node* hash = nullptr;  // the child `#`
        std::string level;
        std::unique_ptr<Entry> entry;
    };
    struct Edge {
        std::uint32_t parent_id;
        std::string_view level;  // the child's own
        friend bool operator==(const Edge&, const Edge&) = default;
    };
    struct TextHash {
        using is_avalanching = void;
        std::uint64_t seed;
        std::size_t operator()(std::string_view text) const { return hash_of(text, seed); }
    };
    struct EdgeHash {
        using is_avalanching = void;
        std::uint64_t seed;
        std::size_t operator()(const Edge& edge) const {
            return hash_of(edge.level, seed + edge.parent_id * 0x9E37'79B9'7F4A'7C15U);
        }
    };

    template <class Visit>
    static void for_each_level(std::string_view text, Visit visit) {
        for (;;) {
            const auto slash = text.find('/');
            visit(text.substr(0, slash));
            if (slash == std::string_view::npos) return;
            text.remove_prefix(slash + 1);
        }
    }

    Node& child(Node& parent, std::string_view level) {
        if (const auto found = edges_.find(Edge{parent.id, level}); found != edges_.end())
            return *found->second;
        auto* node = new Node;
        node->parent = &parent;
        node->id = ++last_node_id_;
        node->level = level;
        edges_.emplace(Edge{parent.id, node->level}, node);
        ++parent.child_count;
        if (level == "+") parent.plus = node;
        if (level == "#") parent.hash = node;
        return *node;
    }

    Node* find_node(std::string_view filter) {
        auto* node = &root_;
        for_each_level(filter, [&](std::string_view level) {
            if (node == nullptr) return;
            const auto found = edges_.find(Edge{node->id, level});
            node = found == edges_.end() ? nullptr : found->second;
        });
        return node;
    }

    template <class Visit>
    void match_below(Node& node, std::string_view rest, bool wildcards, Visit& visit) {
        if (wildcards && node.hash != nullptr) visit(*node.hash->entry);
        const auto slash = rest.find('/');
        const auto level = rest.substr(0, slash);
        const auto step = [&](Node& next) {
            if (slash != std::string_view::npos) {
                match_below(next, rest.substr(slash + 1), true, visit);
                return;
            }
            if (next.entry) visit(*next.entry);
            // `a/#` matches `a` too (§4.7.1.2).
            if (next.hash != nullptr) visit(*next.hash->entry);
        };
        if (wildcards && node.plus != nullptr) step(*node.plus);
        // A level of a name is never `+` or `#`, so this finds no wildcard.
        if (const auto found = edges_.find(Edge{node.id, level}); found != edges_.end())
            step(*found->second);
    }

    boost::unordered_flat_map<std::string_view, Named*, TextHash> exact_;
    boost::unordered_flat_map<Edge, Node*, EdgeHash> edges_;
    Node root_;
    std::uint32_t last_node_id_ = 0;
    std::size_t wildcard_filter_count_ = 0;
    bool dollar_rule_ignored_;
};

}  // namespace touchstone
