// Records of shards that store, and that are told other rules: what is found after a crash, what is
// stored when, what shards tell each other about it, and who is asked about clients is replayed
// like all else. Driven by hand, so that the test says what disks and lists of users do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "broker/record/recorder.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/recording.hpp"

namespace touchstone::simulator {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

using Stored = std::map<std::string, Buffer, std::less<>>;

/// One shard with its ports; what it sends to clients is only counted.
struct Shard final : Network, Peers, Random, Authentication, Events, Storage, record::Sink {
    void send(ConnectionId, Bytes bytes) override { sent_bytes += bytes.size(); }
    void send(ConnectionId, Bytes head, const MessageRef& message) override {
        sent_bytes += head.size() + message->payload().size();
    }
    void close(ConnectionId id) override { unread.erase(id); }
    void abort(ConnectionId id) override { unread.erase(id); }
    void move(ConnectionId, ShardIndex, access::Origin) override { ADD_FAILURE() << "moved"; }
    void resume(ConnectionId id) override { resumed.push_back(id); }
    void send(ShardIndex to, PeerMessage message) override {
        letters.emplace_back(to, std::move(message));
    }
    std::uint64_t next() override { return ++drawn; }
    void ask(QuestionNumber number, AuthenticationQuestion) override { asked = number; }
    void forget(QuestionNumber) override {}
    void on_connected(const ClientEvent&) override {}
    void on_disconnected(const ClientEvent&, DisconnectReason) override {}
    void put(std::string_view key, Bytes value) override {
        batch[std::string{key}] = Buffer{value.begin(), value.end()};
    }
    void erase(std::string_view key) override { batch[std::string{key}] = std::nullopt; }
    void commit(BatchNumber number) override { committed = number; }
    void read(ReadNumber /*number*/, std::vector<std::string> /*keys*/) override {}
    bool write(Bytes bytes) override {
        append(file, bytes);
        return true;
    }
    void on_limit() override { ADD_FAILURE() << "limit"; }

    std::unique_ptr<record::RecordedBroker> broker;
    std::map<ConnectionId, Buffer> unread;
    std::vector<ConnectionId> resumed;
    std::deque<std::pair<ShardIndex, PeerMessage>> letters;
    std::map<std::string, std::optional<Buffer>> batch;
    std::optional<BatchNumber> committed;
    QuestionNumber asked = 0;
    std::uint64_t drawn = 0;
    std::size_t sent_bytes = 0;
    Buffer file;
};

/// A node of two shards from its start to its crash; `disks` outlive it.
class Life {
public:
    explicit Life(std::vector<Stored>& disks,
                  const std::shared_ptr<const access::NodeRules>& rules = access::open_rules({}))
        : disks_{disks},
          shards_(disks.size()) {
        const auto count = static_cast<unsigned>(disks.size());
        for (unsigned i = 0; i < count; ++i) {
            auto& shard = shards_[i];
            const Broker::Options options{.self = ShardIndex{i}, .shard_count = count};
            shard.broker =
                std::make_unique<record::RecordedBroker>(rules, options,
                                                         Broker::Ports{.network = shard,
                                                                       .peers = shard,
                                                                       .random = shard,
                                                                       .authentication = &shard,
                                                                       .events = &shard,
                                                                       .storage = &shard},
                                                         &shard, 1U << 20U);
            for (const auto& [key, value] : disks_[i]) {
                readable_ += shard.broker->on_record(key, value) ? 1 : 0;
            }
            EXPECT_THAT(shard.broker->on_recovered(now_), IsEmpty());
        }
        settle();
    }

