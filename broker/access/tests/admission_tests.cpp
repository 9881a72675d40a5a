#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "broker/access/ban_list.hpp"
#include "broker/access/flapping.hpp"

namespace touchstone::access {
namespace {

using std::chrono::seconds;

Instant at(int second) {
    return Instant{} + seconds{second};
}

Client client(std::string_view client_id, std::optional<std::string_view> user_name,
              std::string_view address) {
    return {.client_id = client_id,
            .user_name = user_name,
            .address = PeerAddress::from_text(address).value()};
}

TEST(ban_list, keeps_out_by_client_user_and_address_until_the_time_is_over) {
    BanList list;
    EXPECT_TRUE(list.ban(BanKind::client_id, "c", {.until = at(10), .reason = "a"}));
    EXPECT_TRUE(list.ban(BanKind::user_name, "u", {.reason = "b"}));
    EXPECT_TRUE(list.ban(BanKind::address, "10.0.0.1", {.until = at(20), .reason = "c"}));
    EXPECT_TRUE(list.ban(BanKind::address, "192.0.2.0/24", {.until = at(30), .reason = "d"}));
    EXPECT_FALSE(list.ban(BanKind::address, "somewhere", {}));
    const auto reason = [&](const Client& who, int second) {
        const auto* const ban = list.find(who, at(second));
        return ban == nullptr ? "" : ban->reason;
    };
    EXPECT_EQ(reason(client("c", {}, "::1"), 9), "a");
    EXPECT_EQ(reason(client("c", {}, "::1"), 10), "");
    EXPECT_EQ(reason(client("x", "u", "::1"), 1'000'000), "b");
    EXPECT_EQ(reason(client("x", {}, "10.0.0.1"), 19), "c");
    EXPECT_EQ(reason(client("x", {}, "192.0.2.7"), 29), "d");
    EXPECT_EQ(reason(client("x", {}, "192.0.3.7"), 0), "");
    EXPECT_EQ(list.expire(at(20)), 2U);
    EXPECT_EQ(list.size(), 2U);
    EXPECT_TRUE(list.lift(BanKind::address, "192.0.2.0/24"));
    EXPECT_FALSE(list.lift(BanKind::address, "192.0.2.0/24"));
    EXPECT_EQ(reason(client("x", {}, "192.0.2.7"), 20), "");
}

TEST(ban_list, is_bounded_and_takes_the_newer_ban_of_the_same_one) {
    BanList list{2};
    EXPECT_TRUE(list.ban_client_id("a", {.until = at(1)}));
    EXPECT_TRUE(list.ban_user_name("b", {}));
    EXPECT_FALSE(list.ban_client_id("c", {}));
    EXPECT_TRUE(list.ban_client_id("a", {.until = at(2)}));
    EXPECT_NE(list.find(client("a", {}, "::1"), at(1)), nullptr);
    EXPECT_EQ(list.expire(at(2)), 1U);
    EXPECT_TRUE(list.ban_client_id("c", {}));
}

RC_GTEST_PROP(ban_list, answers_as_a_plain_list_does, ()) {
    struct Entry {
        BanKind kind;
        std::string who;
        Instant until;
    };
    const std::vector<std::string> names{"a", "b", "c"};
    const std::vector<std::string> addresses{"10.0.0.1", "10.0.0.2", "::1"};
    const std::vector<std::string> ranges{"10.0.0.1", "10.0.0.0/30", "::/0", "::1", "10.0.0.2/32"};
    BanList list;
    std::vector<Entry> model;
    for (int i = *rc::gen::inRange(0, 30); i > 0; --i) {
        const auto kind =
            *rc::gen::element(BanKind::client_id, BanKind::user_name, BanKind::address);
        const auto who = *rc::gen::elementOf(kind == BanKind::address ? ranges : names);
        const auto until = at(*rc::gen::inRange(0, 10));
        const auto is_same = [&](const Entry& one) {
            if (one.kind != kind) return false;
            return kind == BanKind::address
                       ? AddressRange::from_text(one.who) == AddressRange::from_text(who)
                       : one.who == who;
        };
        const bool was_there = std::erase_if(model, is_same) != 0;
        if (*rc::gen::inRange(0, 4) == 0) {
            RC_ASSERT(list.lift(kind, who) == was_there);
            continue;
        }
        model.push_back({kind, who, until});
        RC_ASSERT(list.ban(kind, who, {.until = until, .reason = {}}));
    }
    const auto now = at(*rc::gen::inRange(0, 10));
    const auto client_id = *rc::gen::elementOf(names);
    const auto user_name = *rc::gen::elementOf(names);
    const auto address = *rc::gen::elementOf(addresses);
    const auto one = client(client_id, user_name, address);
    const bool expected = std::ranges::any_of(model, [&](const Entry& entry) {
        if (entry.until <= now) return false;
        switch (entry.kind) {
            case BanKind::client_id: return entry.who == client_id;
            case BanKind::user_name: return entry.who == user_name;
            case BanKind::address: return AddressRange::from_text(entry.who)->contains(one.address);
        }
        return false;
    });
    RC_ASSERT((list.find(one, now) != nullptr) == expected);
    std::erase_if(model, [&](const Entry& entry) { return entry.until <= now; });
    list.expire(now);
    RC_ASSERT(list.size() == model.size());
    RC_ASSERT((list.find(one, now) != nullptr) == expected);
}

TEST(flapping_detector, tells_of_one_change_more_than_the_threshold_within_the_window) {
    FlappingDetector detector{{.changes_max = 3, .window = seconds{10}}, 100};
    EXPECT_FALSE(detector.on_change("c", at(0)));
    EXPECT_FALSE(detector.on_change("c", at(1)));
    EXPECT_FALSE(detector.on_change("other", at(1)));
    EXPECT_FALSE(detector.on_change("c", at(2)));
    EXPECT_TRUE(detector.on_change("c", at(9)));
    EXPECT_FALSE(detector.on_change("c", at(9)));
}

TEST(flapping_detector, begins_anew_after_the_window) {
    FlappingDetector detector{{.changes_max = 1, .window = seconds{10}}, 100};
    EXPECT_FALSE(detector.on_change("c", at(0)));
    EXPECT_FALSE(detector.on_change("c", at(10)));
    EXPECT_TRUE(detector.on_change("c", at(19)));
    EXPECT_EQ(detector.watched_clients(), 0U);
}

TEST(flapping_detector, watches_a_bounded_number_of_clients) {
    FlappingDetector detector{{.changes_max = 1, .window = seconds{10}}, 2};
    EXPECT_FALSE(detector.on_change("a", at(0)));
    EXPECT_FALSE(detector.on_change("b", at(0)));
    EXPECT_FALSE(detector.on_change("c", at(0)));
    EXPECT_EQ(detector.watched_clients(), 2U);
    EXPECT_TRUE(detector.on_change("b", at(1)));
    EXPECT_FALSE(detector.on_change("a", at(1)));
}

}  // namespace
}  // namespace touchstone::access
