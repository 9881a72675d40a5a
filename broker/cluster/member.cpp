// Tables: who writes what to whom, and what a node does when it has lost its own or gets those of
// others.

#include "broker/cluster/member.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/cluster/healing_views.hpp"

namespace touchstone::cluster {

namespace {

AgreedRegistry::Options agreement_of(const MemberOptions& options) {
    AgreedRegistry::Options result{
        .self = options.self,
        .nodes = options.nodes,
        .learners = {},
        .defects = {.boot_needs_leader = options.defects.has(Defect::raft_boot_needs_leader)},
        .asks_voters_only = options.defects.has(Defect::tracker_local_member_only)};
    const auto voters_max = options.rules->voters_max;
    if (voters_max == 0 || voters_max >= result.nodes.size()) return result;
    const auto first_learner = result.nodes.begin() + static_cast<std::ptrdiff_t>(voters_max);
    result.learners.assign(first_learner, result.nodes.end());
    result.nodes.erase(first_learner, result.nodes.end());
    return result;
}

}  // namespace

Member::Member(const MemberOptions& options, MemberPort& port)
    : options_{options},
      rules_{*options.rules},
      port_{port} {
    CHECK(contains(options.nodes, options.self));
    if (rules_.agrees_on_owners)
        agreed_ = std::make_unique<AgreedRegistry>(agreement_of(options),
                                                   static_cast<AgreedRegistry::Port&>(*this),
                                                   port.agreement_disk());
    if (is_replicant(options_.self)) epochs_[options_.self] = port.random() | 1U;
    if (rules_.kept_messages_max > 0) last_publication_.epoch = port.random();
    if (!rules_.has_database) return;
    healing_ = make_healing({.policy = rules_.healing,
                             .self = options.self,
                             .nodes = options.nodes,
                             .replicants = options.replicants,
                             .defects = healing_defects(options.defects, rules_.healing),
                             .autoclean = rules_.autoclean},
                            *this);
}

void Member::on_start(HealingStart how, Instant now) {
    if (rules_.floods) tell_all_shards(PeerAddRoute{.filter = "#", .share_name = {}});
    begin_log();
    if (agreed_) {
        agreed_->start(now);
        if (how != HealingStart::formed) ask_for_reset(now);
        take_agreed(now);
    }
    review_readiness();
    if (!healing_) return;
    has_tables_ = how == HealingStart::formed;
    healing_->on_start(how, now);
    after_healing();
}

// --- The node's shards
// ----------------------------------------------------------------------------

void Member::on_shard(ShardIndex from, PeerMessage message, Instant now) {
    if (const auto* const publication = std::get_if<PeerPublication>(&message)) {
        publish(*publication, now);
    } else if (const auto* const shared = std::get_if<PeerSharedPublication>(&message)) {
        publish(*shared);
    } else if (const auto* const added = std::get_if<PeerAddRoute>(&message)) {
        set_local_route({added->filter, added->share_name}, from, Route{});
        const bool is_whole = running_.size() + 1 == options_.nodes.size();
        if (!is_whole && has(Defect::suback_waits_for_dead))
            withheld_.emplace_back(from, added->sequence);
        else
            port_.tell(from, PeerRouteAdded{added->sequence});
    } else if (const auto* const removed = std::get_if<PeerRemoveRoute>(&message)) {
        set_local_route({removed->filter, removed->share_name}, from, std::nullopt);
    } else if (const auto* const size = std::get_if<PeerGroupSize>(&message)) {
        set_local_route({size->filter, size->share_name}, from,
                        Route{size->members, size->has_durable});
    } else if (const auto* const retained = std::get_if<PeerRetained>(&message)) {
        const RetainedWritten written{retained->message, retained->version};
        learn(written, now);
        if (rules_.shares_retained) write_to_all(written);
    }
    // What is left are answers to what a member does not send: nothing is certified by it.
}

void Member::set_local_route(const RouteKey& key, ShardIndex shard, std::optional<Route> route) {
    if (route) {
        local_routes_[key][shard] = *route;
    } else if (const auto found = local_routes_.find(key); found != local_routes_.end()) {
        found->second.erase(shard);
        if (found->second.empty()) local_routes_.erase(found);
    }
    announce(key);
}

void Member::announce(const RouteKey& key) {
    const auto* const nodes = routes_.find(key);
    const auto before = nodes != nullptr && nodes->contains(options_.self)
                            ? std::optional{nodes->at(options_.self)}
                            : std::nullopt;
    std::optional<Route> now;
    if (const auto found = local_routes_.find(key); found != local_routes_.end()) {
        now = Route{.members = 0};
        for (const auto& [shard, route] : found->second) {
            now->members += route.members;
            now->has_durable = now->has_durable || route.has_durable;
        }
    }
    if (before == now) return;
    if (now) {
        routes_.set(key, options_.self, *now);
        if (!rules_.floods) write_to_all(RouteWritten{key, *now});
    } else {
        routes_.remove(key, options_.self);
        if (!rules_.floods) write_to_all(RouteRemoved{key});
    }
}

void Member::tell_all_shards(const PeerMessage& message) {
    for (unsigned shard = 0; shard < options_.shard_count; ++shard)
        port_.tell(ShardIndex{shard}, message);
}

void Member::tell_shards_of(const RouteKey& key) {
    std::optional<Route> others;
    if (const auto* const nodes = routes_.find(key))
        for (const auto& [node, route] : *nodes) {
            if (node == options_.self) continue;
            if (!others) others = Route{.members = 0};
            others->members += route.members;
            others->has_durable = others->has_durable || route.has_durable;
        }
    const auto found = told_.find(key);
    if (!others) {
        if (found == told_.end()) return;
        told_.erase(found);
        return tell_all_shards(PeerRemoveRoute{key.filter, key.share_name});
    }
    if (found == told_.end()) tell_all_shards(PeerAddRoute{key.filter, key.share_name, 0});
    if (found != told_.end() && found->second == *others) return;
    told_[key] = *others;
    if (!key.share_name.empty())
        tell_all_shards(
            PeerGroupSize{key.filter, key.share_name, others->members, others->has_durable});
}

void Member::on_restarted(Instant now) {
    if (rules_.floods) tell_all_shards(PeerAddRoute{.filter = "#", .share_name = {}});
    if (agreed_) ask_for_reset(now);
    if (!healing_) return;
    healing_->on_rebooted(now);
    after_healing();
}

// --- Other nodes
// ------------------------------------------------------------------------------------

void Member::on_peer_up(NodeIndex peer, Instant now) {
    if (!contains(options_.nodes, peer) || !linked_.insert(peer).second) return;
    if (healing_) {
        healing_->on_peer_up(peer, now);
        after_healing();
    } else {
        running_.insert(peer);
        port_.send(peer, own_tables());
        if (log_) port_.send(peer, log_state(now));
    }
    if (agreed_) {
        agreed_->on_reachable(peer);
        take_agreed(now);
    }
    review_readiness();
    if (is_up(peer)) send_kept(peer, now);
    answer_withheld();
}

void Member::on_peer_down(NodeIndex peer, Instant now) {
    if (linked_.erase(peer) == 0) return;
    std::erase_if(locks_, [peer](const auto& one) { return one.second.owner == peer; });
    std::erase_if(offered_, [peer](const auto& one) { return one.first.first == peer; });
    std::erase_if(behind_, [peer](const Behind& one) { return one.from == peer; });
    if (healing_) {
        healing_->on_peer_down(peer, now);
        after_healing();
    } else {
        running_.erase(peer);
        if (!rules_.keeps_rows) purge(peer);
        written_.erase(peer);  // it may count anew
    }
    if (is_replicant(options_.self) && !is_replicant(peer)) written_.erase(peer);  // the same
    if (options_.defects.any()) spoil_loss(peer, now);
    if (has(Defect::reroute_kicks_live)) kick_announced(now);
    review_readiness();
    lose_claims_of(peer, now);
    take_back_from(peer, now);
}

void Member::on_message(NodeIndex from, NodeMessage message, Instant now) {
    if (!linked_.contains(from)) return;
    const auto handle = [&](auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, HealingMessage>) {
            if (!healing_) return;
            healing_->on_message(from, content, now);
            after_healing();
        } else if constexpr (std::is_same_v<Content, RaftMessage>) {
            if (agreed_) agreed_->on_message(from, content, now);
            take_agreed(now);
        } else if constexpr (std::is_same_v<Content, RegistryProposal>) {
            if (agreed_) agreed_->on_proposal(content, now);
            take_agreed(now);
        } else if constexpr (std::is_same_v<Content, TableWrite>) {
            take_write(from, from, content, now);
        } else if constexpr (std::is_same_v<Content, RelayedWrite>) {
            take_write(from, content.origin, content.write, now);
        } else if constexpr (std::is_same_v<Content, RelayedTables>) {
            take_own(from, content.origin, content.tables, now);
        } else if constexpr (std::is_same_v<Content, NodeForgotten>) {
            if (feeds_this(from)) remove_rows_of(content.node);
        } else if constexpr (std::is_same_v<Content, TablesRequest>) {
            port_.send(from, whole_tables(content.number));
        } else if constexpr (std::is_same_v<Content, Tables>) {
            if (content.number == 0)
                take_own(from, from, content, now);
            else
                take(from, content, now);
        } else {
            on(from, content, now);
        }
    };
    std::visit(handle, message);
}

