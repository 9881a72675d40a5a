// A node as a part of a cluster: between its shards, its member, and the mesh.

#include <utility>

#include "broker/base/check.hpp"
#include "broker/router/router.hpp"
#include "broker/storage/session_copy.hpp"
#include "simulator/node_gateway.hpp"
#include "simulator/node_shard.hpp"

namespace touchstone::simulator {

std::optional<std::vector<cluster::RouteKey>>
Node::Gateway::subscriptions_of(const std::string& client_id) const {
    const auto texts = node_.shards_[shard_of(client_id)]->broker().subscriptions(client_id);
    if (!texts) return std::nullopt;
    std::vector<cluster::RouteKey> keys;
    for (const auto& text : *texts) {
        const auto name = FilterName::parse(text, true);
        if (name) keys.push_back({std::string{name->filter}, std::string{name->share_name}});
    }
    return keys;
}

const cluster::Member* Node::member() const {
    return gateway_ == nullptr ? nullptr : &gateway_->member();
}

std::map<std::string, std::vector<std::string>> Node::subscriptions() const {
    std::map<std::string, std::vector<std::string>> all;
    for (const auto& shard : shards_) {
        for (const auto& client_id : shard->broker().client_ids()) {
            if (auto texts = shard->broker().subscriptions(client_id))
                all.emplace(client_id, std::move(*texts));
        }
    }
    return all;
}

void Node::begin_cluster() {
    CHECK(gateway_ != nullptr);
    has_begun_ = true;
    const bool discovers = options_.cluster->rules->discovers;
    is_serving_ = !discovers;
    if (discovers && options_.on_serving) options_.on_serving(false);
    gateway_->member().on_start(
        discovers ? cluster::HealingStart::discovering : cluster::HealingStart::formed, core_now());
    gateway_->arm_timer();
}

void Node::on_peer_up(cluster::NodeIndex other) {
    if (is_put_off([this, other] { on_peer_up(other); })) return;
    gateway_->member().on_peer_up(other, core_now());
    gateway_->arm_timer();
}

void Node::on_peer_down(cluster::NodeIndex other) {
    if (is_put_off([this, other] { on_peer_down(other); })) return;
    gateway_->member().on_peer_down(other, core_now());
    gateway_->arm_timer();
}

void Node::on_message(cluster::NodeIndex from, cluster::NodeMessage message) {
    if (is_put_off([this, from, message] { on_message(from, message); })) return;
    gateway_->member().on_message(from, std::move(message), core_now());
    gateway_->arm_timer();
}

void Node::arrive_at_gateway(unsigned from, Item item) {
    auto& member = gateway_->member();
    const ShardIndex shard{from};
    const auto now = core_now();
    if (auto* const message = std::get_if<PeerMessage>(&item)) {
        member.on_shard(shard, std::move(*message), now);
    } else if (const auto* const claiming = std::get_if<Claiming>(&item)) {
        member.on_claim(shard, claiming->number, claiming->client_id, claiming->clean_start, now);
    } else if (const auto* const withdrawal = std::get_if<Withdrawal>(&item)) {
        member.on_withdrawn(shard, withdrawal->number, now);
    } else if (const auto* const entry = std::get_if<Entry>(&item)) {
        member.on_entered(entry->client_id, now);
    } else if (const auto* const release = std::get_if<Release>(&item)) {
        member.on_released(release->client_id, now);
    } else if (auto* const evicted = std::get_if<Evicted>(&item)) {
        member.on_evicted(evicted->number, std::move(evicted->session), now);
    } else {
        UNREACHABLE();
    }
    gateway_->arm_timer();
}

void Node::begin_anew() {
    drop_shards(false);
    ++incarnation_;
    make_shards();
}

void Node::disconnect_all() {
    std::vector<ConnectionNumber> numbers;
    for (const auto& [number, attachment] : attachments_) numbers.push_back(number);
    for (const auto number : numbers) {
        const auto found = attachments_.find(number);
        if (found == attachments_.end()) continue;
        links_.abort(number, Direction::to_client);
        links_.set_unaware(number, false);
        const auto attachment = std::move(found->second);
        attachments_.erase(found);
        if (attachment.is_moving) continue;  // no shard has it
        shards_[attachment.shard]->leave(attachment.id);
        shards_[attachment.shard]->broker().on_close(attachment.id, core_now());
        finish_turn(attachment.shard);
    }
}

}  // namespace touchstone::simulator
