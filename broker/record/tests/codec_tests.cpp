// What is written down can be read again, whole or not at all: for every value that crosses the
// border of a core, with any content.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

#include "broker/record/codec.hpp"

namespace touchstone::record {
namespace {

using namespace std::chrono_literals;

/// Gives a value any content: the third that goes through fields(), beside Encoder and Decoder, so
/// that a field can no more be forgotten here than there.
class Drawer {
public:
    template <class... Values>
    void operator()(Values&... values) {
        (draw(values), ...);
    }

private:
    template <IsNumber T>
    void draw(T& value) {
        if constexpr (std::is_enum_v<T>) {
            value = *rc::gen::suchThat(
                rc::gen::map(rc::gen::inRange(0, 256), [](int raw) { return static_cast<T>(raw); }),
                [](T one) { return is_known(one); });
        } else {
            value = *rc::gen::arbitrary<T>();
        }
    }
    template <class Rep, class Period>
    void draw(std::chrono::duration<Rep, Period>& value) {
        value = std::chrono::duration<Rep, Period>{*rc::gen::arbitrary<Rep>()};
    }
    void draw(Instant& value) { value = Instant{Duration{*rc::gen::arbitrary<std::int64_t>()}}; }
    template <IsStrong T>
    void draw(T& value) {
        value = T{*rc::gen::arbitrary<decltype(value.raw())>()};
    }
    void draw(std::string& text) { text = *rc::gen::arbitrary<std::string>(); }
    void draw(Buffer& bytes) {
        const auto text = *rc::gen::arbitrary<std::string>();
        bytes.assign(as_bytes(text).begin(), as_bytes(text).end());
    }
    template <class T>
    void draw(std::optional<T>& value) {
        value.reset();
        if (!*rc::gen::arbitrary<bool>()) return;
        if constexpr (std::is_same_v<T, access::AddressRange>) {
            access::PeerAddress address;
            draw(address);
            value.emplace(address);
        } else {
            draw(value.emplace());
        }
    }
    template <class T>
    void draw(std::vector<T>& all) {
        all.resize(few());
        for (auto& one : all) draw(one);
    }
    template <class Key, class Value, class Less>
    void draw(std::map<Key, Value, Less>& all) {
        for (auto left = few(); left > 0; --left) {
            Key key{};
            draw(key);
            draw(all[key]);
        }
    }
    template <class... Alternatives>
    void draw(std::variant<Alternatives...>& value) {
        const auto wanted = *rc::gen::inRange<std::size_t>(0, sizeof...(Alternatives));
        std::size_t at = 0;
        const auto draw_if = [&]<class T>(std::type_identity<T>) {
            if (at++ == wanted) draw(value.template emplace<T>());
        };
        (draw_if(std::type_identity<Alternatives>{}), ...);
    }
    void draw(MessageRef& message) {
        std::string topic;
        Buffer payload;
        Buffer properties;
        MessageFields made;
        (*this)(topic, payload, properties, made.qos, made.retain, made.expires_at, made.publisher);
        made.topic = topic;
        made.payload = payload;
        made.properties = properties;
        message = *rc::gen::arbitrary<bool>() ? Message::make(made) : MessageRef{};
    }
    void draw(access::PeerAddress& address) {
        access::PeerAddress::Bytes bytes{};
        for (auto& byte : bytes) draw(byte);
        address = access::PeerAddress::from_v6(bytes);
    }
    void draw(access::MountpointTemplate& mountpoint) {
        const auto* const text = *rc::gen::element("", "a", "%c/", "x/%u/");
        mountpoint = access::MountpointTemplate::from_text(text).value();
    }
    void draw(access::AccessRules& rules) {
        std::vector<access::AccessRules::Rule> all;
        draw(all);
        rules = access::AccessRules::of(std::move(all));
    }
    void draw(access::BanList& bans) {
        for (auto left = few(); left > 0; --left) {
            access::Ban ban;
            draw(ban);
            const auto address = *rc::gen::element("192.0.2.1", "10.0.0.0/8", "2001:db8::/32");
            const auto kind = *rc::gen::element(
                access::BanKind::client_id, access::BanKind::user_name, access::BanKind::address);
            RC_ASSERT(bans.ban(kind, address, ban));
        }
    }
    void draw(access::AutoSubscribe& subscriptions) {
        for (auto left = few(); left > 0; --left) {
            wire::SubscriptionOptions options;
            draw(options);
            const auto* const text = *rc::gen::element("a", "to/%c", "%u/#");
            subscriptions.add(access::TopicTemplate::from_text(text).value(), options);
        }
    }
    template <class T>
    requires requires(Drawer& all, T& of) { fields(all, of); }
    void draw(T& of) {
        ++depth_;
        fields(*this, of);
        --depth_;
    }
    /// Fewer the deeper, so that rules within rules come to an end.
    [[nodiscard]] std::size_t few() const {
        return depth_ > 6 ? 0 : *rc::gen::inRange<std::size_t>(0, 3);
    }

