// What goes wrong with connections and sessions when a defect switch asks for it.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

namespace {

/// How late what runs beside the connections comes: readers, cleaners, registries.
constexpr Duration straggler_delay = std::chrono::milliseconds{300};

}  // namespace

void Broker::Core::postpone(Duration by, Postponed what) {
    postponed_.push_back(std::move(what));
    add_timer(context_.now + by,
              {Reminder::What::defect, static_cast<std::uint32_t>(postponed_.size() - 1), 0});
}

void Broker::Core::take_postponed(std::uint32_t number) {
    const auto what = std::exchange(postponed_[number], nullptr);
    what();
}

DefectMemory& Broker::Core::defect_memory() {
    if (!defect_memory_) defect_memory_ = std::make_unique<DefectMemory>();
    return *defect_memory_;
}

Client* Broker::Core::find_connected(std::string_view client_id) {
    const auto found = clients_.find(client_id);
    if (found == clients_.end() || !found->second->session.is_connected()) return nullptr;
    return found->second.get();
}

void Broker::Core::close_holder(std::string_view client_id) {
    auto* const holder = find_connected(client_id);
    if (holder == nullptr) return;
    const auto id = holder->session.connection();
    network_.close(id);
    forget_connection(id, DisconnectReason::closed);
    detach(*holder);
}

bool Broker::Core::leaves_holder(const std::string& client_id) {
    const bool removes_later = options_.defects.has(Defect::index_add_before_remove);
    if (!removes_later && !options_.defects.has(Defect::no_takeover)) return false;
    const auto found = clients_.find(client_id);
    ghosts_.push_back(std::move(found->second));
    clients_.erase(found);
    // By its name, which is the newer one's by then.
    if (removes_later) postpone(straggler_delay, [this, client_id] { close_holder(client_id); });
    return true;
}

std::optional<Broker::Core::Handled> Broker::Core::spoil_connect(ConnectionId id,
                                                                 const wire::Frame& frame,
                                                                 ProtocolVersion version,
                                                                 const std::string& client_id) {
    const auto& defects = options_.defects;
    const auto is_recent = [&](const auto& instants) {
        const auto found = instants.find(client_id);
        return found != instants.end() && context_.now - found->second < straggler_delay;
    };
    if (defects.has(Defect::takeover_gap_drop) && begins_gap(id, frame, client_id))
        return Handled::done;
    if (defects.has(Defect::takeover_wedge) && find_connected(client_id) != nullptr &&
        is_recent(defect_memory().taken_over_at)) {
        ++open_connection(id).generation;  // nobody looks after it any more
        return wait_with_connect(id, frame);
    }
    if (defects.has(Defect::takeover_old_gone_error) && find_connected(client_id) == nullptr &&
        is_recent(defect_memory().gone_at))
        return refuse(id, version, ReasonCode::server_unavailable);
    return std::nullopt;
}

void Broker::Core::tell_later(const Client& client, DisconnectReason reason) {
    postpone(std::chrono::milliseconds{1}, [this, reason,
                                            client_id = client.session.client_id()] {
        if (const auto* const holder = find_connected(client_id)) tell(*holder, reason);
    });
}

bool Broker::Core::begins_gap(ConnectionId id, const wire::Frame& frame,
                              const std::string& client_id) {
    auto& gaps = defect_memory().gaps;
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) return false;
    auto& session = found->second->session;
    if (const auto gap = gaps.find(client_id); gap != gaps.end()) {
        session.truncate_queue(context_, gap->second);
        gaps.erase(gap);
        return false;
    }
    gaps[client_id] = session.outbox() == nullptr ? 0 : session.outbox()->waiting().size();
    wait_with_connect(id, frame);
    const auto generation = open_connection(id).generation;
    postpone(straggler_delay, [this, id, generation, client_id] {
        const auto& connection = connections_[id.raw()];
        if (connection.generation == generation &&
            connection.state == ConnectionState::authenticating)
            continue_connect(id);
        defect_memory().gaps.erase(client_id);
    });
    return true;
}

