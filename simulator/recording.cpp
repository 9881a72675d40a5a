#include "simulator/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "broker/record/codec.hpp"
#include "broker/session/publication.hpp"
#include "simulator/recording_inputs.hpp"
#include "simulator/recording_text.hpp"

namespace touchstone::simulator {

using record::Decoder;
using record::Encoder;
using record::Ending;
using record::Frame;
using record::Frames;
using record::Kind;

namespace {

std::string at_byte(const std::string& path, std::size_t offset, std::string_view what) {
    return fmt::format("{}: byte {}: {}; the record was damaged, or written by another build: "
                       "replay it with that one, or record again",
                       path, offset, what);
}

/// What the first frame says.
struct Beginning {
    Broker::Options options;
    bool has_authentication = false;
    bool has_events = false;
    bool has_storage = false;
    std::shared_ptr<access::NodeRules> rules = std::make_shared<access::NodeRules>();
};

std::optional<Beginning> beginning_of(Bytes payload) {
    Beginning begin;
    Decoder all{payload};
    all(begin.options, begin.has_authentication, begin.has_events, begin.has_storage, *begin.rules);
    const auto& options = begin.options;
    const bool makes_sense = all.is_done() && options.shard_count >= 1 &&
                             options.shard_count <= Broker::shard_count_max &&
                             options.self.raw() < options.shard_count &&
                             is_usable(Instant{} + options.wall_offset) &&
                             are_usable(*begin.rules, begin.has_authentication);
    if (!makes_sense) return std::nullopt;
    return begin;
}

std::optional<Ending> ending_of(const Frames& frames) {
    const auto& last = frames.all.back();
    if (last.kind != Kind::end || last.payload.size() != 1) return std::nullopt;
    return static_cast<Ending>(last.payload[0]);
}

/// Plays the driver of a core: hands in what was recorded, and compares what comes out.
class Replay final : Network, Peers, Random, Authentication, Events, Storage {
public:
    Replay(const ShardRecord& record, const ReplayOptions& options)
        : record_{record},
          frames_{record.frames.all},
          options_{options} {}

    std::variant<Replayed, std::string> run() {
        constexpr std::uint64_t inputs_between_questions = 256;
        for (std::size_t at = 0; at < frames_.size() && !result_.parting;) {
            if (frames_[at].kind == Kind::end) break;
            if (record::is_effect(frames_[at].kind)) {
                return at_byte(record_.path, frames_[at].offset, "an effect without an input");
            }
            if (options_.is_to_end && result_.inputs % inputs_between_questions == 0 &&
                options_.is_to_end()) {
                result_.was_ended = true;
                break;
            }
            const auto end = static_cast<std::size_t>(
                std::ranges::find_if_not(frames_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                                         frames_.end(), record::is_effect, &Frame::kind) -
                frames_.begin());
            if (is_last_of_limited(end)) break;
            input_ = at;
            next_ = at + 1;
            end_ = end;
            if (!take_input(frames_[at])) {
                return at_byte(record_.path, frames_[at].offset,
                               fmt::format("no driver gives such an input, {}",
                                           record::name_of(frames_[at].kind)));
            }
            note_what_is_left();
            ++result_.inputs;
            at = end;
        }
        note_end();
        return std::move(result_);
    }

private:
    /// The input at which the record became too long is there, its effects are not.
    [[nodiscard]] bool is_last_of_limited(std::size_t end) const {
        return end + 1 == frames_.size() && ending_of(record_.frames) == Ending::limit;
    }

    void note_what_is_left() {
        if (result_.parting) return;
        if (broker_->has_crashed()) return part(nullptr, "the core has ended its process");
        if (next_ < end_) part(nullptr, "nothing more");
    }

    void note_end() {
        const auto ending = ending_of(record_.frames);
        if (!ending) {
            result_.note =
                "it breaks off, as the broker was killed or the disk was full; judged up to there";
        } else if (*ending == Ending::limit) {
            result_.note = "the record was as long as it may become; judged up to there";
        }
    }

