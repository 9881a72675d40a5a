// FilterIndex: Topic Filters with something attached, found by the Topic Names they match (§4.7).
// Filters without wildcards are one look-up of the whole name; those with wildcards hang in a tree
// of levels whose edges stand in one hash table. A branch of the tree is there only where two
// filters part, so a filter mostly is one object with its text, one slot that names it, and two
// cache misses away from the name that it matches, however many filters there are. Nothing depends
// on the order of the tables.
#pragma once

#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/base/hash.hpp"
#include "broker/router/reference_table.hpp"
#include "broker/router/slab_arena.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone {

/// `Entry` is default-constructed when its filter is first added and keeps its address until the
/// filter is removed. `hash_mask`: a test can make all hashes collide.
template <class Entry, std::uint32_t hash_mask = 0xFFFF'FFFF>
class FilterIndex {
public:
    /// Names a filter until it is removed; never 0, and the highest bit is clear.
    using Ref = SlabArena::Ref;

    /// `hash_seed`: unpredictable for those who choose the filters.
    explicit FilterIndex(std::uint64_t hash_seed, bool dollar_matched = false)
        : hash_seed_{hash_seed},
          dollar_matched_{dollar_matched} {}
    FilterIndex(const FilterIndex&) = delete;
    FilterIndex& operator=(const FilterIndex&) = delete;
    ~FilterIndex() {
        exact_.for_each([this](Ref filter) { destroy_filter(filter); });
        edges_.for_each([this](Ref child) { destroy_child(child); });
        if (root_ != 0) destroy_child(root_);
    }

    /// `filter`, added when it is new. It is a valid Topic Filter.
    Ref add(std::string_view filter) {
        if (wire::has_wildcard(filter)) return add_to_tree(filter);
        const auto hash = hash_of_name(filter);
        if (const auto known = find_exact(filter, hash); known != 0) return known;
        const auto made = make_filter(filter);
        exact_.insert(hash, made);
        return made;
    }

    /// Exactly `filter`; 0 when it is not there.
    [[nodiscard]] Ref find(std::string_view filter) const {
        if (!wire::has_wildcard(filter)) return find_exact(filter, hash_of_name(filter));
        auto at = root_;
        for (std::size_t begin = 0; is_branch(at);) {
            if (begin > filter.size()) {
                at = branch(at).terminal;
                break;
            }
            const auto level = level_at(filter, begin);
            at = child_of(at, level, begin);
            begin += level.size() + 1;
        }
        return at != 0 && text(at) == filter ? at : 0;
    }

    [[nodiscard]] Entry& operator[](Ref filter) const {
        return *std::launder(reinterpret_cast<Entry*>(arena_.at(filter)));
    }

    /// Valid until the filter is removed.
    [[nodiscard]] std::string_view text(Ref filter) const {
        std::uint16_t size = 0;
        std::memcpy(&size, arena_.at(filter) + sizeof(Entry), sizeof size);
        return text_of(arena_.at(filter) + filter_text_at, size);
    }

    void remove(Ref filter) {
        if (wire::has_wildcard(text(filter)))
            remove_from_tree(filter);
        else
            exact_.erase(hash_of_name(text(filter)), filter);
        destroy_filter(filter);
        arena_.release(filter);
    }

    /// Calls `visit(Entry&)` once for each filter that matches `name`. `visit` does not change the
    /// index and does not match.
    template <class Visit>
    void match(std::string_view name, Visit visit) {
        if (exact_.size() != 0) {
            if (const auto found = find_exact(name, hash_of_name(name)); found != 0)
                visit((*this)[found]);
        }
        if (wildcard_filter_count_ != 0) match_in_tree(name, visit);
    }

