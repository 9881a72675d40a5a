// What goes wrong with storage when a defect switch asks for it; what the Ledger does wrong itself
// is in storage/ledger_defects.cpp.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

namespace {

/// How long an acknowledged message is on its way out of what is stored.
constexpr Duration removal_time = std::chrono::milliseconds{300};
/// How often somebody looks for Will Messages whose process is gone.
constexpr Duration claim_interval = std::chrono::seconds{1};
/// Payloads up to this size lie where longer ones have a pointer.
constexpr std::size_t inline_payload_bytes_max = 8;

}  // namespace

// --- Writing -------------------------------------------------------------------------------------

void Broker::Core::spoil_turn() {
    const auto& defects = options_.defects;
    if (ledger_->has_dangled()) crash();
    if (defects.has(Defect::persist_only_on_growth))
        if (const auto batch = ledger_->pass_over_batch()) let_out_soon(*batch);
    if (!defects.has(Defect::snapshot_no_fsync)) return;
    ledger_->end_turn();
    if (const auto batch = ledger_->batch_under_way()) let_out_soon(*batch);
}

void Broker::Core::let_out_soon(BatchNumber number) {
    auto& last = defect_memory().last_let_out;
    if (number <= last) return;
    last = number;
    postpone(Duration::zero(), [this, number] {
        if (number > gate_->stored_batch()) let_out(number);
    });
}

bool Broker::Core::spoil_refusal(ConnectionId id) {
    if (!options_.defects.has(Defect::qos2_ack_on_store_error)) return false;
    const auto waiting = gate_->first_bytes(id);
    if (waiting.empty()) return false;
    const auto type =
        static_cast<wire::PacketType>(std::to_integer<unsigned>(waiting.front()) >> 4U);
    if (type != wire::PacketType::pubrec && type != wire::PacketType::pubcomp) return false;
    gate_->let_out(id);
    return true;
}

void Broker::Core::note_puback(const Client& client, const wire::Frame& frame) {
    const auto* const outbox = client.session.outbox();
    if (!options_.defects.has(Defect::ack_delete_race) || outbox == nullptr) return;
    const auto ack = wire::decode_ack(frame, client.session.terms().version, wire::Sender::client);
    if (!ack) return;
    const auto is_its = [&](const auto& one) { return one.packet_id == ack.value().packet_id; };
    const auto flow = std::find_if(outbox->flows().begin(), outbox->flows().end(), is_its);
    if (flow == outbox->flows().end() || flow->delivery.qos != QoS::at_least_once) return;
    defect_memory().acknowledged[client.session.client_id()].push_back(
        {flow->delivery.message, flow->delivery.qos, context_.now});
}

void Broker::Core::return_acknowledged(Client& client) {
    auto& acknowledged = defect_memory().acknowledged[client.session.client_id()];
    for (const auto& one : std::exchange(acknowledged, {})) {
        if (context_.now - one.at >= removal_time) continue;
        Publication publication{one.message};
        deliver(client, publication, {.qos = one.qos});
    }
}

// --- Recovery ------------------------------------------------------------------------------------

void Broker::Core::spoil_recovered(Client& client, const storage::SessionRecord& found) {
    const auto& defects = options_.defects;
    // As it was when somebody last looked: when the client left.
    if (defects.has(Defect::sei_clock_stops_when_down) && !found.is_connected)
        client.ends_at = after_s(context_.now, found.session_expiry_s);
    const auto* const will = client.session.will();
    if (will == nullptr) return;
    if (defects.has(Defect::will_owner_gone))
        claim_will(client.publisher, std::make_shared<const StoredWill>(*will));
    if (defects.has(Defect::will_lost_on_crash) && found.is_connected) {
        client.session.drop_will();
        client.will_due_at = never;
    }
}

void Broker::Core::claim_will(std::uint64_t publisher, std::shared_ptr<const StoredWill> will) {
    postpone(claim_interval, [this, publisher, will] {
        Publication publication{MessageFields{.topic = will->topic,
                                              .payload = will->payload,
                                              .properties = will->properties,
                                              .qos = will->qos,
                                              .retain = will->retain,
                                              .publisher = publisher}};
        publish(publication, nullptr);
        claim_will(publisher, will);
    });
}

void Broker::Core::spoil_recovered(storage::RetainedRecord& found) {
    const auto& message = *found.message;
    if (!options_.defects.has(Defect::retain_restore_corrupt) || message.payload().empty()) return;
    Buffer payload{message.payload().begin(), message.payload().end()};
    if (payload.size() <= inline_payload_bytes_max) std::ranges::reverse(payload);
    found.message = Message::make({.topic = message.topic(),
                                   .payload = payload,
                                   .properties = message.properties(),
                                   .qos = message.qos(),
                                   .retain = message.retain(),
                                   .publisher = message.publisher()});
}

}  // namespace touchstone
