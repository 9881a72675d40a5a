// One node of RaftNetwork: Raft, its disk, and between them a driver, which does as RaftPort asks.
#pragma once

#include "broker/base/check.hpp"
#include "broker/cluster/tests/raft_network.hpp"

namespace touchstone::cluster {

struct Value final : RaftPayload {
    explicit Value(std::uint64_t raw_value) : raw{raw_value} {}
    std::uint64_t raw;
};

/// What a node's state machine is: the values it was given, by index.
struct Values final : RaftPayload {
    explicit Values(std::vector<std::uint64_t> raw_values) : raw{std::move(raw_values)} {}
    std::vector<std::uint64_t> raw;
};

inline std::uint64_t value_of(const RaftEntry& entry) {
    return entry.payload ? static_cast<const Value&>(*entry.payload).raw : 0;
}

class RaftNode final : public RaftPort {
public:
    RaftNode(RaftNetwork& network, unsigned self) : network_{network}, self_{self} {}

    void boot() {
        auto options = network_.options_.raft;
        options.self = NodeIndex{self_};
        const auto& mistakes = network_.options_.mistakes;
        const auto founders =
            network_.options_.founders == 0 ? network_.options_.nodes : network_.options_.founders;
        const bool is_apart = mistakes.first_two_are_a_group_of_their_own && self_ < 2;
        for (unsigned node = 0; self_ < founders && node < (is_apart ? 2 : founders); ++node)
            options.members.voters.push_back(NodeIndex{node});
        raft.emplace(options, *this, network_.random_);
        raft->start(disk_, network_.now_);
    }

    void crash() {
        raft.reset();
        held_.clear();
        ++lives_;
        is_saving_ = false;
        applied.clear();
        reads_.clear();
        first_read_ = 1;
    }

    void ask_read() {
        const auto committed_before = network_.committed_.size();
        if (network_.options_.mistakes.reads_without_asking) {
            network_.on_read(self_, committed_before);
            return;
        }
        // Told to it before it can say that it is readable.
        reads_.push_back(committed_before);
        if (!raft->read()) reads_.pop_back();
    }

    void compact() {
        if (applied.size() < raft->log().snapshot().index + network_.options_.compacts_after)
            return;
        raft->compact(applied.size(), std::make_shared<const Values>(applied));
    }

    void save(const RaftHardState& hard_state, RaftIndex first,
              std::span<const RaftEntry> entries) override {
        std::vector<RaftEntry> copy{entries.begin(), entries.end()};
        hold(true, [this, hard_state, first, copy = std::move(copy)] {
            disk_.hard_state = hard_state;
            if (network_.options_.mistakes.votes_are_not_saved) disk_.hard_state.voted_for.reset();
            if (!copy.empty()) disk_.log.replace_from(first, copy);
        });
    }
    void save_snapshot(const RaftSnapshot& snapshot) override {
        hold(true, [this, snapshot] { disk_.log.take(snapshot); });
    }
    void send(NodeIndex to, RaftMessage message) override {
        hold(false, [this, to, message = std::move(message)] {
            network_.carry(self_, to.raw(), message);
        });
    }
    void apply(RaftIndex index, const RaftEntry& entry) override {
        hold(false, [this, index, entry] {
            applied.push_back(value_of(entry));
            CHECK(applied.size() == index);
            network_.on_applied(self_, index, entry);
        });
    }
    void restore(const RaftSnapshot& snapshot) override {
        hold(false, [this, snapshot] {
            applied = static_cast<const Values&>(*snapshot.state).raw;
            network_.on_restored(self_);
        });
    }
    void on_overwritten(RaftIndex first, RaftIndex last) override {
        CHECK(first <= last);
        overwritten += last - first + 1;
    }
    void on_readable(RaftReadNumber up_to) override {
        hold(false, [this, up_to] {
            for (; first_read_ <= up_to; ++first_read_) {
                network_.on_read(self_, reads_.front());
                reads_.pop_front();
            }
        });
    }
    void on_reads_lost(RaftReadNumber up_to) override {
        hold(false, [this, up_to] {
            for (; first_read_ <= up_to; ++first_read_) reads_.pop_front();
        });
    }

    std::optional<Raft> raft;
    std::vector<std::uint64_t> applied;  // [index - 1]
    RaftIndex overwritten = 0;           // entries, ever

private:
    struct Effect {
        bool is_save;
        std::function<void()> act;
    };

    void hold(bool is_save, std::function<void()> act) {
        if (!is_save && network_.options_.mistakes.does_not_wait_for_disk) {
            act();
            return;
        }
        held_.push_back({is_save, std::move(act)});
        go_on();
    }

    void go_on() {
        while (!held_.empty() && !is_saving_) {
            if (!held_.front().is_save) {
                const auto act = std::move(held_.front().act);
                held_.pop_front();
                act();
            } else if (network_.options_.disk_delay_high == Duration::zero()) {
                finish_save();
            } else {
                is_saving_ = true;
                network_.at(network_.random_.up_to(network_.options_.disk_delay_high),
                            [this, life = lives_] {
                                if (life != lives_) return;
                                is_saving_ = false;
                                finish_save();
                                go_on();
                            });
            }
        }
    }

    void finish_save() {
        held_.front().act();
        held_.pop_front();
    }

    RaftNetwork& network_;
    unsigned self_;
    RaftSaved disk_;
    std::deque<Effect> held_;
    bool is_saving_ = false;
    unsigned lives_ = 0;
    std::deque<std::size_t> reads_;  // what was committed when they were asked for
    RaftReadNumber first_read_ = 1;  // number of reads_.front()
};

}  // namespace touchstone::cluster