void Member::on_tick(Instant now) {
    if (healing_ && healing_->next_tick() <= now) {
        healing_->on_tick(now);
        after_healing();
    }
    if (agreed_ && agreed_->next_tick() <= now) {
        agreed_->on_tick(now);
        take_agreed(now);
    }
    evict_disowned(now);
    purge_late(now);
    sweep(now);
    compare_log(now);
    if (compares_at_ <= now) {
        compares_at_ = never;
        for (const auto peer : running_) port_.send(peer, own_tables());
    }
    while (!holds_.empty() && holds_.front().until <= now) {
        const auto hold = std::move(holds_.front());
        holds_.pop_front();
        for (const auto& key : hold.keys) {
            // The session has announced what it has itself: Route{} of the hold is not that of it.
            const auto found = local_routes_.find(key);
            if (found == local_routes_.end()) continue;
            const auto route = found->second.find(hold.shard);
            if (route != found->second.end() && route->second.members == 0)
                set_local_route(key, hold.shard, std::nullopt);
        }
    }
    for (auto claim = claims_.begin(); claim != claims_.end();) {
        const auto next = std::next(claim);
        if (claim->second.gives_up_at <= now) finish(claim, ReasonCode::server_unavailable, now);
        claim = next;
    }
}

Instant Member::next_tick() const {
    auto next = healing_ ? healing_->next_tick() : never;
    next = std::min({next, compares_at_, compares_log_at_});
    if (agreed_) next = std::min(next, agreed_->next_tick());
    if (!disowned_.empty()) next = std::min(next, disowned_.front().at);
    if (!holds_.empty()) next = std::min(next, holds_.front().until);
    if (!late_purges_.empty()) next = std::min(next, late_purges_.front().first);
    if (sweep_) next = std::min(next, sweep_->next_row_at);
    for (const auto& [number, claim] : claims_) next = std::min(next, claim.gives_up_at);
    return next;
}

