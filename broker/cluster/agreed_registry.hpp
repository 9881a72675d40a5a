// AgreedRegistry: which node has the session of which client, agreed upon by most of the nodes
// (Raft). A node asks for a change until it has happened, so who is cut off from most of them asks
// for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/cluster/node_messages.hpp"
#include "broker/cluster/raft.hpp"
#include "broker/ports/random.hpp"

namespace touchstone::cluster {

/// Numbers of a node's commands; none is used twice, also after it began anew.
using CommandNumber = std::uint64_t;

struct AgreedOwner {
    NodeIndex node;
    CommandNumber claim = 0;
    friend bool operator==(const AgreedOwner&, const AgreedOwner&) = default;
};

struct RegistryCommand {
    enum class Kind : std::uint8_t {
        claim,    // the node has the client from now on
        release,  // … of the claim `released`, no more
        refused,  // a claim that was conditional, and expected another owner: nothing has changed
        reset     // all of the node's claims before this one are void: it has begun anew
    };
    Kind kind = Kind::claim;
    NodeIndex node;
    CommandNumber number = 0;
    std::string client_id;
    CommandNumber released = 0;
    bool is_conditional = false;  // takes effect only if who has the client is `expected`
    std::optional<AgreedOwner> expected{};
};

/// What a node has to find again when it begins anew.
struct AgreementDisk {
    RaftSaved saved;
    std::uint64_t starts = 0;
};

class AgreedRegistry final : private RaftPort, private Random {
public:
    using Owners = std::map<std::string, AgreedOwner, std::less<>>;
    struct Options {
        NodeIndex self;
        std::vector<NodeIndex> nodes;     // all voters
        std::vector<NodeIndex> learners;  // the others
        RaftDefects defects{};
        bool asks_voters_only = false;  // Defect::tracker_local_member_only
    };
    /// What it does to the world. None of these calls it back.
    class Port {
    public:
        virtual void send(NodeIndex to, NodeMessage message) = 0;
        /// The command has taken effect; `before`: who had the client of a claim or a release.
        virtual void on_agreed(const RegistryCommand& command,
                               const std::optional<AgreedOwner>& before) = 0;
        /// All owners may be others than those that were told of.
        virtual void on_owners_replaced() = 0;
        virtual std::uint64_t random() = 0;

    protected:
        ~Port() = default;
    };

    /// `disk` outlives the process; both outlive this.
    AgreedRegistry(const Options& options, Port& port, AgreementDisk& disk);
    AgreedRegistry(const AgreedRegistry&) = delete;
    AgreedRegistry& operator=(const AgreedRegistry&) = delete;
    ~AgreedRegistry() = default;

    void start(Instant now);
    /// For a command of this node; after start().
    [[nodiscard]] CommandNumber next_number();
    void on_message(NodeIndex from, const RaftMessage& message, Instant now);
    /// Another node asks for it because this one leads, as far as it knows.
    void on_proposal(const RegistryProposal& proposal, Instant now);
    void on_reachable(NodeIndex peer) { raft_.on_reachable(peer); }
    void on_tick(Instant now);
    [[nodiscard]] Instant next_tick() const;

    /// Asks for the command until it has taken effect, or give_up().
    void ask_for(RegistryCommand command, Instant now);
    /// Nobody waits for it any more. It may take effect nevertheless.
    void give_up(CommandNumber number);

    [[nodiscard]] const Owners& owners() const { return state_->owners; }
    [[nodiscard]] std::optional<AgreedOwner> owner_of(const std::string& client_id) const;

private:
    struct Logged final : RaftPayload {
        std::shared_ptr<const RegistryCommand> command;
    };
    struct State final : RaftPayload {
        Owners owners;
        std::set<std::pair<NodeIndex, CommandNumber>> done;
    };

    void log(const std::shared_ptr<const RegistryCommand>& command, Instant now);
    void propose(const std::shared_ptr<const RegistryCommand>& command, Instant now);

    // RaftPort
    void save(const RaftHardState& hard_state, RaftIndex first,
              std::span<const RaftEntry> entries) override;
    void save_snapshot(const RaftSnapshot& snapshot) override;
    void send(NodeIndex to, RaftMessage message) override;
    void apply(RaftIndex index, const RaftEntry& entry) override;
    void restore(const RaftSnapshot& snapshot) override;
    void on_overwritten(RaftIndex, RaftIndex) override {}
    void on_readable(RaftReadNumber) override {}
    void on_reads_lost(RaftReadNumber) override {}

    // Random
    std::uint64_t next() override { return port_.random(); }

    Options options_;
    Port& port_;
    AgreementDisk& disk_;
    CommandNumber last_number_ = 0;  // of this process
    std::shared_ptr<State> state_ = std::make_shared<State>();
    RaftIndex applied_ = 0;
    std::map<CommandNumber, std::shared_ptr<const RegistryCommand>> wanted_;
    Instant asks_again_at_ = never;
    Raft raft_;
};

}  // namespace touchstone::cluster