    /// False: it is none that a driver may give.
    bool take_input(const Frame& frame) {
        Decoder all{frame.payload};
        const auto read = [&](auto&... values) {
            all(values...);
            return all.is_done();
        };
        if (frame.kind == Kind::begin) return broker_ == nullptr && begin();
        if (broker_ == nullptr) return false;
        if (frame.kind == Kind::found) return take_found(all);
        if (is_recovering_ != (frame.kind == Kind::recovered)) return false;
        Instant now;
        all(now);
        if (all.has_failed() || now < now_ || !is_usable(now)) return false;
        now_ = now;
        if (!begin_at_) begin_at_ = now;
        ConnectionId connection;
        switch (frame.kind) {
            case Kind::recovered:
                if (!read()) return false;
                is_recovering_ = false;
                compare(Kind::unusable, broker_->on_recovered(now));
                return true;
            case Kind::open: {
                access::Origin origin;
                const bool is_right = read(connection, origin) &&
                                      connection.raw() < connections_max() &&
                                      origin.listener.raw() < listener_count_ &&
                                      is_usable(origin) && open_.insert(connection).second;
                if (!is_right) return false;
                ++opened_;
                broker_->on_open(connection, std::move(origin), now);
                return true;
            }
            case Kind::bytes: {
                Bytes bytes;
                if (!read(connection, bytes) || !open_.contains(connection)) return false;
                learn_client(clients_, connection, bytes);
                compare(Kind::taken, broker_->on_bytes(connection, bytes, now));
                return true;
            }
            case Kind::written: {
                std::uint64_t size_bytes = 0;
                if (!read(connection, size_bytes) || !open_.contains(connection)) return false;
                broker_->on_written(connection, size_bytes, now);
                return true;
            }
            case Kind::close: {
                DisconnectReason reason{};
                if (!read(connection, reason) || open_.erase(connection) == 0) return false;
                broker_->on_close(connection, now, reason);
                return true;
            }
            case Kind::peer: {
                ShardIndex from;
                PeerMessage message;
                const bool is_right = read(from, message) && from.raw() < record_.shard_count &&
                                      from.raw() != record_.shard && letters_.take(from, message);
                if (!is_right) return false;
                broker_->on_peer(from, std::move(message), now);
                return true;
            }
            case Kind::tick:
                if (!read()) return false;
                broker_->on_tick(now);
                return true;
            case Kind::stored: {
                BatchNumber number = 0;
                StorageOutcome outcome{};
                if (!read(number, outcome) || std::exchange(committed_, 0) != number) return false;
                if (number == 0) return false;
                broker_->on_stored(number, outcome, now);
                return true;
            }
            case Kind::read: {
                ReadNumber number = 0;
                ReadAnswer outcome;
                if (!read(number, outcome)) return false;
                const auto asked = lookups_.find(number);
                const bool is_answer =
                    asked != lookups_.end() &&
                    (outcome.values.empty() || outcome.values.size() == asked->second);
                if (!is_answer) return false;
                lookups_.erase(asked);
                broker_->on_read(number, outcome, now);
                return true;
            }
            case Kind::authenticated: {
                QuestionNumber number = 0;
                AuthenticationAnswer answer;
                if (!read(number, answer) || !is_usable(answer)) return false;
                broker_->on_authenticated(number, std::move(answer), now);
                return true;
            }
            case Kind::publish: {
                MessageRef message;
                if (!read(message) || !is_usable(message)) return false;
                broker_->on_publish(Publication{std::move(message)}.fields(), now);
                return true;
            }
            case Kind::rules: {
                auto rules = std::make_shared<access::NodeRules>();
                const bool is_right = read(*rules) && are_usable(*rules, has_authentication_) &&
                                      rules->listeners.size() >= listener_count_ &&
                                      rules->zones.size() >= zone_count_;
                if (!is_right) return false;
                listener_count_ = rules->listeners.size();
                zone_count_ = rules->zones.size();
                broker_->on_rules(std::move(rules), now);
                return true;
            }
            case Kind::stop:
                if (!read()) return false;
                broker_->on_stop(now);
                return true;
            case Kind::begin:
            case Kind::found:
            case Kind::sent:
            case Kind::closed:
            case Kind::aborted:
            case Kind::moved:
            case Kind::resumed:
            case Kind::told_peer:
            case Kind::drawn:
            case Kind::asked:
            case Kind::forgotten:
            case Kind::connected:
            case Kind::disconnected:
            case Kind::put:
            case Kind::erased:
            case Kind::committed:
            case Kind::looked_up:
            case Kind::readable:
            case Kind::unusable:
            case Kind::taken:
            case Kind::end: return false;
        }
        return false;
    }