// --- Tables
// -----------------------------------------------------------------------------------------

bool Member::is_serving() const {
    if (!healing_) return true;
    const auto state = healing_->health().state;
    return state != HealingState::stopped && state != HealingState::paused;
}

void Member::after_healing() {
    running_.clear();
    for (const auto node : healing_->health().running)
        if (node != options_.self) running_.insert(node);
}

void Member::review_readiness() {
    if (!rules_.needs_all_members) return;
    is_ready_ = running_.size() + 1 == options_.nodes.size();
    const auto allowed = [&](bool may) {
        return is_ready_ || (may && !has(Defect::ready_requires_all))
                   ? ReasonCode::success
                   : ReasonCode::implementation_specific_error;
    };
    tell_all_shards(PeerReadiness{.publish = allowed(rules_.may_publish),
                                  .subscribe = allowed(rules_.may_subscribe)});
}

void Member::write_to_all(RowWrite row) {
    const auto own = epochs_.find(options_.self);
    const TableWrite write{.number = ++written_[options_.self],
                           .row = std::move(row),
                           .epoch = own == epochs_.end() ? 0 : own->second};
    for (const auto peer : fed_nodes()) port_.send(peer, write);
}

void Member::apply(NodeIndex from, const TableWrite& write, Instant now) {
    if (is_replicator_dead_) return;
    // Another life of the node says first what it has.
    if (write.epoch != 0 && epochs_.try_emplace(from, write.epoch).first->second != write.epoch)
        return;
    auto& last = written_[from];
    if (write.number <= last) return;  // it is in the tables that were copied
    last = write.number;
    std::visit([&](const auto& row) { apply(from, row, now); }, write.row);
}

void Member::set_route(const RouteKey& key, NodeIndex node, Route route) {
    routes_.set(key, node, route);
    tell_shards_of(key);
}

void Member::remove_route(const RouteKey& key, NodeIndex node) {
    routes_.remove(key, node);
    tell_shards_of(key);
}

