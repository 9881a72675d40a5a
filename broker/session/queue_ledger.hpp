// QueueLedger: how much memory the queues of a shard take together, and which is among the longest:
// the one that loses a message when there is too much. "Among": queues are listed by powers of two,
// so that a change costs a few instructions, and nobody loses a message while somebody else holds
// more than twice as much.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace touchstone {

/// What the ledger keeps about a queue; part of the queue, whose place in memory does not change.
struct QueueAccount {
    std::uint64_t owner = 0;     // whatever its owner knows it by
    std::uint32_t position = 0;  // in its list
    std::uint8_t list = 0;       // bit width of the queue's bytes; 0: empty, and in no list
};

class QueueLedger {
public:
    [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

    /// A queue went from `before_bytes` to `after_bytes`. One that is emptied is forgotten.
    void change(QueueAccount& account, std::size_t before_bytes, std::size_t after_bytes) {
        size_bytes_ += after_bytes - before_bytes;
        const auto list = static_cast<std::uint8_t>(std::bit_width(after_bytes));
        if (list != account.list) move(account, list);
    }

    /// Of the longest queues the one that became so long last; null when all are empty.
    [[nodiscard]] const QueueAccount* longest() const {
        for (auto list = lists_.rbegin(); list != lists_.rend(); ++list)
            if (!list->empty()) return list->back();
        return nullptr;
    }

    /// The owners of so many of the longest, or fewer.
    [[nodiscard]] std::vector<std::uint64_t> longest(std::size_t count) const {
        std::vector<std::uint64_t> owners;
        for (auto list = lists_.rbegin(); list != lists_.rend(); ++list)
            for (auto one = list->rbegin(); one != list->rend() && owners.size() < count; ++one)
                owners.push_back((*one)->owner);
        return owners;
    }

private:
    void move(QueueAccount& account, std::uint8_t list) {
        if (account.list != 0) {
            auto& from = lists_[account.list];
            from[account.position] = from.back();
            from[account.position]->position = account.position;
            from.pop_back();
        }
        account.list = list;
        if (list == 0) return;
        account.position = static_cast<std::uint32_t>(lists_[list].size());
        lists_[list].push_back(&account);
    }

    std::uint64_t size_bytes_ = 0;
    std::array<std::vector<QueueAccount*>, 65> lists_;
};

}  // namespace touchstone
