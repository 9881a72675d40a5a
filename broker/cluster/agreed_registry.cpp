#include "broker/cluster/agreed_registry.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::cluster {

namespace {

/// From one attempt to the next: longer than an election.
constexpr Duration retry_interval = std::chrono::milliseconds{300};
/// Entries behind the last snapshot that are made one.
constexpr RaftIndex entries_max = 2'000;

}  // namespace

AgreedRegistry::AgreedRegistry(const Options& options, Port& port, AgreementDisk& disk)
    : options_{options},
      port_{port},
      disk_{disk},
      raft_{{.self = options.self,
             .members = {.voters = options.nodes, .learners = options.learners},
             .defects = options.defects},
            *this,
            *this} {}

void AgreedRegistry::start(Instant now) {
    ++disk_.starts;
    raft_.start(disk_.saved, now);
}

CommandNumber AgreedRegistry::next_number() {
    return disk_.starts << 32U | ++last_number_;
}

void AgreedRegistry::on_message(NodeIndex from, const RaftMessage& message, Instant now) {
    raft_.on_message(from, message, now);
}

void AgreedRegistry::on_proposal(const RegistryProposal& proposal, Instant now) {
    log(proposal.command, now);  // who asks does so again if nothing comes of it
}

void AgreedRegistry::on_tick(Instant now) {
    if (raft_.next_tick() <= now) raft_.on_tick(now);
    if (applied_ > raft_.log().snapshot().index + entries_max)
        raft_.compact(applied_, std::make_shared<const State>(*state_));
    if (now < asks_again_at_) return;
    asks_again_at_ = wanted_.empty() ? never : now + retry_interval;
    // What takes effect at once is wanted no more.
    const auto wanted = wanted_;
    for (const auto& [number, command] : wanted) propose(command, now);
}

Instant AgreedRegistry::next_tick() const {
    return std::min(raft_.next_tick(), asks_again_at_);
}

void AgreedRegistry::ask_for(RegistryCommand command, Instant now) {
    const auto number = command.number;
    const auto wanted = std::make_shared<const RegistryCommand>(std::move(command));
    wanted_.emplace(number, wanted);
    asks_again_at_ = std::min(asks_again_at_, now + retry_interval);
    propose(wanted, now);
}

void AgreedRegistry::give_up(CommandNumber number) {
    wanted_.erase(number);
}

void AgreedRegistry::propose(const std::shared_ptr<const RegistryCommand>& command, Instant now) {
    if (raft_.role() == RaftRole::leader) {
        log(command, now);
        return;
    }
    // A learner hears of the leader as well, and may pass on what it wants.
    if (options_.asks_voters_only && !raft_.members().has_voter(options_.self)) return;
    const auto leader = raft_.leader().node;
    if (leader && *leader != options_.self) port_.send(*leader, RegistryProposal{command});
}

void AgreedRegistry::log(const std::shared_ptr<const RegistryCommand>& command, Instant now) {
    const auto entry = std::make_shared<Logged>();
    entry->command = command;
    raft_.propose(entry, now);
}

std::optional<AgreedOwner> AgreedRegistry::owner_of(const std::string& client_id) const {
    const auto found = state_->owners.find(client_id);
    return found == state_->owners.end() ? std::nullopt : std::optional{found->second};
}

void AgreedRegistry::save(const RaftHardState& hard_state, RaftIndex first,
                          std::span<const RaftEntry> entries) {
    disk_.saved.hard_state = hard_state;
    if (!entries.empty()) disk_.saved.log.replace_from(first, entries);
}

void AgreedRegistry::save_snapshot(const RaftSnapshot& snapshot) {
    disk_.saved.log.take(snapshot);
}

void AgreedRegistry::send(NodeIndex to, RaftMessage message) {
    port_.send(to, std::move(message));
}

void AgreedRegistry::apply(RaftIndex index, const RaftEntry& entry) {
    applied_ = index;
    if (!entry.payload) return;
    const auto& command = *static_cast<const Logged&>(*entry.payload).command;
    if (command.node == options_.self) wanted_.erase(command.number);
    // Who asked again, because it did not hear of it, gets it once.
    if (!state_->done.emplace(command.node, command.number).second) return;
    const auto before = owner_of(command.client_id);
    auto& owners = state_->owners;
    switch (command.kind) {
        case RegistryCommand::Kind::claim:
            if (command.is_conditional && before != command.expected) {
                auto refused = command;
                refused.kind = RegistryCommand::Kind::refused;
                return port_.on_agreed(refused, before);
            }
            owners[command.client_id] = {command.node, command.number};
            break;
        case RegistryCommand::Kind::release:
            if (before == AgreedOwner{command.node, command.released})
                owners.erase(command.client_id);
            break;
        case RegistryCommand::Kind::refused: UNREACHABLE();  // nobody asks for it
        case RegistryCommand::Kind::reset:
            std::erase_if(owners, [&](const auto& one) {
                return one.second.node == command.node && one.second.claim < command.number;
            });
            break;
    }
    port_.on_agreed(command, before);
}

void AgreedRegistry::restore(const RaftSnapshot& snapshot) {
    state_ = std::make_shared<State>(static_cast<const State&>(*snapshot.state));
    applied_ = snapshot.index;
    port_.on_owners_replaced();
}

}  // namespace touchstone::cluster
