#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "broker/settings/forms.hpp"

namespace touchstone::settings {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Span any_time{.least = Duration::zero(), .most = hours{24 * 365 * 100}};
constexpr std::int64_t most = INT64_MAX;

template <class Form>
void refuses(const Form& form, const std::vector<std::string>& texts) {
    for (const auto& text : texts) {
        const auto value = form.read(text);
        ASSERT_TRUE(value.has_error()) << text;
        EXPECT_FALSE(value.error().expected.empty());
    }
}

TEST(forms, read_times_with_their_units) {
    EXPECT_EQ(any_time.read("100ms").value(), milliseconds{100});
    EXPECT_EQ(any_time.read("15s").value(), seconds{15});
    EXPECT_EQ(any_time.read("5m").value(), minutes{5});
    EXPECT_EQ(any_time.read("2h").value(), hours{2});
    EXPECT_EQ(any_time.read("1d").value(), hours{24});
    EXPECT_EQ(any_time.read("1D").value(), hours{24});
    EXPECT_EQ(any_time.read("0").value(), Duration::zero());
    refuses(any_time, {"", "15", "s", "-1s", "1.5s", "15 seconds", "15s5s", "1w", "+1s", "0x1s",
                       "99999999999999999999s", "9999999999999d", "infinity"});
    const Span bounded{.least = seconds{1}, .most = minutes{1}, .step = seconds{1}};
    refuses(bounded, {"0", "999ms", "61s", "1500ms"});
    EXPECT_EQ(bounded.describe(), "a time, 1s to 1m, with a unit (s, m, h, d)");
    const Span endless{.most = seconds{1}, .may_be_infinite = true};
    EXPECT_EQ(endless.read("infinity").value(), Duration::max());
    EXPECT_EQ(Span::write(Duration::max()), "infinity");
}

TEST(forms, read_sizes_with_and_without_units) {
    const Size any{.least = 0, .most = most};
    EXPECT_EQ(any.read("64KB").value(), 65'536);
    EXPECT_EQ(any.read("1MB").value(), 1'048'576);
    EXPECT_EQ(any.read("2gb").value(), std::int64_t{2} << 30);
    EXPECT_EQ(any.read("1024").value(), 1'024);
    EXPECT_EQ(any.read("7B").value(), 7);
    refuses(any, {"", "KB", "1K", "-1", "1.5MB", "9999999999GB", "17179869185GB", "1 MB MB"});
    EXPECT_EQ(Size::write(65'537), "65537B");
    EXPECT_EQ((Size{128, 1'048'576}.describe()),
              "a size, 128B to 1MB, in bytes or with a unit (KB, MB, GB)");
}

TEST(forms, read_numbers_within_their_bounds_only) {
    const Integer number{.least = 1, .most = 65'535, .unit = "messages"};
    EXPECT_EQ(number.read("1").value(), 1);
    EXPECT_EQ(number.read("65535").value(), 65'535);
    refuses(number, {"0", "65536", "", "1e3", "1_000", "0x10", "one", "18446744073709551617"});
    EXPECT_EQ(number.describe(), "a whole number, 1 to 65535 messages");
    const Thousandths backoff{.least = 500, .most = 10'000};
    EXPECT_EQ(backoff.read("0.75").value(), 750);
    EXPECT_EQ(backoff.read("1").value(), 1'000);
    EXPECT_EQ(backoff.read("1.005").value(), 1'005);
    refuses(backoff, {"", ".", ".75x", "0.4999", "0.499", "10.001", "-1", "1.-5", "1,5", "nan",
                      "99999999999999999999"});
    EXPECT_EQ(Thousandths::write(750), "0.75");
    EXPECT_EQ(Thousandths::write(1'005), "1.005");
    EXPECT_EQ(Thousandths::write(2'000), "2");
}

TEST(forms, read_rates_in_both_grammars) {
    using access::Rate;
    EXPECT_EQ(RateLimit::read("1024,4096").value(), (Rate{1'024, 4'096}));
    EXPECT_EQ(RateLimit::read("1KB, 4KB").value(), (Rate{1'024, 4'096}));
    EXPECT_EQ(RateLimit::read("100KB,10s").value(), (Rate{10'240, 102'400}));
    EXPECT_EQ(RateLimit::read("none").value(), std::nullopt);
    refuses(RateLimit{}, {"", "1024", "0,1", "2,1", "1,2,3", "1024,", ",1", "10,0s", "5,10s",
                          "1000000GB,1s", "1,10000000000000"});
}

TEST(forms, read_addresses_to_listen_on) {
    EXPECT_EQ(Address::read("127.0.0.1:1883").value().to_text(), "127.0.0.1:1883");
    EXPECT_EQ(Address::read("[::1]:1883").value().to_text(), "[::1]:1883");
    EXPECT_EQ(Address::read("8883").value().to_text(), "0.0.0.0:8883");
    refuses(Address{}, {"", ":1883", "127.0.0.1", "127.0.0.1:", "::1:1883", "[127.0.0.1]:1883",
                        "localhost:1883", "127.0.0.1:65536", "[]:1", "127.0.0.1:-1", "[::1]1883"});
}

TEST(forms, read_lists_thresholds_and_priorities) {
    EXPECT_EQ(Threshold::read("10, 1m").value(),
              (access::FlappingThreshold{.changes_max = 10, .window = minutes{1}}));
    refuses(Threshold{}, {"", "10", "0,1m", "10,0", "10,1"});
    const auto priorities = Priorities::read("topic/1=10, topic/2=8").value();
    EXPECT_EQ(priorities.at("topic/1"), 10);
    EXPECT_EQ(priorities.at("topic/2"), 8);
    EXPECT_TRUE(Priorities::read("none").value().empty());
    refuses(Priorities{}, {"", "a", "a=0", "a=256", "a/#=1", "=1", "a=1,a=2", "a=1,"});
    const WordList versions{{"tlsv1.3", "tlsv1.2"}, "versions"};
    EXPECT_EQ(versions.read("tlsv1.2 , tlsv1.3").value(),
              (std::vector<std::string>{"tlsv1.2", "tlsv1.3"}));
    refuses(versions, {"", "tlsv1.1", "tlsv1.2,tlsv1.2", "tlsv1.2,"});
    EXPECT_EQ(versions.describe(), "versions: tlsv1.3, tlsv1.2");
    const Choice<int> choice{{{"one", 1}, {"two", 2}, {"uno", 1}}};
    EXPECT_EQ(choice.read("uno").value(), 1);
    EXPECT_EQ(choice.write(1), "one");
    refuses(choice, {"", "ONE", "three"});
    EXPECT_EQ(choice.describe(), "one of one, two, uno");
}

RC_GTEST_PROP(forms, read_what_they_write, ()) {
    const auto number = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 45);
    RC_ASSERT((Integer{0, most, {}}.read(Integer::write(number)).value()) == number);
    RC_ASSERT((Size{0, most}.read(Size::write(number)).value()) == number);
    const auto thousandths = number % 100'000;
    RC_ASSERT((Thousandths{0, most / 1'000}.read(Thousandths::write(thousandths)).value()) ==
              thousandths);
    const milliseconds time{number % 1'000'000'000'000};
    RC_ASSERT((Span{.most = hours{24 * 365 * 100}}.read(Span::write(time)).value()) == time);
    const access::Rate rate{.per_second = number % 1'000 + 1, .burst = number % 1'000'000 + 1'001};
    RC_ASSERT(RateLimit::read(RateLimit::write(rate)).value() == rate);
    const ListenAddress address{
        .address = access::PeerAddress::from_v4({10, 0, 0, static_cast<std::uint8_t>(number)}),
        .port = static_cast<std::uint16_t>(number)};
    RC_ASSERT(Address::read(Address::write(address)).value() == address);
}

}  // namespace
}  // namespace touchstone::settings
