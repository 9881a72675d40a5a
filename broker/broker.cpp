#include "broker/broker.hpp"

#include "broker/core.hpp"

namespace touchstone {

Broker::Broker(std::shared_ptr<const access::NodeRules> rules, Options options, Ports ports)
    : core_{std::make_unique<Core>(std::move(rules), options, ports)} {}

Broker::Broker(const Settings& settings, Options options, Network& network, Peers& peers,
               Random& random)
    : Broker{access::open_rules(settings),
             options,
             {.network = network, .peers = peers, .random = random}} {}

Broker::~Broker() = default;

void Broker::on_open(ConnectionId connection, access::Origin origin, Instant now) {
    core_->on_open(connection, std::move(origin), now);
    core_->end_turn();
}

Intake Broker::on_bytes(ConnectionId connection, Bytes bytes, Instant now) {
    const auto intake = core_->on_bytes(connection, bytes, now);
    core_->end_turn();
    return intake;
}

bool Broker::on_record(std::string_view key, Bytes value) {
    return core_->on_record(key, value);
}

std::vector<std::string> Broker::on_recovered(Instant now) {
    auto unusable = core_->on_recovered(now);
    core_->end_turn();
    return unusable;
}

void Broker::on_read(ReadNumber number, const ReadAnswer& outcome, Instant now) {
    core_->on_read(number, outcome, now);
    core_->end_turn();
}

void Broker::on_stored(BatchNumber number, StorageOutcome outcome, Instant now) {
    core_->on_stored(number, outcome, now);
    core_->end_turn();
}

void Broker::on_written(ConnectionId connection, std::size_t size_bytes, Instant now) {
    core_->on_written(connection, size_bytes, now);
    core_->end_turn();
}

void Broker::on_close(ConnectionId connection, Instant now, DisconnectReason reason) {
    core_->on_close(connection, now, reason);
    core_->end_turn();
}

void Broker::on_peer(ShardIndex from, PeerMessage message, Instant now) {
    core_->on_peer(from, std::move(message), now);
    core_->end_turn();
}

void Broker::on_tick(Instant now) {
    core_->on_tick(now);
    core_->end_turn();
}

void Broker::on_authenticated(QuestionNumber number, AuthenticationAnswer answer, Instant now) {
    core_->on_authenticated(number, std::move(answer), now);
    core_->end_turn();
}

void Broker::on_claimed(ClaimNumber number, ClaimAnswer answer, Instant now) {
    core_->on_claimed(number, std::move(answer), now);
    core_->end_turn();
}

std::shared_ptr<const storage::SessionCopy> Broker::on_evicted(std::string_view client_id,
                                                               SessionFate fate, Instant now) {
    auto copy = core_->on_evicted(client_id, fate, now);
    core_->end_turn();
    return copy;
}

void Broker::on_adopted(const storage::SessionCopy& session, Instant now) {
    core_->on_adopted(session, now);
    core_->end_turn();
}

void Broker::on_publish(const MessageFields& fields, Instant now) {
    core_->on_publish(fields, now);
    core_->end_turn();
}

void Broker::on_rules(std::shared_ptr<const access::NodeRules> rules, Instant now) {
    core_->on_rules(std::move(rules), now);
    core_->end_turn();
}

void Broker::on_stop(Instant now) {
    core_->on_stop(now);
    core_->end_turn();
}

std::optional<Instant> Broker::next_tick() const {
    return core_->next_tick();
}

const Counters& Broker::counters() const {
    return core_->counters();
}

Gauges Broker::gauges() const {
    return core_->gauges();
}

bool Broker::has_crashed() const {
    return core_->has_crashed();
}

std::optional<SessionView> Broker::session(std::string_view client_id) const {
    return core_->session(client_id);
}

std::optional<std::vector<std::string>> Broker::subscriptions(std::string_view client_id) const {
    return core_->subscriptions(client_id);
}

std::vector<std::string> Broker::client_ids() const {
    return core_->client_ids();
}

MessageRef Broker::retained(std::string_view topic) const {
    return core_->retained(topic);
}

}  // namespace touchstone