    struct Client {
        Shard& shard;
        ConnectionId id;
    };
    /// Comes to the shard that owns it, so that nobody moves.
    Client open(std::string_view client_id) {
        auto& shard = shards_[owner_of(client_id, static_cast<unsigned>(shards_.size())).raw()];
        const ConnectionId id{static_cast<std::uint32_t>(connections_++)};
        shard.broker->on_open(id, {}, now_);
        shard.unread[id] = {};
        return {shard, id};
    }
    void send(const Client& client, const std::vector<unsigned>& packet) {
        for (const auto byte : packet) {
            client.shard.unread[client.id].push_back(static_cast<std::byte>(byte));
        }
        push(client.shard, client.id);
        settle();
    }
    void end(const Client& client) {
        if (client.shard.unread.erase(client.id) == 0) return;
        client.shard.broker->on_close(client.id, now_);
        settle();
    }
    /// Whoever knows the clients has made up his mind about the one that was asked for last.
    void answer(const Client& client, AuthenticationAnswer::Verdict verdict) {
        client.shard.broker->on_authenticated(client.shard.asked, {.verdict = verdict}, now_);
        settle();
    }
    void reload(const std::shared_ptr<const access::NodeRules>& rules) {
        for (auto& shard : shards_) shard.broker->on_rules(rules, now_);
    }
    void publish(const MessageFields& fields) {
        shards_.front().broker->on_publish(fields, now_);
        settle();
    }
    /// In order, so that its record is whole.
    void stop() {
        for (auto& shard : shards_) shard.broker->on_stop(now_);
        settle();
        for (auto& shard : shards_) shard.broker->end_record();
    }
    /// What the disks say to the batches from now on.
    void set_outcome(StorageOutcome outcome) { outcome_ = outcome; }
    void pass(Duration time) {
        now_ += time;
        for (auto& shard : shards_) shard.broker->on_tick(now_);
        settle();
    }

    [[nodiscard]] int readable() const { return readable_; }
    /// What all clients were sent so far.
    [[nodiscard]] std::size_t sent_bytes() const {
        std::size_t all = 0;
        for (const auto& shard : shards_) all += shard.sent_bytes;
        return all;
    }
    /// As a process leaves it that is killed.
    [[nodiscard]] std::vector<ShardRecord> records() const {
        std::vector<ShardRecord> all;
        for (const auto& shard : shards_) {
            auto read = shard_record("shard", shard.file);
            EXPECT_TRUE(std::holds_alternative<ShardRecord>(read));
            all.push_back(std::move(std::get<ShardRecord>(read)));
        }
        return all;
    }

private:
    void push(Shard& shard, ConnectionId id) {
        const auto found = shard.unread.find(id);
        if (found == shard.unread.end()) return;
        const Buffer bytes = found->second;
        const auto intake = shard.broker->on_bytes(id, bytes, now_);
        const auto rest = shard.unread.find(id);
        if (rest == shard.unread.end()) return;
        rest->second.erase(rest->second.begin(), rest->second.begin() + static_cast<std::ptrdiff_t>(
                                                                            intake.consumed_bytes));
    }

    void settle() {
        for (bool is_busy = true; is_busy;) {
            is_busy = false;
            now_ += std::chrono::milliseconds{1};
            for (unsigned i = 0; i < shards_.size(); ++i) {
                auto& shard = shards_[i];
                if (const auto number = std::exchange(shard.committed, std::nullopt)) {
                    if (outcome_ == StorageOutcome::stored) keep(shard, disks_[i]);
                    shard.broker->on_stored(*number, outcome_, now_);
                    is_busy = true;
                }
                while (!shard.letters.empty()) {
                    auto [to, message] = std::move(shard.letters.front());
                    shard.letters.pop_front();
                    shards_[to.raw()].broker->on_peer(ShardIndex{i}, std::move(message), now_);
                    is_busy = true;
                }
                for (const auto id : std::exchange(shard.resumed, {})) {
                    push(shard, id);
                    is_busy = true;
                }
            }
        }
    }

    static void keep(Shard& shard, Stored& disk) {
        for (auto& [key, value] : std::exchange(shard.batch, {})) {
            if (value)
                disk[key] = std::move(*value);
            else
                disk.erase(key);
        }
    }

