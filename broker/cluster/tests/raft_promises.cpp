// What RaftNetwork holds against its nodes.
#include <algorithm>

#include "broker/cluster/tests/raft_node.hpp"

namespace touchstone::cluster {
namespace {

std::string name(unsigned node) {
    return "node " + std::to_string(node);
}

}  // namespace

void RaftNetwork::report(Promise promise, std::string how) {
    if (!broken_) broken_ = Broken{promise, std::move(how)};
}

void RaftNetwork::on_applied(unsigned node, RaftIndex index, const RaftEntry& entry) {
    const auto value = value_of(entry);
    if (index <= committed_.size()) {
        const auto& known = committed_[index - 1];
        if (known.term != entry.term || known.value != value)
            report(Promise::state_machine_safety,
                   name(node) + " applies another entry at " + std::to_string(index));
        return;
    }
    if (index != committed_.size() + 1) {
        report(Promise::state_machine_safety, name(node) + " applies behind what anybody has");
        return;
    }
    committed_.push_back({entry.term, value, nodes_[node]->raft->leader().term});
    if (value == 0 || !partitioned_at_ || options_.changes_members) return;
    const auto& proposal = proposals_[value - 1];
    const auto with_it = std::count(side_.begin(), side_.end(), side_[proposal.node]);
    if (proposal.at > *partitioned_at_ && with_it * 2 <= static_cast<int>(options_.nodes))
        report(Promise::minority_is_idle, name(node) + " commits without a majority");
}

void RaftNetwork::on_restored(unsigned node) {
    const auto& applied = nodes_[node]->applied;
    for (std::size_t at = 0; at < applied.size(); ++at)
        if (at >= committed_.size() || committed_[at].value != applied[at])
            return report(Promise::state_machine_safety,
                          name(node) + " restores what was not applied");
}

void RaftNetwork::on_read(unsigned node, std::size_t committed_before) {
    if (nodes_[node]->applied.size() < committed_before)
        report(Promise::fresh_reads, name(node) + " reads what was once");
}

void RaftNetwork::judge_leader(unsigned node) {
    const auto& raft = *nodes_[node]->raft;
    if (raft.role() != RaftRole::leader) return;
    const auto term = raft.leader().term;
    const auto [known, is_new] = leaders_.emplace(term, node);
    if (known->second != node)
        report(Promise::election_safety, name(node) + " and " + name(known->second) +
                                             " both lead in term " + std::to_string(term));
    if (!is_new) return;
    for (RaftIndex index = raft.log().snapshot().index + 1; index <= committed_.size(); ++index) {
        const auto& entry = committed_[index - 1];
        if (entry.known_in < term && raft.log().term_at(index) != entry.term)
            return report(Promise::leader_completeness,
                          name(node) + " leads in term " + std::to_string(term) +
                              " without entry " + std::to_string(index));
    }
}

void RaftNetwork::judge_logs() {
    for (unsigned node = 0; node < options_.nodes; ++node) {
        for (unsigned other = 0; other < node; ++other) {
            if (!nodes_[node]->raft || !nodes_[other]->raft) continue;
            const auto& a = nodes_[node]->raft->log();
            const auto& b = nodes_[other]->raft->log();
            bool is_same = false;  // from where the logs were last seen to agree, downwards
            const auto begin = std::max(a.snapshot().index, b.snapshot().index);
            for (auto index = std::min(a.last_index(), b.last_index()); index > begin; --index) {
                const bool agrees = a.at(index).term == b.at(index).term;
                if ((is_same && !agrees) ||
                    (agrees && value_of(a.at(index)) != value_of(b.at(index))))
                    return report(Promise::log_matching, name(node) + " and " + name(other) +
                                                             " differ at " + std::to_string(index));
                is_same = agrees;
            }
        }
    }
}

void RaftNetwork::judge_end(std::uint64_t first_value_after_faults,
                            std::size_t committed_with_faults) {
    const auto leading = leader();
    if (!leading) return report(Promise::progress, "nobody leads");
    const auto& members = raft(*leading).members();
    for (unsigned node = 0; node < options_.nodes; ++node) {
        if (!members.has(NodeIndex{node})) {
            // Only voters ask, and only those they know of.
            const auto& known = raft(node).members();
            const bool can_ask = known.has_voter(NodeIndex{node}) &&
                                 std::any_of(known.voters.begin(), known.voters.end(),
                                             [&](NodeIndex one) { return members.has(one); });
            if (can_ask && raft(node).is_member())
                report(Promise::removed_knows, name(node) + " does not know that it was removed");
            continue;
        }
        const auto& applied = nodes_[node]->applied;
        const auto newest = applied.empty() ? 0 : *std::max_element(applied.begin(), applied.end());
        if (applied.size() < committed_with_faults || newest < first_value_after_faults)
            report(Promise::progress,
                   name(node) + " has only applied " + std::to_string(applied.size()) + " entries");
    }
}

}  // namespace touchstone::cluster