void Member::purge(NodeIndex node) {
    written_.erase(node);  // it may count anew
    if (!has(Defect::purge_never) && !has(Defect::merge_union_resurrects)) remove_routes_of(node);
    // Who has which client is remembered where its session is waited for.
    if (agreed_ || rules_.refuses_if_owner_is_away || has(Defect::registry_ghost_after_heal) ||
        has(Defect::sweeper_crash_on_churn))
        return;
    remove_sessions_of(node);
}

void Member::remove_rows_of(NodeIndex node) {
    written_.erase(node);
    remove_routes_of(node);
    if (!agreed_) remove_sessions_of(node);
}

void Member::remove_routes_of(NodeIndex node) {
    for (const auto& key : routes_.keys_of(node)) remove_route(key, node);
}

void Member::remove_sessions_of(NodeIndex node) {
    for (auto row = sessions_.begin(); row != sessions_.end();) {
        row->second.erase(node);
        row = row->second.empty() ? sessions_.erase(row) : std::next(row);
    }
}

void Member::apply(NodeIndex from, const RouteWritten& written, Instant) {
    set_route(written.key, from, written.route);
}

void Member::apply(NodeIndex from, const RouteRemoved& removed, Instant) {
    remove_route(removed.key, from);
}

void Member::apply(NodeIndex from, const SessionWritten& written, Instant now) {
    auto& nodes = sessions_[written.client_id];
    nodes[from] = written.stamp;
    note_told(written.client_id, {{{from, written.stamp.start}, written.stamp.at_us}});
    if (nodes.size() > 1 && has(Defect::metadata_merge_crash)) is_replicator_dead_ = true;
    // A replicant and a core that did not reach each other did not ask each other.
    if (rules_.keeps_newest || is_replicant(from) || is_replicant(options_.self))
        judge_double(written.client_id, from, now);
}

void Member::apply(NodeIndex from, const SessionRemoved& removed, Instant now) {
    if (!removed.ended.empty()) {
        note_ended(removed.client_id, removed.ended);
        judge_ended(removed.client_id, now);
    }
    const auto found = sessions_.find(removed.client_id);
    if (found == sessions_.end()) return;
    disturb_sweep();
    found->second.erase(from);
    if (found->second.empty()) sessions_.erase(found);
}

void Member::apply(NodeIndex, const RetainedWritten& written, Instant now) {
    learn(written, now);
}

bool Member::note(const RetainedWritten& written, Instant now) {
    const auto [row, is_new] =
        retained_.try_emplace(std::string{written.message->topic()}, written);
    if (!is_new && written.version <= row->second.version) return false;
    row->second = written;
    if (is_replicant(options_.self)) retained_at_[row->first] = now;
    if (rules_.compares_every != Duration::max())
        compares_at_ = std::min(compares_at_, now + rules_.compares_every);
    return true;
}

void Member::learn(const RetainedWritten& written, Instant now) {
    if (note(written, now)) tell_all_shards(PeerRetained{written.message, written.version});
}

Tables Member::whole_tables(std::uint64_t number) const {
    Tables tables{.number = number, .routes = {}, .sessions = {}, .retained = {}, .written = {}};
    routes_.for_each([&](const RouteKey& key, const RouteTable::Nodes& nodes) {
        for (const auto& [node, route] : nodes) tables.routes.push_back({key, node, route});
    });
    if (!agreed_)
        for (const auto& [client_id, nodes] : sessions_)
            for (const auto& [node, stamp] : nodes)
                tables.sessions.push_back(
                    {client_id, {stamp.at_us, node, stamp.clean_since, stamp.start}});
    for (const auto& [client_id, ended] : ended_) tables.ended.push_back({client_id, ended});
    for (const auto& [client_id, told_of] : told_of_)
        tables.told_of.push_back({client_id, told_of});
    for (const auto& [topic, row] : retained_) tables.retained.push_back(row);
    tables.written = written_;
    tables.epochs = epochs_;
    return tables;
}

Tables Member::own_tables() const {
    auto tables = whole_tables(0);
    std::erase_if(tables.routes, [&](const auto& row) { return row.node != options_.self; });
    std::erase_if(tables.sessions,
                  [&](const auto& row) { return row.stamp.node != options_.self; });
    if (rules_.floods) tables.routes.clear();
    // A database does not compare them: it has what was written to it.
    if (!rules_.shares_retained || rules_.has_database) tables.retained.clear();
    return tables;
}

