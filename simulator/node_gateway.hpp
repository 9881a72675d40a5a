// Node::Gateway: a node's member of the cluster with its ports. Included by node*.cpp and nobody
// else.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/storage/session_copy.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/node.hpp"

namespace touchstone::simulator {

class Node::Gateway final : public cluster::MemberPort {
public:
    explicit Gateway(Node& node)
        : node_{node},
          incarnation_{++node.gateways_},
          random_{node.engine_.stream(
              Domain::node, node.entity_ << 16U | 0xFFFFU | incarnation_ << 24U, Purpose::core)},
          member_{options_of(node), *this} {}

    [[nodiscard]] cluster::Member& member() { return member_; }
    [[nodiscard]] const cluster::Member& member() const { return member_; }
    [[nodiscard]] std::uint32_t incarnation() const { return incarnation_; }

    /// What a driver does at the end of a turn.
    void arm_timer() {
        const auto next = member_.next_tick();
        if (next == never) return;
        const Instant reading = next + node_.uptime_lead_;
        const Instant at =
            std::max(node_.clock_ == nullptr ? reading : node_.clock_->when_steady_shows(reading),
                     node_.engine_.now());
        if (at == never || (tick_at_ && *tick_at_ <= at)) return;
        tick_at_ = at;
        node_.engine_.schedule(at, {node_.owner_, Node::member_tick, 0, incarnation_});
    }
    void on_tick() {
        if (tick_at_ != node_.engine_.now()) return;
        tick_at_.reset();
        member_.on_tick(node_.core_now());
    }
    void forget_timer() { tick_at_.reset(); }

    // cluster::MemberPort
    void send(cluster::NodeIndex to, cluster::NodeMessage message) override {
        place().mesh->send(place().self, to, std::move(message));
    }
    void tell(ShardIndex shard, PeerMessage message) override {
        put(shard.raw(), std::move(message));
    }
    void answer_claim(ShardIndex shard, ClaimNumber number, ClaimAnswer answer) override {
        put(shard.raw(), Claimed{number, std::move(answer)});
    }
    void evict(std::uint64_t number, const std::string& client_id, SessionFate fate) override {
        put(shard_of(client_id), Eviction{number, client_id, fate});
    }
    void adopt(std::shared_ptr<const storage::SessionCopy> session) override {
        const auto shard = shard_of(session->session.client_id);
        put(shard, Adoption{std::move(session)});
    }
    void stop_serving() override {
        node_.is_serving_ = false;
        if (node_.options_.on_serving) node_.options_.on_serving(false);
        node_.disconnect_all();
    }
    void resume_serving() override {
        if (std::exchange(node_.is_serving_, true)) return;
        if (node_.options_.on_serving) node_.options_.on_serving(true);
    }
    void restart() override {
        const auto& restart_time = place().restart_time;
        node_.engine_.schedule_in(restart_time, {node_.owner_, Node::restarted, 0, incarnation_});
        node_.begin_anew();
    }
    void alarm(std::string text) override {
        if (node_.options_.on_alarm) node_.options_.on_alarm(text);
    }
    cluster::AgreementDisk& agreement_disk() override { return node_.agreement_disk_; }
    std::uint64_t random() override { return random_.next(); }
    [[nodiscard]] std::uint64_t client_count() const override { return node_.attachments_.size(); }
    [[nodiscard]] std::optional<std::vector<cluster::RouteKey>>
    subscriptions_of(const std::string& client_id) const override;

private:
    static cluster::MemberOptions options_of(const Node& node) {
        cluster::MemberOptions options{.rules = node.options_.cluster->rules,
                                       .self = node.options_.cluster->self,
                                       .nodes = {},
                                       .replicants = node.options_.cluster->replicants,
                                       .shard_count = node.options_.shard_count,
                                       .defects = node.options_.defects};
        for (std::uint32_t index = 0; index < node.options_.cluster->node_count; ++index)
            options.nodes.emplace_back(index);
        return options;
    }
    [[nodiscard]] const ClusterPlace& place() const { return *node_.options_.cluster; }
    [[nodiscard]] unsigned shard_of(const std::string& client_id) const {
        return owner_of(client_id, node_.options_.shard_count).raw();
    }
    void put(unsigned shard, Item item) {
        node_.put(node_.options_.shard_count, shard, std::move(item));
    }

    Node& node_;
    std::uint32_t incarnation_;
    RandomStream random_;
    std::optional<Instant> tick_at_;
    cluster::Member member_;
};

}  // namespace touchstone::simulator