    std::vector<Stored>& disks_;
    std::vector<Shard> shards_;
    Instant now_{std::chrono::seconds{1}};
    StorageOutcome outcome_ = StorageOutcome::stored;
    std::size_t connections_ = 0;
    int readable_ = 0;
};

/// CONNECT of MQTT 3.1.1 with Clean Session 0 and a Client Identifier of one letter.
std::vector<unsigned> connect(char client_id) {
    return {0x10, 0x0D, 0,   4, 'M',
            'Q',  'T',  'T', 4, 0,
            0,    0,    0,   1, static_cast<unsigned char>(client_id)};
}

/// A letter whose client is of another shard than 's'.
char other_than_s() {
    char letter = 'a';
    while (owner_of({&letter, 1}, 2) == owner_of("s", 2)) ++letter;
    return letter;
}

std::vector<std::string> kinds_of(const std::vector<ShardRecord>& records) {
    std::vector<std::string> kinds;
    for (const auto& one : records) {
        for (const auto& frame : one.frames.all) kinds.emplace_back(record::name_of(frame.kind));
    }
    return kinds;
}

/// `note`: part of what is said about their ends; empty: nothing is.
void expect_same(const std::vector<ShardRecord>& records, const std::string& note) {
    EXPECT_FALSE(problem_of_node(records));
    for (const auto& one : records) {
        const auto outcome = replay(one, {});
        ASSERT_TRUE(std::holds_alternative<Replayed>(outcome)) << std::get<std::string>(outcome);
        const auto& replayed = std::get<Replayed>(outcome);
        EXPECT_FALSE(replayed.parting) << *replayed.parting;
        EXPECT_GT(replayed.effects, 4U);
        EXPECT_THAT(replayed.note.value_or(""), HasSubstr(note));
        EXPECT_EQ(replayed.note.has_value(), !note.empty());
    }
}

/// QoS 2 messages for a session that lasts, across shards, some of them retained; it is not told
/// all before the process is gone.
std::vector<ShardRecord> first_life(std::vector<Stored>& disks) {
    const char publisher = other_than_s();
    Life life{disks};
    const auto subscriber = life.open("s");
    life.send(subscriber, connect('s'));
    life.send(subscriber, {0x82, 6, 0, 1, 0, 1, 't', 2});  // SUBSCRIBE "t", QoS 2
    const auto sender = life.open({&publisher, 1});
    life.send(sender, connect(publisher));
    life.send(sender, {0x35, 6, 0, 1, 't', 0, 7, 'm'});  // PUBLISH "t", QoS 2, retained, id 7
    life.send(sender, {0x62, 2, 0, 7});                  // PUBREL
    life.send(sender, {0x32, 6, 0, 1, 't', 0, 8, 'n'});  // PUBLISH "t", QoS 1, id 8
    life.send(subscriber, {0x50, 2, 0, 1});              // PUBREC
    // The disk is full for a while: nothing is acknowledged.
    life.set_outcome(StorageOutcome::full);
    life.send(sender, {0x34, 6, 0, 1, 't', 0, 9, 'o'});  // PUBLISH "t", QoS 2, id 9
    life.set_outcome(StorageOutcome::stored);
    life.pass(std::chrono::seconds{2});
    return life.records();
}

TEST(RecordingOfStorage, is_replayed_to_the_same_effects) {
    std::vector<Stored> disks(2);
    const auto records = first_life(disks);
    EXPECT_THAT(kinds_of(records),
                IsSupersetOf({"recovered", "unusable", "put", "committed", "stored", "peer",
                              "told_peer", "resumed", "sent"}));
    expect_same(records, "it breaks off, as the broker was killed");
}

TEST(RecordingOfStorage, of_a_restart_has_what_was_found) {
    std::vector<Stored> disks(2);
    first_life(disks);
    disks[0]["no such key"] = Buffer(3);
    const auto found = static_cast<int>(disks[0].size() + disks[1].size());
    Life life{disks};
    EXPECT_EQ(life.readable(), found - 1);
    const auto subscriber = life.open("s");
    life.send(subscriber, connect('s'));
    EXPECT_GT(life.sent_bytes(), 4U);        // more than a CONNACK: the session is resumed
    life.send(subscriber, {0x70, 2, 0, 1});  // PUBCOMP
    life.end(subscriber);
    const auto records = life.records();
    EXPECT_THAT(kinds_of(records), IsSupersetOf({"found", "readable", "recovered", "close"}));
    expect_same(records, "it breaks off, as the broker was killed");
}

/// Clients have to be known, and who watches `$SYS` hears of them.
std::shared_ptr<access::NodeRules> rules_with_credentials() {
    auto rules = std::make_shared<access::NodeRules>(*access::open_rules({}));
    rules->has_credentials = true;
    rules->zones.front().policy.has_bans = true;
    rules->zones.front().policy.has_access_rules = true;
    rules->policy.publishes_presence = true;
    rules->policy.auto_subscribe.add(access::TopicTemplate::from_text("$SYS/#").value(), {});
    return rules;
}

std::vector<ShardRecord> life_of_rules() {
    std::vector<Stored> disks(1);
    Life life{disks, rules_with_credentials()};
    using Verdict = AuthenticationAnswer::Verdict;
    const auto known = life.open("s");
    life.send(known, connect('s'));
    life.answer(known, Verdict::accepted);
    const auto impatient = life.open("i");
    life.send(impatient, connect('i'));
    life.end(impatient);
    const auto unknown = life.open("u");
    life.send(unknown, connect('u'));
    life.answer(unknown, Verdict::refused);
    auto stricter = rules_with_credentials();
    stricter->access_rules = access::AccessRules::parse("{deny, all}.").value();
    EXPECT_TRUE(stricter->bans.ban(access::BanKind::client_id, "b", {}));
    life.reload(stricter);
    life.send(known, {0x32, 6, 0, 1, 't', 0, 8, 'n'});  // PUBLISH, which nobody may now
    life.publish({.topic = "$SYS/uptime", .payload = as_bytes("1 s"), .retain = true});
    const auto banned = life.open("b");
    life.send(banned, connect('b'));
    life.answer(banned, Verdict::accepted);
    life.end(known);
    life.stop();
    return life.records();
}

TEST(RecordingOfRules, has_questions_answers_events_and_what_was_set_anew) {
    const auto records = life_of_rules();
    EXPECT_THAT(kinds_of(records),
                IsSupersetOf({"asked", "authenticated", "forgotten", "connected", "disconnected",
                              "rules", "publish", "stop", "end"}));
    expect_same(records, "");
    // Without the other rules somebody gets in who was banned.
    Buffer file;
    append(file, as_bytes(record::magic));
    for (const auto& frame : records.front().frames.all) {
        if (frame.kind != record::Kind::rules) record::put_frame(file, frame.kind, frame.payload);
    }
    const auto without = shard_record("without", std::move(file));
    const auto outcome = replay(std::get<ShardRecord>(without), {});
    EXPECT_TRUE(std::get<Replayed>(outcome).parting);
}

TEST(RecordingOfStorage, that_lacks_what_was_found_parts) {
    std::vector<Stored> disks(2);
    first_life(disks);
    Life life{disks};
    const auto subscriber = life.open("s");
    life.send(subscriber, connect('s'));
    const auto records = life.records();  // its frames are views
    const auto& whole = records[owner_of("s", 2).raw()];
    Buffer file;
    append(file, as_bytes(record::magic));
    bool is_after_found = false;
    for (const auto& frame : whole.frames.all) {
        const bool is_answer = std::exchange(is_after_found, frame.kind == record::Kind::found);
        if (is_after_found || is_answer) continue;
        record::put_frame(file, frame.kind, frame.payload);
    }
    const auto without = shard_record("without", std::move(file));
    const auto outcome = replay(std::get<ShardRecord>(without), {});
    ASSERT_TRUE(std::get<Replayed>(outcome).parting);
    EXPECT_THAT(*std::get<Replayed>(outcome).parting, HasSubstr("recorded: "));
}

TEST(RecordingOfStorage, is_not_judged_by_what_was_before) {
    std::vector<Stored> disks(2);
    const auto records = first_life(disks);
    EXPECT_TRUE(can_judge("W1", records));
    EXPECT_FALSE(can_judge("S3", records));
    EXPECT_FALSE(can_judge("Q1", records));
}

TEST(Replay, ends_when_it_is_asked_to) {
    std::vector<Stored> disks(2);
    const auto records = first_life(disks);
    int questions = 0;
    const auto outcome = replay(records.front(), {.is_to_end = [&] { return ++questions == 1; }});
    EXPECT_TRUE(std::get<Replayed>(outcome).was_ended);
    EXPECT_EQ(std::get<Replayed>(outcome).inputs, 0U);
}

// --- Forged and damaged records ------------------------------------------------------------------

/// Lives of all kinds, as those who forge records may begin with.
std::vector<ShardRecord> all_lives() {
    std::vector<ShardRecord> all;
    const auto add = [&](std::vector<ShardRecord> records) {
        for (auto& one : records) all.push_back(std::move(one));
    };
    std::vector<Stored> disks(2);
    add(first_life(disks));
    Life restarted{disks};
    const auto subscriber = restarted.open("s");
    restarted.send(subscriber, connect('s'));
    restarted.send(subscriber,
                   {0x82, 15, 0, 2, 0, 10, '$', 's', 'h', 'a', 'r', 'e', '/', 'g', '/', 't', 1});
    restarted.send(subscriber, {0xA2, 5, 0, 3, 0, 1, 't'});
    restarted.end(subscriber);
    restarted.pass(std::chrono::seconds{2});
    restarted.stop();
    add(restarted.records());
    add(life_of_rules());
    return all;
}

/// Changes of one record, drawn from a seed. Checksums are right again, unless the file itself is
/// changed.
class Forger {
public:
    explicit Forger(std::uint64_t seed) : draws_{seed} {}

