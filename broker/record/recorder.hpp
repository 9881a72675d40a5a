// Recorder: stands between a core and its driver, notes everything that crosses the border, and
// changes nothing. RecordedBroker is a Broker with one, or without: then it costs a test for null.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker.hpp"
#include "broker/record/codec.hpp"
#include "broker/record/record.hpp"

namespace touchstone::record {

/// Where a record goes.
class Sink {
public:
    /// False: it cannot be kept, and nothing more is to come.
    [[nodiscard]] virtual bool write(Bytes bytes) = 0;
    /// The record ends here because it is as long as it may become.
    virtual void on_limit() = 0;

protected:
    ~Sink() = default;
};

class Recorder final : Network, Peers, Random, Authentication, Events, Storage {
public:
    /// `inner` are the driver's ports. `size_bytes_max`: of the record; it may become longer by one
    /// input and its effects. References outlive the Recorder.
    Recorder(const Broker::Ports& inner, Sink& sink, std::uint64_t size_bytes_max);
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    /// The ports for the core.
    [[nodiscard]] Broker::Ports ports();

    /// An input with its values. It is in the sink, with the effects of those before, when this
    /// returns: should the core end the process by it, the record shows why.
    template <class... Values>
    void input(Kind kind, const Values&... values) {
        if (is_over_) return;
        note(kind, values...);
        flush();
    }
    template <class... Values>
    void effect(Kind kind, const Values&... values) {
        if (!is_over_) note(kind, values...);
    }
    /// The last effects, and that nothing is missing.
    void end(Ending ending);

private:
    template <class... Values>
    void note(Kind kind, const Values&... values) {
        payload_.clear();
        Encoder{payload_}(values...);
        put_frame(pending_, kind, payload_);
    }
    void flush();

    // Effects.
    void send(ConnectionId connection, Bytes bytes) override;
    void send(ConnectionId connection, Bytes head, const MessageRef& message) override;
    void close(ConnectionId connection) override;
    void abort(ConnectionId connection) override;
    void move(ConnectionId connection, ShardIndex owner, access::Origin origin) override;
    void resume(ConnectionId connection) override;
    void send(ShardIndex to, PeerMessage message) override;
    std::uint64_t next() override;
    void ask(QuestionNumber number, AuthenticationQuestion question) override;
    void forget(QuestionNumber number) override;
    void on_connected(const ClientEvent& client) override;
    void on_disconnected(const ClientEvent& client, DisconnectReason reason) override;
    void put(std::string_view key, Bytes value) override;
    void erase(std::string_view key) override;
    void commit(BatchNumber number) override;
    void read(ReadNumber number, std::vector<std::string> keys) override;

    Broker::Ports inner_;
    Sink& sink_;
    std::uint64_t left_bytes_;
    bool is_over_ = false;
    Buffer payload_;
    Buffer pending_;
};

class RecordedBroker {
public:
    /// As Broker's. `sink` may be null: nothing is recorded then.
    RecordedBroker(std::shared_ptr<const access::NodeRules> rules, const Broker::Options& options,
                   const Broker::Ports& ports, Sink* sink, std::uint64_t size_bytes_max)
        : recorder_{sink == nullptr ? nullptr
                                    : std::make_unique<Recorder>(ports, *sink, size_bytes_max)},
          broker_{begun(std::move(rules), options, ports), options,
                  recorder_ == nullptr ? ports : recorder_->ports()} {}

    [[nodiscard]] bool on_record(std::string_view key, Bytes value) {
        note(Kind::found, key, value);
        const bool is_readable = broker_.on_record(key, value);
        note_result(Kind::readable, is_readable);
        return is_readable;
    }
    std::vector<std::string> on_recovered(Instant now) {
        note(Kind::recovered, now);
        auto unusable = broker_.on_recovered(now);
        note_result(Kind::unusable, unusable);
        return unusable;
    }
    void on_open(ConnectionId id, access::Origin&& origin, Instant now) {
        note(Kind::open, now, id, origin);
        broker_.on_open(id, std::move(origin), now);
    }
    Intake on_bytes(ConnectionId id, Bytes bytes, Instant now) {
        note(Kind::bytes, now, id, bytes);
        const Intake intake = broker_.on_bytes(id, bytes, now);
        note_result(Kind::taken, intake);
        return intake;
    }
    void on_written(ConnectionId id, std::size_t size_bytes, Instant now) {
        note(Kind::written, now, id, std::uint64_t{size_bytes});
        broker_.on_written(id, size_bytes, now);
    }
    void on_close(ConnectionId id, Instant now,
                  DisconnectReason reason = DisconnectReason::closed) {
        note(Kind::close, now, id, reason);
        broker_.on_close(id, now, reason);
    }
    void on_peer(ShardIndex from, PeerMessage&& message, Instant now) {
        note(Kind::peer, now, from, message);
        broker_.on_peer(from, std::move(message), now);
    }
    void on_stored(BatchNumber number, StorageOutcome outcome, Instant now) {
        note(Kind::stored, now, number, outcome);
        broker_.on_stored(number, outcome, now);
    }
    void on_read(ReadNumber number, const ReadAnswer& outcome, Instant now) {
        note(Kind::read, now, number, outcome);
        broker_.on_read(number, outcome, now);
    }
    void on_tick(Instant now) {
        note(Kind::tick, now);
        broker_.on_tick(now);
    }
    void on_authenticated(QuestionNumber number, AuthenticationAnswer&& answer, Instant now) {
        note(Kind::authenticated, now, number, answer);
        broker_.on_authenticated(number, std::move(answer), now);
    }
    void on_publish(const MessageFields& fields, Instant now) {
        if (recorder_ != nullptr) [[unlikely]] {
            recorder_->input(Kind::publish, now, Message::make(fields));
        }
        broker_.on_publish(fields, now);
    }
    void on_rules(std::shared_ptr<const access::NodeRules> rules, Instant now) {
        note(Kind::rules, now, *rules);
        broker_.on_rules(std::move(rules), now);
    }
    void on_stop(Instant now) {
        note(Kind::stop, now);
        broker_.on_stop(now);
    }
    /// Nothing follows.
    void end_record() {
        if (recorder_ != nullptr) recorder_->end(Ending::stopped);
    }

    [[nodiscard]] std::optional<Instant> next_tick() const { return broker_.next_tick(); }
    [[nodiscard]] const Counters& counters() const { return broker_.counters(); }
    [[nodiscard]] Gauges gauges() const { return broker_.gauges(); }

private:
    template <class... Values>
    void note(Kind kind, const Values&... values) {
        if (recorder_ != nullptr) [[unlikely]] {
            recorder_->input(kind, values...);
        }
    }
    template <class Value>
    void note_result(Kind kind, const Value& value) {
        if (recorder_ != nullptr) [[unlikely]] {
            recorder_->effect(kind, value);
        }
    }
    /// Before the core is made, since that may draw already.
    std::shared_ptr<const access::NodeRules> begun(std::shared_ptr<const access::NodeRules> rules,
                                                   const Broker::Options& options,
                                                   const Broker::Ports& ports) {
        note(Kind::begin, options, ports.authentication != nullptr, ports.events != nullptr,
             ports.storage != nullptr, *rules);
        return rules;
    }

    std::unique_ptr<Recorder> recorder_;
    Broker broker_;
};

}  // namespace touchstone::record