    [[nodiscard]] std::size_t size() const { return exact_.size() + wildcard_filter_count_; }
    /// The places in the tree where filters part. It depends on the filters that are there, not on
    /// those that were.
    [[nodiscard]] std::size_t branch_count() const { return branch_count_; }
    /// Memory taken, but for what entries own and for texts of more than 256 bytes.
    [[nodiscard]] std::size_t reserved_bytes() const {
        return arena_.reserved_bytes() + exact_.reserved_bytes() + edges_.reserved_bytes();
    }

private:
    // A filter is an Entry, the size of its text (16 bits), its text.
    // A branch is a Branch, then the levels that lead to it from the root. It exists when at least
    // two filters begin with them; the root always. If they are long, only the last of them, behind
    // a LongEnd: two long filters can have a branch for each of their levels, and would take as
    // many copies of their beginning.
    struct Branch {
        Ref terminal = 0;  // the filter that ends here
        Ref many = 0;      // the filter that goes on with `#`, its last level
        Ref one = 0;       // filter or branch behind `+`
        Ref children = 0;  // all of them, those in the table of edges too, combined by exclusive or
        std::uint32_t child_count = 0;
        std::uint32_t levels_size = 0;
    };
    struct LongEnd {
        Ref above = 0;  // the branch of the levels before; it is there as long as this one
        std::uint32_t level_size = 0;
    };
    /// On the way down: where a branch or leaf was reached, or waits to be looked at.
    struct Step {
        Ref at;
        std::uint32_t name_at;    // the next level of the name; past its end: there is none
        std::uint32_t filter_at;  // the same level of the filters
    };
    static constexpr Ref branch_bit = 1U << 31U;
    static constexpr std::size_t filter_text_at = sizeof(Entry) + sizeof(std::uint16_t);
    // A longer text is not part of the object: it has memory of its own.
    static constexpr std::size_t inline_text_bytes_max = 256;
    static_assert(alignof(Entry) <= SlabArena::unit_bytes);
    static_assert(filter_text_at + inline_text_bytes_max <= SlabArena::object_bytes_max);
    static_assert(sizeof(Branch) + sizeof(LongEnd) + inline_text_bytes_max <=
                  SlabArena::object_bytes_max);

    static bool is_branch(Ref ref) { return (ref & branch_bit) != 0; }
    [[nodiscard]] Branch& branch(Ref ref) const {
        return *std::launder(reinterpret_cast<Branch*>(arena_.at(ref & ~branch_bit)));
    }
    [[nodiscard]] bool is_long(Ref ref) const {
        return branch(ref).levels_size > inline_text_bytes_max;
    }
    /// Of a branch that is not long.
    [[nodiscard]] std::string_view levels_of(Ref ref) const {
        return text_of(arena_.at(ref & ~branch_bit) + sizeof(Branch), branch(ref).levels_size);
    }
    /// Of one that is.
    [[nodiscard]] LongEnd long_end(Ref ref) const {
        LongEnd end;
        std::memcpy(&end, arena_.at(ref & ~branch_bit) + sizeof(Branch), sizeof end);
        return end;
    }
    [[nodiscard]] std::string_view last_level_of(Ref ref) const {
        return text_of(arena_.at(ref & ~branch_bit) + sizeof(Branch) + sizeof(LongEnd),
                       long_end(ref).level_size);
    }
    /// Whether `text` begins with the levels of a branch; what follows them is not looked at.
    [[nodiscard]] bool begins_with_levels_of(Ref ref, std::string_view text) const {
        for (; is_long(ref); ref = long_end(ref).above) {
            const std::size_t size = branch(ref).levels_size;
            const auto level = last_level_of(ref);
            const auto begin = size - level.size();
            if (text.size() < size || text.substr(begin, level.size()) != level) return false;
            if (begin > 0 && text[begin - 1] != '/') return false;
        }
        return text.starts_with(levels_of(ref));
    }

    static std::string_view level_at(std::string_view text, std::size_t begin) {
        return text.substr(begin, text.find('/', begin) - begin);
    }