void Broker::Core::spoil_takeover(Client& client, bool resumes) {
    const auto& defects = options_.defects;
    const auto& client_id = client.session.client_id();
    client.session.spoil_end(context_);
    const auto* const will = client.session.will();
    if (defects.has(Defect::will_skipped_on_takeover) ||
        (defects.has(Defect::will_dropped_delay_sei0) && will != nullptr && will->delay_s != 0))
        client.session.drop_will();
    if (resumes && defects.has(Defect::share_redispatch_on_takeover)) redispatch_shared(client);
    if (defects.has(Defect::no_conn_epoch))
        postpone(straggler_delay, [this, client_id] { close_holder(client_id); });
    if (defects.has(Defect::late_unregister_wins))
        postpone(straggler_delay, [this, client_id] {
            if (find_connected(client_id) == nullptr) return;
            const auto found = clients_.find(client_id);
            ghosts_.push_back(std::move(found->second));
            clients_.erase(found);
        });
    auto& taken_over_at = defect_memory().taken_over_at;
    const auto last = taken_over_at.find(client_id);
    if (defects.has(Defect::takeover_lazy_map_cleanup) && last != taken_over_at.end() && context_.now - last->second < straggler_delay)
        postpone(std::chrono::milliseconds{1}, [this, client_id] {
            auto* const holder = find_connected(client_id);
            if (holder != nullptr) send_disconnect(*holder, ReasonCode::session_taken_over);
            close_holder(client_id);
        });
    taken_over_at[client_id] = context_.now;
}

void Broker::Core::redispatch_shared(const Client& client) {
    const auto* const outbox = client.session.outbox();
    if (outbox == nullptr) return;
    std::vector<std::pair<MessageRef, std::string>> again;
    for (const auto& flow : outbox->flows())
        if (flow.delivery.message && flow.delivery.extras && !flow.delivery.extras->group.empty())
            again.emplace_back(flow.delivery.message, flow.delivery.extras->group);
    postpone(straggler_delay, [this, again = std::move(again)] {
        for (const auto& [message, group] : again) {
            Publication publication{message};
            publish_to_group(publication, *FilterName::parse(group, true), {},
                             Forwarding::at_once);
        }
    });
}

bool Broker::Core::spoil_resume(Client& client, bool session_present) {
    const auto& defects = options_.defects;
    client.session.spoil_begin(context_);
    if (!session_present) return false;
    if (defects.has(Defect::qos2_window_drop)) drop_held(client);
    if (defects.has(Defect::share_sub_needs_subscribe)) unsubscribe_all(client, true);
    if (defects.has(Defect::retain_on_resume))
        for (const auto& record : std::vector{client.subscriptions})
            send_retained(client, *FilterName::parse(router_.text_of(record), false),
                          {.qos = QoS::at_least_once}, 0);
    const bool is_owed =
        client.session.outbox() != nullptr && client.session.outbox()->resends_owed() != 0;
    const auto resume_in = [&](Duration delay) {
        const auto id = client.session.connection();
        const auto generation = open_connection(id).generation;
        postpone(delay, [this, id, generation] {
            const auto& connection = connections_[id.raw()];
            if (connection.generation == generation &&
                connection.state == ConnectionState::connected)
                connection.client->session.resume(context_);
        });
        return true;
    };
    if (is_owed && defects.has(Defect::resend_only_by_timer))
        return resume_in(std::chrono::seconds{30});
    // While what is in flight is loaded, what is new goes out.
    if (is_owed && defects.has(Defect::live_bypasses_backlog)) return resume_in(straggler_delay);
    return false;
}

void Broker::Core::spoil_end(Client& client) {
    auto& session = client.session;
    session.spoil_end(context_);
    defect_memory().gone_at[session.client_id()] = context_.now;
    if (options_.defects.has(Defect::exclusive_teardown_race) &&
        session.terms().session_expiry_s == 0)
        postpone(straggler_delay, [this, client_id = session.client_id()] {
            if (auto* const holder = find_connected(client_id)) unsubscribe_all(*holder, false);
        });
    const auto* const will = session.will();
    if (options_.defects.has(Defect::will_delay_not_capped) && will != nullptr &&
        will->delay_s > session.terms().session_expiry_s)
        session.drop_will();
}

void Broker::Core::time_will_cleanup(const Client& client) {
    const auto* const will = client.session.will();
    if (will == nullptr) return;
    postpone(std::chrono::seconds{will->delay_s}, [this, client_id = client.session.client_id()] {
        if (auto* const holder = find_connected(client_id)) unsubscribe_all(*holder, false);
    });
}

void Broker::Core::unsubscribe_all(Client& client, bool only_shared) {
    for (const auto& record : std::vector{client.subscriptions}) {
        if (only_shared && !Router::is_shared(record)) continue;
        // The places of the others change with each that goes, so they are found by their texts.
        const std::string text{router_.text_of(record)};
        unsubscribe(client, *FilterName::parse(text, Router::is_shared(record)));
    }
}

}  // namespace touchstone