    Buffer forge(const ShardRecord& record) {
        if (below(8) == 0) return forge_file(record.file);
        std::vector<std::pair<record::Kind, Buffer>> frames;
        for (const auto& frame : record.frames.all) {
            frames.emplace_back(frame.kind, Buffer{frame.payload.begin(), frame.payload.end()});
        }
        for (auto left = 1 + below(3); left > 0; --left) forge_frame(frames);
        Buffer file;
        append(file, as_bytes(record::magic));
        for (const auto& [kind, payload] : frames) record::put_frame(file, kind, payload);
        return file;
    }

private:
    std::size_t below(std::size_t bound) { return bound == 0 ? 0 : draws_() % bound; }
    std::byte byte() {
        // Most limits are near these.
        constexpr std::array extremes{0x00U, 0x01U, 0x02U, 0x7FU, 0x80U, 0xFFU};
        return static_cast<std::byte>(below(2) == 0 ? extremes[below(extremes.size())]
                                                    : below(256));
    }
    Buffer forge_file(Buffer file) {
        if (below(2) == 0) file.resize(below(file.size()));
        for (auto left = below(3); left > 0 && !file.empty(); --left) {
            file[below(file.size())] = byte();
        }
        return file;
    }
    void forge_frame(std::vector<std::pair<record::Kind, Buffer>>& frames) {
        // What an input says is what matters: effects are only compared.
        auto at = below(frames.size());
        for (int i = 0; i < 8 && record::is_effect(frames[at].first); ++i) {
            at = below(frames.size());
        }
        const auto place = frames.begin() + static_cast<std::ptrdiff_t>(at);
        auto& payload = place->second;
        switch (below(8)) {
            case 0: payload.resize(below(payload.size() + 1)); return;
            case 1: {
                const auto where = static_cast<std::ptrdiff_t>(below(payload.size() + 1));
                payload.insert(payload.begin() + where, byte());
                return;
            }
            case 2:
                if (frames.size() > 1) frames.erase(place);
                return;
            case 3: {
                const auto copy = *place;
                const auto where = below(frames.size() + 1);
                frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(where), copy);
                return;
            }
            case 4: std::swap(*place, frames[below(frames.size())]); return;
            default:
                if (!payload.empty()) payload[below(payload.size())] = byte();
        }
    }