    bool begin() {
        auto begin = beginning_of(frames_.front().payload);
        if (!begin) return false;
        begin->options.defects = options_.defects;
        listener_count_ = begin->rules->listeners.size();
        zone_count_ = begin->rules->zones.size();
        has_authentication_ = begin->has_authentication;
        has_storage_ = begin->has_storage;
        letters_ = {record_.shard_count, has_storage_};
        is_recovering_ = has_storage_;
        broker_ = std::make_unique<Broker>(
            std::move(begin->rules), begin->options,
            Broker::Ports{.network = *this,
                          .peers = *this,
                          .random = *this,
                          .authentication = begin->has_authentication ? this : nullptr,
                          .events = begin->has_events ? this : nullptr,
                          .storage = has_storage_ ? this : nullptr});
        return true;
    }

    bool take_found(Decoder& all) {
        std::string key;
        Bytes value;
        all(key, value);
        if (!all.is_done() || !is_recovering_) return false;
        compare(Kind::readable, broker_->on_record(key, value));
        return true;
    }

    /// The next effect. True: it is as recorded.
    template <class... Values>
    bool compare(Kind kind, const Values&... values) {
        if (result_.parting) return false;
        payload_.clear();
        Encoder{payload_}(values...);
        // What was not written any more when the process ended cannot be compared.
        if (next_ == end_ && end_ == frames_.size()) return true;
        const RecordedEffect now{kind, payload_};
        const bool is_same = next_ < end_ && frames_[next_].kind == kind &&
                             std::ranges::equal(frames_[next_].payload, payload_);
        if (!is_same) {
            part(&now, {});
            return false;
        }
        ++next_;
        ++result_.effects;
        return true;
    }

    /// `now`: the effect that is not the recorded one; null: `otherwise` says what is.
    void part(const RecordedEffect* now, std::string_view otherwise) {
        const auto& input = frames_[input_];
        const auto at_us = (now_ - begin_at_.value_or(now_)).count();
        const bool is_recorded = next_ < end_;
        const RecordedEffect recorded =
            is_recorded ? RecordedEffect{frames_[next_].kind, frames_[next_].payload}
                        : RecordedEffect{};
        result_.parting = fmt::format(
            "shard {} parts at {}.{:06} s, in effect {} of input {} ({}, byte {} of {})\n"
            "  recorded: {}\n"
            "  now:      {}",
            record_.shard, at_us / 1'000'000, at_us % 1'000'000, next_ - input_, result_.inputs + 1,
            record::name_of(input.kind), input.offset, record_.path,
            is_recorded ? text_of(recorded, now != nullptr ? *now : RecordedEffect{}, clients_)
                        : "nothing more",
            now != nullptr ? text_of(*now, recorded, clients_) : std::string{otherwise});
    }