    unsigned depth_ = 0;
};

template <class T>
Buffer encoded(const T& value) {
    Buffer bytes;
    Encoder{bytes}(value);
    return bytes;
}

template <class T>
class codec : public testing::Test {};
using Values = testing::Types<Broker::Options, access::NodeRules, access::Origin, PeerMessage,
                              AuthenticationQuestion, AuthenticationAnswer, MessageRef, Intake,
                              DisconnectReason, StorageOutcome, ConnectionId, Instant, Buffer,
                              std::vector<std::string>>;
TYPED_TEST_SUITE(codec, Values);

TYPED_TEST(codec, gives_back_what_it_was_given) {
    rc::check([] {
        auto value = TypeParam();
        Drawer{}(value);
        const auto bytes = encoded(value);
        auto read = TypeParam();
        Decoder decoder{bytes};
        decoder(read);
        RC_ASSERT(decoder.is_done());
        RC_ASSERT(encoded(read) == bytes);
    });
}

TYPED_TEST(codec, refuses_what_was_cut_off_at_any_byte) {
    rc::check([] {
        auto value = TypeParam();
        Drawer{}(value);
        const auto bytes = encoded(value);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            auto read = TypeParam();
            Decoder decoder{Bytes{bytes}.first(size)};
            decoder(read);
            RC_ASSERT(decoder.has_failed());
        }
    });
}

TYPED_TEST(codec, takes_or_refuses_any_bytes) {
    rc::check([](const std::string& bytes) {
        auto read = TypeParam();
        Decoder decoder{as_bytes(bytes)};
        decoder(read);
        // What it takes is what would have been written.
        if (decoder.is_done()) RC_ASSERT(encoded(read).size() <= bytes.size());
    });
}

TYPED_TEST(codec, takes_or_refuses_what_has_one_other_byte) {
    rc::check([] {
        auto value = TypeParam();
        Drawer{}(value);
        auto bytes = encoded(value);
        RC_PRE(!bytes.empty());
        bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
            static_cast<std::byte>(*rc::gen::inRange(0, 256));
        auto read = TypeParam();
        Decoder decoder{bytes};
        decoder(read);
        if (decoder.is_done()) RC_ASSERT(encoded(read).size() <= bytes.size());
    });
}

TEST(codec_of_rules, keeps_every_part) {
    access::NodeRules rules = *access::open_rules({.packet_size_bytes_max = 100,
                                                   .queue_messages_max = 7,
                                                   .maximum_qos = QoS::at_least_once,
                                                   .response_topic_prefix = "answers/"});
    rules.zones.front().policy.flapping = access::FlappingThreshold{.changes_max = 3, .window = 5s};
    rules.listeners.front().mountpoint = access::MountpointTemplate::from_text("%u/").value();
    rules.access_rules =
        access::AccessRules::parse("{allow, {'and', [{user, \"a\"}, {ipaddr, \"10.0.0.0/8\"}]}, "
                                   "publish, [\"t/%c/#\", {eq, \"#\"}]}. {deny, all}.")
            .value();
    EXPECT_TRUE(rules.bans.ban(access::BanKind::client_id, "x", {Instant{9s}, "rude"}));
    EXPECT_TRUE(rules.bans.ban(access::BanKind::user_name, "y", {}));
    EXPECT_TRUE(rules.bans.ban(access::BanKind::address, "192.0.2.0/24", {}));
    const auto bytes = encoded(rules);
    access::NodeRules read;
    Decoder{bytes}(read);
    EXPECT_EQ(read.bans, rules.bans);
    EXPECT_EQ(read.zones.front().policy, rules.zones.front().policy);
    EXPECT_EQ(read.zones.front().settings.packet_size_bytes_max, 100U);
    EXPECT_EQ(read.zones.front().settings.response_topic_prefix, "answers/");
    EXPECT_EQ(read.listeners.front().mountpoint.text(), "%u/");
    const auto allows = [&](std::string_view user, const char* address) {
        const access::Client client{"c", user, *access::PeerAddress::from_text(address)};
        return read.access_rules.decide(client, access::Action::publish, "t/c/1").verdict ==
               access::Verdict::allow;
    };
    EXPECT_TRUE(allows("a", "10.1.2.3"));
    EXPECT_FALSE(allows("b", "10.1.2.3"));
    EXPECT_FALSE(allows("a", "192.0.2.1"));
}

TEST(codec_of_messages, keeps_every_part) {
    const auto message = Message::make({.topic = "a/b",
                                        .payload = as_bytes("payload"),
                                        .properties = as_bytes("properties"),
                                        .qos = QoS::exactly_once,
                                        .retain = true,
                                        .expires_at = Instant{7s},
                                        .publisher = 42});
    const auto bytes =
        encoded(PeerMessage{PeerPublication{message, {.at_us = -3, .shard = 2}, {5, true}}});
    PeerMessage decoded;
    Decoder{bytes}(decoded);
    const auto& read = std::get<PeerPublication>(decoded);
    EXPECT_EQ(read.version, (RetainVersion{.at_us = -3, .shard = 2}));
    EXPECT_EQ(read.receipt.number, 5U);
    EXPECT_TRUE(read.receipt.is_stored);
    EXPECT_EQ(read.message->topic(), "a/b");
    EXPECT_EQ(as_text(read.message->payload()), "payload");
    EXPECT_EQ(as_text(read.message->properties()), "properties");
    EXPECT_EQ(read.message->qos(), QoS::exactly_once);
    EXPECT_TRUE(read.message->retain());
    EXPECT_EQ(read.message->expires_at(), Instant{7s});
    EXPECT_EQ(read.message->publisher(), 42U);
}

TEST(codec_of_events, keeps_every_part) {
    const ClientEvent event{.client_id = "c",
                            .user_name = "u",
                            .address = *access::PeerAddress::from_text("2001:db8::1"),
                            .listener_port = 1883,
                            .version = ProtocolVersion::v5,
                            .keep_alive_s = 60,
                            .clean_start = true,
                            .session_expiry_s = 3'600,
                            .qos = QoS::at_most_once};
    const auto bytes = encoded(event);
    Decoder decoder{bytes};
    ClientEvent read;
    decoder(read);
    EXPECT_TRUE(decoder.is_done());
    EXPECT_EQ(read.client_id, "c");
    EXPECT_EQ(read.user_name, "u");
    EXPECT_EQ(read.address, event.address);
    EXPECT_EQ(encoded(read), bytes);
}

}  // namespace
}  // namespace touchstone::record