    // Hashes: the upper half depends on all of the text.
    [[nodiscard]] std::uint32_t hash_of_name(std::string_view name) const {
        return static_cast<std::uint32_t>(hash_of(name, hash_seed_) >> 32U) & hash_mask;
    }
    [[nodiscard]] std::uint32_t hash_of_edge(Ref from, std::string_view level) const {
        const auto hash = hash_of(level, hash_seed_ + from * 0x9E37'79B9'7F4A'7C15U);
        return static_cast<std::uint32_t>(hash >> 32U) & hash_mask;
    }

    // --- Objects ---------------------------------------------------------------------------------

    static std::string_view text_of(const std::byte* place, std::size_t size) {
        if (size <= inline_text_bytes_max) [[likely]]
            return {reinterpret_cast<const char*>(place), size};
        const char* text = nullptr;
        std::memcpy(&text, place, sizeof text);
        return {text, size};
    }
    static std::size_t bytes_for(std::string_view text) {
        return text.size() <= inline_text_bytes_max ? text.size() : sizeof(char*);
    }
    static void put_text(std::byte* place, std::string_view text) {
        if (text.size() <= inline_text_bytes_max) {
            std::memcpy(place, text.data(), text.size());
            return;
        }
        auto* const copy = new char[text.size()];
        std::memcpy(copy, text.data(), text.size());
        std::memcpy(place, &copy, sizeof copy);
    }
    static void drop_text(std::string_view text) {
        if (text.size() > inline_text_bytes_max) delete[] text.data();
    }

    Ref make_filter(std::string_view filter) {
        CHECK(filter.size() <= 0xFFFF);
        const auto ref = arena_.allocate(filter_text_at + bytes_for(filter));
        auto* const place = arena_.at(ref);
        new (place) Entry{};
        const auto size = static_cast<std::uint16_t>(filter.size());
        std::memcpy(place + sizeof(Entry), &size, sizeof size);
        put_text(place + filter_text_at, filter);
        return ref;
    }
    void destroy_filter(Ref filter) {
        drop_text(text(filter));
        (*this)[filter].~Entry();
    }

    /// `levels`: those of the branch `above`, then `last`.
    Ref make_branch(std::string_view levels, Ref above, std::string_view last) {
        const bool makes_long = levels.size() > inline_text_bytes_max;
        const auto kept = makes_long ? last : levels;
        const auto text_at = sizeof(Branch) + (makes_long ? sizeof(LongEnd) : 0);
        const auto ref = arena_.allocate(text_at + bytes_for(kept));
        auto* const place = arena_.at(ref);
        new (place) Branch{.levels_size = static_cast<std::uint32_t>(levels.size())};
        if (makes_long) {
            const LongEnd end{above, static_cast<std::uint32_t>(last.size())};
            std::memcpy(place + sizeof(Branch), &end, sizeof end);
        }
        put_text(place + text_at, kept);
        ++branch_count_;
        return ref | branch_bit;
    }
    void drop_branch_text(Ref ref) {
        if (is_long(ref)) drop_text(last_level_of(ref));
    }
    void release_branch(Ref ref) {
        drop_branch_text(ref);
        arena_.release(ref & ~branch_bit);
        --branch_count_;
    }
    /// With what hangs below it and is not in the table of edges.
    void destroy_child(Ref child) {
        while (is_branch(child)) {
            drop_branch_text(child);
            const auto& at = branch(child);
            if (at.terminal != 0) destroy_filter(at.terminal);
            if (at.many != 0) destroy_filter(at.many);
            child = at.one;
        }
        if (child != 0) destroy_filter(child);
    }

    // --- Filters without wildcards ---------------------------------------------------------------

    [[nodiscard]] Ref find_exact(std::string_view name, std::uint32_t hash) const {
        return exact_.find(hash, [&](Ref filter) { return text(filter) == name; });
    }

    // --- The tree --------------------------------------------------------------------------------

    /// Whether `child` hangs below the branch `from` by `level`: its text goes on with that where
    /// the branch's ends. `begin`: where that is in the filters.
    [[nodiscard]] bool is_below(Ref from, std::string_view level, std::size_t begin,
                                Ref child) const {
        if (is_branch(child) && is_long(child))
            return long_end(child).above == from && last_level_of(child) == level;
        const auto its = is_branch(child) ? levels_of(child) : text(child);
        const auto end = begin + level.size();
        if (its.size() < end || its.substr(begin, level.size()) != level) return false;
        if (its.size() > end && (is_branch(child) || its[end] != '/')) return false;
        return from == root_ || (its[begin - 1] == '/' && begins_with_levels_of(from, its));
    }

    /// The child of a branch by a level without wildcards; `begin`: where it begins in the filters.
    [[nodiscard]] Ref find_edge(Ref from, std::string_view level, std::size_t begin) const {
        return edges_.find(hash_of_edge(from, level),
                           [&](Ref child) { return is_below(from, level, begin, child); });
    }

    [[nodiscard]] Ref child_of(Ref from, std::string_view level, std::size_t begin) const {
        if (level == "#") return branch(from).many;
        if (level == "+") return branch(from).one;
        return find_edge(from, level, begin);
    }

    void attach(Ref to, std::string_view level, Ref child) {
        auto& at = branch(to);
        if (level == "#")
            at.many = child;
        else if (level == "+")
            at.one = child;
        else
            edges_.insert(hash_of_edge(to, level), child);
        ++at.child_count;
        at.children ^= child;
    }
    void attach_terminal(Ref to, Ref filter) {
        auto& at = branch(to);
        at.terminal = filter;
        ++at.child_count;
        at.children ^= filter;
    }
    void replace(Ref from, std::string_view level, Ref child, Ref by) {
        auto& at = branch(from);
        if (level == "+")
            at.one = by;
        else
            edges_.replace(hash_of_edge(from, level), child, by);
        at.children ^= child ^ by;
    }

    Ref add_to_tree(std::string_view filter) {
        if (root_ == 0) root_ = make_branch("", 0, "");
        auto from = root_;
        for (std::size_t begin = 0;;) {
            const auto level = level_at(filter, begin);
            const auto next = begin + level.size() + 1;
            auto child = child_of(from, level, begin);
            if (child == 0) {
                child = make_filter(filter);
                ++wildcard_filter_count_;
                attach(from, level, child);
                return child;
            }
            if (!is_branch(child)) {
                const auto other = text(child);
                if (other == filter) return child;
                // Two filters go on from here: what was a leaf gets a branch above it.
                const auto parting =
                    make_branch(filter.substr(0, begin + level.size()), from, level);
                replace(from, level, child, parting);
                if (next > other.size())
                    attach_terminal(parting, child);
                else
                    attach(parting, level_at(other, next), child);
                child = parting;
            }
            from = child;
            begin = next;
            if (next <= filter.size()) continue;
            if (branch(from).terminal == 0) {
                attach_terminal(from, make_filter(filter));
                ++wildcard_filter_count_;
            }
            return branch(from).terminal;
        }
    }

    void remove_from_tree(Ref removed) {
        const auto filter = text(removed);
        // The way down: branches, and where the level below each begins.
        way_.clear();
        auto at = root_;
        for (std::size_t begin = 0;;) {
            way_.push_back({at, 0, static_cast<std::uint32_t>(begin)});
            if (begin > filter.size()) {
                CHECK(branch(at).terminal == removed);
                branch(at).terminal = 0;
                break;
            }
            const auto level = level_at(filter, begin);
            const auto child = child_of(at, level, begin);
            if (child == removed) {
                if (level == "#")
                    branch(at).many = 0;
                else if (level == "+")
                    branch(at).one = 0;
                else
                    edges_.erase(hash_of_edge(at, level), removed);
                break;
            }
            CHECK(is_branch(child));
            at = child;
            begin += level.size() + 1;
        }
        --branch(at).child_count;
        branch(at).children ^= removed;
        --wildcard_filter_count_;

        // A branch that leads to one filter only gives its place to that.
        for (; way_.size() > 1; way_.pop_back()) {
            const auto lonely = way_.back().at;
            const auto child = branch(lonely).children;
            if (branch(lonely).child_count != 1 || is_branch(child)) return;
            if (branch(lonely).terminal != child) detach_last(lonely, child, way_.back().filter_at);
            const auto& above = way_[way_.size() - 2];
            replace(above.at, level_at(filter, above.filter_at), lonely, child);
            release_branch(lonely);
        }
    }

    /// Takes the edge to `child` out of the table, if there is one.
    void detach_last(Ref from, Ref child, std::size_t begin) {
        const auto& at = branch(from);
        if (at.many == child || at.one == child) return;
        edges_.erase(hash_of_edge(from, level_at(text(child), begin)), child);
    }

    // --- Matching in the tree --------------------------------------------------------------------

    template <class Visit>
    void match_in_tree(std::string_view name, Visit& visit) {
        // A filter that begins with a wildcard does not match names that begin with $
        // [MQTT-4.7.2-1].
        bool wildcards = !name.starts_with('$') || dollar_matched_;
        way_.clear();
        Step step{root_, 0, 0};
        for (;;) {
            const auto& at = branch(step.at);
            if (wildcards && at.many != 0) visit((*this)[at.many]);
            const auto one = wildcards ? at.one : 0;
            wildcards = true;
            const auto level = level_at(name, step.name_at);
            const auto name_next = static_cast<std::uint32_t>(step.name_at + level.size() + 1);
            // A level of a name is never `+` or `#`, so this finds no wildcard.
            if (const auto child = find_edge(step.at, level, step.filter_at); child != 0)
                way_.push_back({child, name_next,
                                static_cast<std::uint32_t>(step.filter_at + level.size() + 1)});
            if (one != 0) way_.push_back({one, name_next, step.filter_at + 2});

            // Those whose level has matched: leaves, and branches where the name ends.
            for (;; way_.pop_back()) {
                if (way_.empty()) return;
                step = way_.back();
                if (!is_branch(step.at)) {
                    if (goes_on_like(text(step.at), step.filter_at, name, step.name_at))
                        visit((*this)[step.at]);
                    continue;
                }
                if (step.name_at <= name.size()) break;
                const auto& last = branch(step.at);
                if (last.terminal != 0) visit((*this)[last.terminal]);
                // `a/#` matches `a` too (§4.7.1.2).
                if (last.many != 0) visit((*this)[last.many]);
            }
            way_.pop_back();
        }
    }

    /// Whether `filter` from place `filter_at` matches `name` from place `name_at`; both places are
    /// those of the same level, or past the end.
    static bool goes_on_like(std::string_view filter, std::size_t filter_at, std::string_view name,
                             std::size_t name_at) {
        for (;;) {
            if (filter_at > filter.size()) return name_at > name.size();
            const auto wanted = level_at(filter, filter_at);
            if (wanted == "#") return true;  // the parent level too (§4.7.1.2)
            if (name_at > name.size()) return false;
            const auto level = level_at(name, name_at);
            if (wanted != "+" && wanted != level) return false;
            filter_at += wanted.size() + 1;
            name_at += level.size() + 1;
        }
    }

    SlabArena arena_;
    ReferenceTable exact_;
    ReferenceTable edges_;  // of the tree: (branch, level without wildcards) to filter or branch
    Ref root_ = 0;          // 0: no filter with a wildcard has been added yet
    std::size_t wildcard_filter_count_ = 0;
    std::size_t branch_count_ = 0;
    std::uint64_t hash_seed_;
    bool dollar_matched_;
    std::vector<Step> way_;  // scratch
};

}  // namespace touchstone