    std::mt19937_64 draws_;
};

TEST(ForgedRecord, is_replayed_or_refused_with_its_place) {
    const auto lives = all_lives();
    std::size_t refused = 0;
    std::size_t replayed = 0;
    for (std::uint64_t seed = 1; seed <= 4'000; ++seed) {
        const auto& original = lives[seed % lives.size()];
        auto forged = shard_record("forged", Forger{seed}.forge(original));
        if (const auto* problem = std::get_if<std::string>(&forged)) {
            EXPECT_THAT(*problem, HasSubstr("forged: byte ")) << "seed " << seed;
            ++refused;
            continue;
        }
        const auto& record = std::get<ShardRecord>(forged);
        const auto outcome = replay(record, {});
        if (const auto* problem = std::get_if<std::string>(&outcome)) {
            EXPECT_THAT(*problem, HasSubstr("forged: byte ")) << "seed " << seed;
            ++refused;
            continue;
        }
        ++replayed;
        // Judged up to its end, even if it parted before.
        std::vector<ShardRecord> node;
        node.push_back(std::move(std::get<ShardRecord>(forged)));
        const Trace trace = trace_of(node);
        const History history{trace};
        for (const auto& checker : all_checkers()) {
            if (can_judge(checker.id, node)) checker.check(trace, history);
        }
    }
    EXPECT_GT(refused, 500U);
    EXPECT_GT(replayed, 500U);
}

}  // namespace
}  // namespace touchstone::simulator