    // Effects.
    void send(ConnectionId connection, Bytes bytes) override {
        compare(Kind::sent, connection, bytes);
    }
    void send(ConnectionId connection, Bytes head, const MessageRef& message) override {
        Buffer whole{head.begin(), head.end()};
        append(whole, message->payload());
        compare(Kind::sent, connection, whole);
    }
    void close(ConnectionId connection) override {
        open_.erase(connection);
        compare(Kind::closed, connection);
    }
    void abort(ConnectionId connection) override {
        open_.erase(connection);
        compare(Kind::aborted, connection);
    }
    void move(ConnectionId connection, ShardIndex owner, access::Origin origin) override {
        open_.erase(connection);
        compare(Kind::moved, connection, owner, origin);
    }
    void resume(ConnectionId connection) override { compare(Kind::resumed, connection); }
    void send(ShardIndex to, PeerMessage message) override {
        compare(Kind::told_peer, to, message);
    }
    std::uint64_t next() override {
        std::uint64_t value = 0;
        if (next_ < end_ && frames_[next_].kind == Kind::drawn) {
            Decoder all{frames_[next_].payload};
            all(value);
        }
        // Once it has parted, whoever draws until something fits has to find it.
        return compare(Kind::drawn, value) ? value : ++drawn_after_parting_ * golden_ratio;
    }
    void ask(QuestionNumber number, AuthenticationQuestion question) override {
        compare(Kind::asked, number, question);
    }
    void forget(QuestionNumber number) override { compare(Kind::forgotten, number); }
    void on_connected(const ClientEvent& client) override { compare(Kind::connected, client); }
    void on_disconnected(const ClientEvent& client, DisconnectReason reason) override {
        compare(Kind::disconnected, client, reason);
    }
    void put(std::string_view key, Bytes value) override { compare(Kind::put, key, value); }
    void erase(std::string_view key) override { compare(Kind::erased, key); }
    void commit(BatchNumber number) override {
        committed_ = number;
        compare(Kind::committed, number);
    }
    void read(ReadNumber number, std::vector<std::string> keys) override {
        lookups_.emplace(number, keys.size());
        compare(Kind::looked_up, number, keys);
    }

    /// The core keeps a place for each up to the highest number; a driver's are low ones that are
    /// free, and all shards may have theirs from the same.
    [[nodiscard]] std::uint64_t connections_max() const {
        constexpr std::uint64_t open_at_first_max = 1U << 20U;
        return opened_ * record_.shard_count + open_at_first_max;
    }
    static constexpr std::uint64_t golden_ratio = 0x9E37'79B9'7F4A'7C15;  // scatters what counts up

    const ShardRecord& record_;
    const std::vector<Frame>& frames_;
    const ReplayOptions& options_;
    std::unique_ptr<Broker> broker_;
    // What a driver knows.
    std::set<ConnectionId> open_;
    std::size_t listener_count_ = 0;
    std::size_t zone_count_ = 0;
    std::uint64_t opened_ = 0;
    bool has_authentication_ = false;
    bool has_storage_ = false;
    PeerLetters letters_{1, false};
    std::uint64_t drawn_after_parting_ = 0;
    bool is_recovering_ = false;
    BatchNumber committed_ = 0;  // not answered yet; 0: none
    std::map<ReadNumber, std::size_t> lookups_;  // not answered yet: how many keys
    Instant now_{};
    std::optional<Instant> begin_at_;
    RecordedClients clients_;
    Replayed result_;
    Buffer payload_;
    // Frames: the input that is handed in, the effect that is next, and what is behind its effects.
    std::size_t input_ = 0;
    std::size_t next_ = 0;
    std::size_t end_ = 0;
};

}  // namespace

std::variant<ShardRecord, std::string> shard_record(std::string path, Buffer file) {
    ShardRecord record{.path = std::move(path), .file = std::move(file), .frames = {}};
    auto frames = record::frames_of(record.file);
    if (const auto* problem = std::get_if<std::string>(&frames)) {
        return fmt::format("{}: {}", record.path, *problem);
    }
    record.frames = std::move(std::get<Frames>(frames));
    const auto& first = record.frames.all.front();
    const auto begin = beginning_of(first.payload);
    if (!begin) return at_byte(record.path, first.offset, "its beginning says nothing that can be");
    record.shard = begin->options.self.raw();
    record.shard_count = begin->options.shard_count;
    return record;
}

std::optional<std::string> problem_of_node(const std::vector<ShardRecord>& shards) {
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto& one = shards[i];
        if (one.shard != i || one.shard_count != shards.front().shard_count) {
            return fmt::format("{} is the record of shard {} of {}, not of shard {} of {}; put the "
                               "files of one broker into a directory",
                               one.path, one.shard, one.shard_count, i, shards.front().shard_count);
        }
    }
    if (shards.size() == shards.front().shard_count) return std::nullopt;
    return fmt::format("{} is one of {} shards' records, {} are there; put all of them into the "
                       "directory",
                       shards.front().path, shards.front().shard_count, shards.size());
}

std::variant<Replayed, std::string> replay(const ShardRecord& record,
                                           const ReplayOptions& options) {
    return Replay{record, options}.run();
}

}  // namespace touchstone::simulator