void Member::take(NodeIndex from, const Tables& tables, Instant now) {
    if (tables.number == 0) {
        if (is_replicator_dead_) return;
        note_epoch(from, tables);
        const auto own = tables.written.find(from);
        const auto number = own == tables.written.end() ? 0 : own->second;
        if (number < written_[from]) return;  // copied ones are newer
        // Row by row: a route that stays is not gone for a moment.
        std::set<RouteKey> keys;
        for (const auto& row : tables.routes) keys.insert(row.key);
        if (!has(Defect::merge_union_resurrects))
            for (const auto& key : routes_.keys_of(from))
                if (!keys.contains(key)) remove_route(key, from);
        if (!agreed_ && !has(Defect::registry_ghost_after_heal)) remove_sessions_of(from);
        if (!has(Defect::purge_on_nodedown))
            for (const auto& row : tables.routes) set_route(row.key, from, row.route);
        for (const auto& row : tables.sessions)
            if (!is_cleaned(from, row.stamp)) sessions_[row.client_id][from] = row.stamp;
        for (const auto& row : tables.sessions)
            note_told(row.client_id, {{{row.stamp.node, row.stamp.start}, row.stamp.at_us}});
        for (const auto& row : tables.told_of) note_told(row.client_id, row.ended);
        for (const auto& row : tables.retained) learn(row, now);
        written_[from] = number;
        if (!rules_.keeps_newest && !is_replicant(from)) return;
        for (const auto& row : tables.sessions)
            if (!is_cleaned(from, row.stamp)) judge_double(row.client_id, from, now);
        for (const auto& row : tables.ended) {
            note_ended(row.client_id, row.ended);
            judge_ended(row.client_id, now);
        }
        return;
    }
    if (has_tables_ || tables.number != last_copy_) return;  // of an attempt that was given up
    for (const auto node : options_.nodes)
        if (node != options_.self) remove_rows_of(node);
    const bool omits_shared = has(Defect::share_remote_missing_after_restart);
    for (const auto& row : tables.routes)
        if (row.node != options_.self && (!omits_shared || row.key.share_name.empty()))
            set_route(row.key, row.node, row.route);
    for (const auto& row : tables.sessions)
        if (row.stamp.node != options_.self) sessions_[row.client_id][row.stamp.node] = row.stamp;
    if (!has(Defect::heal_loser_state_dropped)) take_retained(tables.retained, now);
    for (const auto& [node, number] : tables.written)
        if (node != options_.self) written_[node] = number;
    for (const auto& [node, epoch] : tables.epochs)
        if (node != options_.self) epochs_[node] = epoch;
    has_tables_ = true;
    for (auto& [node, write] : std::exchange(kept_writes_, {}))
        on_message(node, std::move(write), now);
    healing_->on_copied(now);
    after_healing();
    if (!is_serving()) {
        has_tables_ = false;  // they were asked for in an attempt that has been given up
        return;
    }
    // Who was only paused still has its sessions, and the others have forgotten them; of who has
    // none any more they may know some.
    announce_own(now);
}

HealingHealth Member::health() const {
    if (healing_) return healing_->health();
    HealingHealth health{.running = {options_.self}};
    for (const auto node : options_.nodes) {
        if (node == options_.self) continue;
        (is_up(node) ? health.running : health.stopped).push_back(node);
    }
    std::ranges::sort(health.running);
    if (!health.stopped.empty()) health.state = HealingState::member_down;
    return health;
}

// --- Healing
// -----------------------------------------------------------------------------------------

void Member::send(NodeIndex to, HealingMessage message) {
    port_.send(to, std::move(message));
}

void Member::stop_serving() {
    has_tables_ = false;
    kept_writes_.clear();
    port_.stop_serving();
}

void Member::resume_serving() {
    has_tables_ = true;  // if nobody had any, those that are left
    port_.resume_serving();
}

void Member::reboot(NodeIndex) {
    claims_.clear();
    holds_.clear();
    locks_.clear();
    offered_.clear();
    evictions_.clear();
    behind_.clear();
    local_routes_.clear();
    told_.clear();
    routes_.clear();
    if (!agreed_) sessions_.clear();
    retained_.clear();
    disowned_.clear();
    port_.restart();
}

void Member::copy_tables(NodeIndex source) {
    if (is_replicant(options_.self)) {
        has_tables_ = false;  // nor is what another core has sent any more
        kept_writes_.clear();
    }
    port_.send(source, TablesRequest{++last_copy_});
}

void Member::forget(NodeIndex peer) {
    for (const auto agent : healing_ ? healing_->health().agents : std::vector<NodeIndex>{})
        port_.send(agent, NodeForgotten{peer});
    purge(peer);
    std::erase_if(kept_writes_, [peer](const auto& write) { return write.first == peer; });
}

}  // namespace touchstone::cluster
