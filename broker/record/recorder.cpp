#include "broker/record/recorder.hpp"

namespace touchstone::record {

Recorder::Recorder(const Broker::Ports& inner, Sink& sink, std::uint64_t size_bytes_max)
    : inner_{inner},
      sink_{sink},
      left_bytes_{size_bytes_max} {
    append(pending_, as_bytes(magic));
}

Broker::Ports Recorder::ports() {
    // All of them: whatever goes past the recorder is missing in the record.
    const auto& [network, peers, random, authentication, events, storage, registry] = inner_;
    CHECK(registry == nullptr);  // members of clusters are not recorded
    return {.network = *this,
            .peers = *this,
            .random = *this,
            .authentication = authentication == nullptr ? nullptr : this,
            .events = events == nullptr ? nullptr : this,
            .storage = storage == nullptr ? nullptr : this};
}

void Recorder::end(Ending ending) {
    if (is_over_) return;
    note(Kind::end, ending);
    static_cast<void>(sink_.write(pending_));
    pending_ = {};
    is_over_ = true;
}

void Recorder::flush() {
    if (pending_.size() > left_bytes_) {
        // This input is not the record's any more, but what is noted of it may stay: without an
        // effect behind it, nobody expects one.
        end(Ending::limit);
        return sink_.on_limit();
    }
    left_bytes_ -= pending_.size();
    is_over_ = !sink_.write(pending_);
    pending_.clear();
}

void Recorder::send(ConnectionId connection, Bytes bytes) {
    effect(Kind::sent, connection, bytes);
    inner_.network.send(connection, bytes);
}

void Recorder::send(ConnectionId connection, Bytes head, const MessageRef& message) {
    if (!is_over_) {
        Buffer whole{head.begin(), head.end()};
        append(whole, message->payload());
        effect(Kind::sent, connection, whole);
    }
    inner_.network.send(connection, head, message);
}

void Recorder::close(ConnectionId connection) {
    effect(Kind::closed, connection);
    inner_.network.close(connection);
}

void Recorder::abort(ConnectionId connection) {
    effect(Kind::aborted, connection);
    inner_.network.abort(connection);
}

void Recorder::move(ConnectionId connection, ShardIndex owner, access::Origin origin) {
    effect(Kind::moved, connection, owner, origin);
    inner_.network.move(connection, owner, std::move(origin));
}

void Recorder::resume(ConnectionId connection) {
    effect(Kind::resumed, connection);
    inner_.network.resume(connection);
}

void Recorder::send(ShardIndex to, PeerMessage message) {
    effect(Kind::told_peer, to, message);
    inner_.peers.send(to, std::move(message));
}

std::uint64_t Recorder::next() {
    const auto value = inner_.random.next();
    effect(Kind::drawn, value);
    return value;
}

void Recorder::ask(QuestionNumber number, AuthenticationQuestion question) {
    effect(Kind::asked, number, question);
    inner_.authentication->ask(number, std::move(question));
}

void Recorder::forget(QuestionNumber number) {
    effect(Kind::forgotten, number);
    inner_.authentication->forget(number);
}

void Recorder::on_connected(const ClientEvent& client) {
    effect(Kind::connected, client);
    inner_.events->on_connected(client);
}

void Recorder::on_disconnected(const ClientEvent& client, DisconnectReason reason) {
    effect(Kind::disconnected, client, reason);
    inner_.events->on_disconnected(client, reason);
}

void Recorder::put(std::string_view key, Bytes value) {
    effect(Kind::put, key, value);
    inner_.storage->put(key, value);
}

void Recorder::erase(std::string_view key) {
    effect(Kind::erased, key);
    inner_.storage->erase(key);
}

void Recorder::commit(BatchNumber number) {
    effect(Kind::committed, number);
    inner_.storage->commit(number);
}

void Recorder::read(ReadNumber number, std::vector<std::string> keys) {
    effect(Kind::looked_up, number, keys);
    inner_.storage->read(number, std::move(keys));
}

}  // namespace touchstone::record
