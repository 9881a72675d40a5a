// A world for Raft nodes: messages that get lost, doubled, late and out of order, partitions, cuts
// of one direction, disks that take their time, crashes; all drawn from a seed. It watches what the
// nodes do and keeps the first promise of Raft that they break.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/cluster/raft.hpp"

namespace touchstone::cluster {

enum class Promise {
    election_safety,       // one leader in a term
    log_matching,          // entries of the same index and term have the same history
    leader_completeness,   // what is committed is in the log of every later leader
    state_machine_safety,  // nobody applies another entry at the same index
    minority_is_idle,      // what is proposed in a minority is not committed there
    fresh_reads,           // a read sees what was committed when it was asked for
    progress,              // after the faults everybody gets everything, soon
    removed_knows,         // who was removed does not count itself in
};

struct Broken {
    Promise promise;
    std::string how;
};

/// What of the driver or the set-up is wrong on purpose.
struct Mistakes {
    bool votes_are_not_saved = false;
    bool does_not_wait_for_disk = false;
    bool reads_without_asking = false;
    bool first_two_are_a_group_of_their_own = false;
};

struct NetworkOptions {
    std::uint64_t seed = 1;
    unsigned nodes = 3;
    unsigned founders = 0;  // the first so many are the group at the start; 0: all
    RaftOptions raft;       // self and members are filled in
    Mistakes mistakes;
    std::uint64_t loss_percent = 5;
    std::uint64_t doubled_percent = 5;
    Duration delay_high = std::chrono::milliseconds{20};
    Duration disk_delay_high = std::chrono::milliseconds{4};  // 0: a disk that answers at once
    Duration fault_gap_high = std::chrono::milliseconds{150};
    Duration down_high = std::chrono::milliseconds{300};
    Duration propose_gap = std::chrono::milliseconds{20};
    bool changes_members = false;
    RaftIndex compacts_after = 25;  // applied entries
};

/// SplitMix64 (Steele, Lea, Flood 2014).
class SeededRandom final : public Random {
public:
    explicit SeededRandom(std::uint64_t seed) : state_{seed} {}
    std::uint64_t next() override;
    std::uint64_t below(std::uint64_t end) { return next() % end; }
    bool chance(std::uint64_t percent) { return below(100) < percent; }
    /// From 0 to `high`.
    Duration up_to(Duration high);

private:
    std::uint64_t state_;
};

class RaftNode;

class RaftNetwork {
public:
    explicit RaftNetwork(NetworkOptions options);
    ~RaftNetwork();

    /// Faults for `faulty`, then none for `healed`, with proposals and reads all along; judged at
    /// the end, unless a promise broke before. Returns the first broken one.
    std::optional<Broken> run(Duration faulty, Duration healed);

    // For tests that say themselves what happens.
    void pass(Duration time);
    void crash(unsigned node);
    void restart(unsigned node);
    /// Nothing sent from now on, or on its way, gets from one side to the other.
    void partition(const std::vector<unsigned>& side);
    void cut(unsigned from, unsigned to) { is_cut_[from][to] = true; }
    void heal();
    /// The value that was proposed, when the node took it.
    std::optional<std::uint64_t> propose(unsigned node);
    bool change_members(unsigned node, RaftMembers members);
    [[nodiscard]] bool has_applied(unsigned node, std::uint64_t value) const;
    [[nodiscard]] std::optional<unsigned> leader() const;  // of the highest term that has one
    Raft& raft(unsigned node);
    [[nodiscard]] RaftIndex overwritten(unsigned node) const;
    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] const std::optional<Broken>& broken() const { return broken_; }
    [[nodiscard]] std::size_t committed_count() const { return committed_.size(); }
    [[nodiscard]] std::size_t messages_sent() const { return messages_sent_; }

private:
    friend class RaftNode;

    struct Committed {
        RaftTerm term = 0;
        std::uint64_t value = 0;  // 0: an entry of Raft's own
        RaftTerm known_in = 0;    // the term of who applied it first
    };
    struct Proposal {
        unsigned node = 0;
        Instant at{};
    };

    void at(Duration from_now, std::function<void()> happens);
    bool step(Instant until);
    void input(unsigned node, const std::function<void(Raft&)>& happens);
    void carry(unsigned from, unsigned to, const RaftMessage& message);
    void arrive(unsigned from, unsigned to, const RaftMessage& message);
    void inject_fault();
    void ask_leaders();
    void draw_members(unsigned node);

    void on_applied(unsigned node, RaftIndex index, const RaftEntry& entry);
    void on_restored(unsigned node);
    void on_read(unsigned node, std::size_t committed_before);
    void judge_leader(unsigned node);
    void judge_logs();
    void judge_end(std::uint64_t first_value_after_faults, std::size_t committed_with_faults);
    void report(Promise promise, std::string how);

    NetworkOptions options_;
    SeededRandom random_;
    Instant now_{};
    std::uint64_t last_event_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
    std::vector<std::unique_ptr<RaftNode>> nodes_;
    std::vector<std::vector<char>> is_cut_;  // [from][to]
    std::vector<char> side_;                 // of a partition
    std::optional<Instant> partitioned_at_;
    bool has_faults_ = false;

    std::map<RaftTerm, unsigned> leaders_;
    std::vector<Committed> committed_;
    std::vector<Proposal> proposals_;  // [value - 1]
    std::optional<Broken> broken_;
    std::size_t messages_sent_ = 0;
};

}  // namespace touchstone::cluster
