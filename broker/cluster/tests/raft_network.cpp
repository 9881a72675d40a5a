#include "broker/cluster/tests/raft_network.hpp"

#include <algorithm>

#include "broker/cluster/tests/raft_node.hpp"

namespace touchstone::cluster {

using std::chrono::milliseconds;

std::uint64_t SeededRandom::next() {
    auto mixed = state_ += 0x9E37'79B9'7F4A'7C15;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58'476D'1CE4'E5B9;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D0'49BB'1331'11EB;
    return mixed ^ (mixed >> 31U);
}

Duration SeededRandom::up_to(Duration high) {
    return Duration{
        static_cast<Duration::rep>(below(static_cast<std::uint64_t>(high.count()) + 1))};
}

RaftNetwork::RaftNetwork(NetworkOptions options)
    : options_{std::move(options)},
      random_{options_.seed},
      is_cut_(options_.nodes, std::vector<char>(options_.nodes, 0)),
      side_(options_.nodes, 0) {
    for (unsigned node = 0; node < options_.nodes; ++node)
        nodes_.push_back(std::make_unique<RaftNode>(*this, node));
    for (unsigned node = 0; node < options_.nodes; ++node) nodes_[node]->boot();
}

RaftNetwork::~RaftNetwork() = default;

// Time.

void RaftNetwork::at(Duration from_now, std::function<void()> happens) {
    events_.emplace(std::pair{now_ + from_now, ++last_event_}, std::move(happens));
}

/// What is next, when it is not later than `until`.
bool RaftNetwork::step(Instant until) {
    auto next = events_.empty() ? never : events_.begin()->first.first;
    std::optional<unsigned> ticking;
    for (unsigned node = 0; node < options_.nodes; ++node) {
        if (!nodes_[node]->raft || nodes_[node]->raft->next_tick() >= next) continue;
        next = nodes_[node]->raft->next_tick();
        ticking = node;
    }
    if (next > until) return false;
    now_ = next;
    if (ticking) {
        input(*ticking, [&](Raft& raft) { raft.on_tick(now_); });
    } else {
        const auto happens = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        happens();
    }
    return true;
}

void RaftNetwork::pass(Duration time) {
    const auto until = now_ + time;
    while (!broken_ && step(until)) {
    }
    now_ = until;
}

void RaftNetwork::input(unsigned node, const std::function<void(Raft&)>& happens) {
    auto& one = *nodes_[node];
    if (!one.raft) return;
    happens(*one.raft);
    judge_leader(node);
    if (!broken_) one.compact();
}

// Links.

void RaftNetwork::carry(unsigned from, unsigned to, const RaftMessage& message) {
    ++messages_sent_;
    const auto copies = has_faults_ && random_.chance(options_.loss_percent)      ? 0
                        : has_faults_ && random_.chance(options_.doubled_percent) ? 2
                                                                                  : 1;
    for (int copy = 0; copy < copies; ++copy)
        at(milliseconds{1} + random_.up_to(options_.delay_high),
           [this, from, to, message] { arrive(from, to, message); });
}

void RaftNetwork::arrive(unsigned from, unsigned to, const RaftMessage& message) {
    if (is_cut_[from][to]) return;
    input(to, [&](Raft& raft) { raft.on_message(NodeIndex{from}, message, now_); });
}

void RaftNetwork::partition(const std::vector<unsigned>& side) {
    side_.assign(options_.nodes, 0);
    for (const auto node : side) side_[node] = 1;
    for (unsigned from = 0; from < options_.nodes; ++from)
        for (unsigned to = 0; to < options_.nodes; ++to)
            is_cut_[from][to] = side_[from] != side_[to];
    partitioned_at_ = now_;
}

void RaftNetwork::heal() {
    for (auto& row : is_cut_) row.assign(options_.nodes, 0);
    partitioned_at_.reset();
    if (!random_.chance(50)) return;
    for (unsigned node = 0; node < options_.nodes; ++node)
        for (unsigned peer = 0; peer < options_.nodes; ++peer)
            if (node != peer) input(node, [&](Raft& raft) { raft.on_reachable(NodeIndex{peer}); });
}

void RaftNetwork::crash(unsigned node) {
    nodes_[node]->crash();
}

void RaftNetwork::restart(unsigned node) {
    if (!nodes_[node]->raft) nodes_[node]->boot();
}

Raft& RaftNetwork::raft(unsigned node) {
    return *nodes_[node]->raft;
}

RaftIndex RaftNetwork::overwritten(unsigned node) const {
    return nodes_[node]->overwritten;
}

bool RaftNetwork::change_members(unsigned node, RaftMembers members) {
    bool is_taken = false;
    input(node, [&](Raft& raft) {
        is_taken = raft.change_members(std::move(members), now_).has_value();
    });
    return is_taken;
}

std::optional<unsigned> RaftNetwork::leader() const {
    std::optional<unsigned> found;
    for (unsigned node = 0; node < options_.nodes; ++node) {
        const auto& raft = nodes_[node]->raft;
        if (!raft || raft->role() != RaftRole::leader) continue;
        if (!found || raft->leader().term > nodes_[*found]->raft->leader().term) found = node;
    }
    return found;
}

// Faults and clients.

void RaftNetwork::inject_fault() {
    if (!has_faults_) return;
    const auto node = static_cast<unsigned>(random_.below(options_.nodes));
    switch (random_.below(6)) {
        case 0: {
            std::vector<unsigned> side;
            for (unsigned one = 0; one < options_.nodes; ++one)
                if (random_.chance(50)) side.push_back(one);
            partition(side);
            break;
        }
        case 1: is_cut_[node][random_.below(options_.nodes)] = true; break;
        case 2: heal(); break;
        default:
            crash(node);
            at(random_.up_to(options_.down_high), [this, node] { restart(node); });
    }
    at(random_.up_to(options_.fault_gap_high), [this] { inject_fault(); });
}

std::optional<std::uint64_t> RaftNetwork::propose(unsigned node) {
    if (!nodes_[node]->raft) return std::nullopt;
    const auto value = proposals_.size() + 1;
    proposals_.push_back({node, now_});
    bool is_taken = false;
    input(node, [&](Raft& raft) {
        is_taken = raft.propose(std::make_shared<const Value>(value), now_).has_value();
    });
    if (!is_taken) return std::nullopt;
    return value;
}

bool RaftNetwork::has_applied(unsigned node, std::uint64_t value) const {
    const auto& applied = nodes_[node]->applied;
    return std::find(applied.begin(), applied.end(), value) != applied.end();
}

/// Every node that takes itself for a leader gets a proposal and a read.
void RaftNetwork::ask_leaders() {
    judge_logs();
    for (unsigned node = 0; node < options_.nodes && !broken_; ++node) {
        if (!nodes_[node]->raft || nodes_[node]->raft->role() != RaftRole::leader) continue;
        propose(node);
        if (nodes_[node]->raft) nodes_[node]->ask_read();
        if (options_.changes_members && has_faults_ && random_.chance(10)) draw_members(node);
    }
    at(options_.propose_gap, [this] { ask_leaders(); });
}

void RaftNetwork::draw_members(unsigned node) {
    input(node, [&](Raft& raft) {
        auto members = raft.members();
        const NodeIndex other{static_cast<std::uint32_t>(random_.below(options_.nodes))};
        const bool becomes_learner = random_.chance(30);
        std::erase(members.learners, other);
        if (std::erase(members.voters, other) == 0 && !becomes_learner)
            members.voters.push_back(other);
        else if (becomes_learner)
            members.learners.push_back(other);
        if (!members.voters.empty()) raft.change_members(std::move(members), now_);
    });
}

std::optional<Broken> RaftNetwork::run(Duration faulty, Duration healed) {
    has_faults_ = true;
    at(random_.up_to(options_.fault_gap_high), [this] { inject_fault(); });
    ask_leaders();
    pass(faulty);
    has_faults_ = false;
    heal();
    for (unsigned node = 0; node < options_.nodes; ++node) restart(node);
    const auto first_value = proposals_.size() + 1;
    const auto committed = committed_.size();
    pass(healed);
    judge_logs();
    judge_end(first_value, committed);
    return broken_;
}

}  // namespace touchstone::cluster
