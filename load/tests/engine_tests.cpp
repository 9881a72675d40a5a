// The engine over loopback, with a broker of ours in the same process. What is counted is judged,
// and no time.

#include "load/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "broker/asio/tests/folder.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/asio/tests/tls_client.hpp"
#include "load/limiter.hpp"
#include "load/shapes.hpp"

namespace touchstone::load {
namespace {

using asio_driver::RunningNode;
using testing::HasSubstr;

Workload workload_for(std::uint16_t port, std::vector<Group> groups) {
    Workload workload{.run_id = "test", .groups = std::move(groups), .threads = 1};
    std::string problem;
    workload.target = *parse_target("mqtt://127.0.0.1:" + std::to_string(port), problem);
    workload.warm_up_min = workload.warm_up_max = 0;
    workload.measure = 200 * millisecond;
    workload.interval = 50 * millisecond;
    workload.drain_max = 30 * second;  // ends when all is there
    EXPECT_EQ(problem_of(workload).value_or(""), "");
    return workload;
}

ShapeOptions shape(Shape shape, std::uint32_t publishers, std::uint32_t subscribers, QoS qos) {
    ShapeOptions options{.shape = shape,
                         .publishers = publishers,
                         .subscribers = subscribers,
                         .subscriber_qos = qos};
    options.publishing.process = Publishing::Process::stream;
    options.publishing.rate_per_s = 2'000;
    options.publishing.qos = qos;
    return options;
}

void expect_all_arrived(const Outcome& outcome) {
    const auto all = outcome.all();
    EXPECT_GT(all[Count::sent], 0U);
    EXPECT_EQ(all[Count::sent], all[Count::offered]);
    EXPECT_EQ(all[Count::received_once], all[Count::expected]);
    EXPECT_EQ(outcome.lost, 0U);
    EXPECT_EQ(outcome.unsent, 0U);
    EXPECT_EQ(all[Count::duplicates], 0U);
    EXPECT_EQ(all[Count::out_of_order], 0U);
    EXPECT_EQ(all[Count::foreign], 0U);
    EXPECT_EQ(all[Count::protocol_errors], 0U);
    EXPECT_TRUE(outcome.is_loss_judged);
    EXPECT_EQ(outcome.ending, Ending::complete);
}

struct Variant {
    Shape shape;
    QoS qos;
    ProtocolVersion version;
    unsigned threads;
};
class every_shape : public testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(
    variants, every_shape,
    testing::Values(Variant{Shape::pairs, QoS::at_most_once, ProtocolVersion::v5, 1},
                    Variant{Shape::pairs, QoS::exactly_once, ProtocolVersion::v3_1_1, 2},
                    Variant{Shape::fan_in, QoS::at_least_once, ProtocolVersion::v5, 2},
                    Variant{Shape::fan_out, QoS::at_least_once, ProtocolVersion::v3_1_1, 2},
                    Variant{Shape::shared, QoS::at_least_once, ProtocolVersion::v5, 2},
                    Variant{Shape::shared, QoS::exactly_once, ProtocolVersion::v5, 1}),
    [](const auto& variant) {
        auto name = std::string{name_of(variant.param.shape)};
        std::ranges::replace(name, '-', '_');
        return name + "_qos_" + std::to_string(static_cast<int>(variant.param.qos)) + "_threads_" +
               std::to_string(variant.param.threads) +
               (variant.param.version == ProtocolVersion::v5 ? "_v5" : "_v3_1_1");
    });

TEST_P(every_shape, delivers_all_that_is_sent) {
    RunningNode node{2};
    auto workload =
        workload_for(node.port(), groups_of(shape(GetParam().shape, 5, 4, GetParam().qos)));
    if (GetParam().shape == Shape::pairs) workload.groups[1].count = 5;
    workload.version = GetParam().version;
    workload.threads = GetParam().threads;
    const auto outcome = run(workload);
    expect_all_arrived(outcome);
    const auto all = outcome.all();
    const std::uint64_t receivers = GetParam().shape == Shape::fan_in    ? 4
                                    : GetParam().shape == Shape::fan_out ? 4
                                                                         : 1;
    EXPECT_EQ(all[Count::expected], all[Count::sent] * receivers);
    EXPECT_EQ(all[Count::acknowledged], GetParam().qos == QoS::at_most_once ? 0 : all[Count::sent]);
    EXPECT_EQ(all[Count::connects], workload.clients());
    EXPECT_EQ(all[Count::lost_connections], 0U);
    EXPECT_GT(outcome.times.delivery.count(), 0U);
    EXPECT_LE(outcome.times.delivery.count(), all[Count::received]);
}

TEST(Engine, a_seed_decides_what_is_offered) {
    RunningNode node{1};
    auto workload =
        workload_for(node.port(), groups_of(shape(Shape::pairs, 3, 3, QoS::at_most_once)));
    workload.groups[0].publishing.size_max = 500;
    // Of a window that is the same from the first arrival on: the process, not the instant, is
    // drawn.
    const auto one = run(workload).all();
    const auto two = run(workload).all();
    EXPECT_EQ(one[Count::offered], two[Count::offered]);
    EXPECT_EQ(one[Count::sent_bytes], two[Count::sent_bytes]);
}

TEST(Engine, a_closed_loop_goes_on_with_each_delivery_or_acknowledgement) {
    // An acknowledgement says nothing of subscribers, whose queues have to hold what they are
    // behind.
    Settings settings;
    settings.queue_messages_max = 100'000'000;
    settings.queue_bytes_max = std::size_t{4} << 30U;
    RunningNode node{1, settings};
    for (const auto qos : {QoS::at_most_once, QoS::exactly_once}) {
        auto options = shape(Shape::fan_out, 3, 4, qos);
        options.publishing.process = Publishing::Process::closed_loop;
        options.publishing.in_flight = 5;
        auto workload = workload_for(node.port(), groups_of(options));
        workload.threads = 2;
        workload.measure = second;
        const auto outcome = run(workload);
        expect_all_arrived(outcome);
        EXPECT_GT(outcome.all()[Count::sent], 3U * 5U) << "more than the first window";
    }
}

TEST(Engine, retained_messages_are_removed_and_persistent_sessions_used) {
    RunningNode node{1};
    auto options = shape(Shape::pairs, 3, 3, QoS::at_least_once);
    options.publishing.retain = true;
    options.is_persistent = true;
    const auto workload = workload_for(node.port(), groups_of(options));
    expect_all_arrived(run(workload));
    node.await([&] {
        return node.sum([](const asio_driver::ShardFigures& of) { return of.gauges.sessions; }) ==
               0;
    });
    // A Retained Message of the run before would be a delivery that this one did not send.
    auto later = workload;
    later.groups[0].publishing = {};
    later.groups[0].publishing.audience = workload.groups[0].publishing.audience;
    later.groups[0].is_persistent = later.groups[1].is_persistent = false;
    later.hold = 100 * millisecond;
    EXPECT_EQ(run(later).all()[Count::received], 0U);
}

TEST(Engine, small_payloads_are_counted_without_a_number) {
    RunningNode node{1};
    auto options = shape(Shape::pairs, 3, 3, QoS::at_least_once);
    options.publishing.size_min = options.publishing.size_max = 4;
    const auto outcome = run(workload_for(node.port(), groups_of(options)));
    const auto all = outcome.all();
    EXPECT_EQ(all[Count::unstamped], all[Count::sent]);
    EXPECT_EQ(outcome.lost, 0U);
    EXPECT_EQ(outcome.times.delivery.count(), 0U);
}

TEST(Engine, a_message_may_be_larger_than_what_is_read_at_a_time) {
    RunningNode node{1};
    auto options = shape(Shape::pairs, 2, 2, QoS::at_least_once);
    options.publishing.size_min = options.publishing.size_max = 600'000;
    options.publishing.rate_per_s = 50;
    expect_all_arrived(run(workload_for(node.port(), groups_of(options))));
}

TEST(Engine, a_burst_that_is_larger_than_a_connections_buffer_goes_on_when_that_is_written) {
    RunningNode node{1};
    auto groups = groups_of(shape(Shape::pairs, 1, 1, QoS::at_most_once));
    auto& publishing = groups[0].publishing;
    publishing.process = Publishing::Process::bursts;
    publishing.every = 100 * millisecond;
    publishing.burst_count = 20;
    publishing.size_min = publishing.size_max = 10'000;
    const auto outcome = run(workload_for(node.port(), groups));
    expect_all_arrived(outcome);
    EXPECT_GT(outcome.all()[Count::held_back], 0U);
}

TEST(Engine, each_client_may_publish_in_its_own_time_from_its_connection_on) {
    RunningNode node{1};
    Group devices{.name = "devices", .count = 20};
    devices.publishing.process = Publishing::Process::periodic;
    devices.publishing.every = 20 * millisecond;
    devices.publishing.qos = QoS::at_least_once;
    devices.publishing.audience = {.kind = Audience::Kind::some_of, .group = 1, .receivers = 2};
    Group backends{.name = "backends", .count = 3};
    backends.subscribing = {.qos = QoS::at_least_once, .takes_some_of = true};
    auto workload = workload_for(node.port(), {devices, backends});
    workload.publishes_at_once = true;
    const auto outcome = run(workload);
    const auto all = outcome.all();
    EXPECT_GT(all[Count::sent], 20U);
    EXPECT_EQ(all[Count::sent] % 2, 0U) << "two of each";
    EXPECT_EQ(all[Count::duplicates], 0U);
}

TEST(Engine, clients_with_a_duty_cycle_come_back) {
    RunningNode node{1};
    Group sleepers{.name = "sleepers", .count = 10};
    sleepers.awake = 20 * millisecond;
    sleepers.asleep = 20 * millisecond;
    auto workload = workload_for(node.port(), {sleepers});
    workload.publishes_at_once = true;
    workload.measure = 2 * second;
    const auto all = run(workload).all();
    EXPECT_GT(all[Count::connects], 20U);
    EXPECT_EQ(all[Count::lost_connections], 0U);
}

TEST(Engine, idle_clients_ping_and_are_answered) {
    RunningNode node{1};
    Group clients{.name = "clients", .count = 30};
    clients.ping_every = 20 * millisecond;
    auto workload = workload_for(node.port(), {clients});
    workload.hold = 2 * second;
    const auto outcome = run(workload);
    const auto all = outcome.all();
    EXPECT_GE(all[Count::pings], 30U);
    EXPECT_GE(all[Count::pings_answered] + 30, all[Count::pings]);
    EXPECT_EQ(outcome.connected, 30U);
    EXPECT_EQ(all[Count::answer_timeouts], 0U);
}

TEST(Engine, a_ramp_is_kept_and_timed_from_the_instant_each_was_due) {
    RunningNode node{1};
    Group clients{
        .name = "clients", .count = 50, .ramp_per_s = 500, .ramp_spacing = Spacing::poisson};
    auto workload = workload_for(node.port(), {clients});
    const auto outcome = run(workload);
    EXPECT_EQ(outcome.times.connect.count(), 50U);
    EXPECT_EQ(outcome.times.connect_lag.count(), 50U);
}

TEST(Engine, more_clients_than_open_files_get_tables_of_their_threads_own) {
    RunningNode node{asio_driver::Shards{2}};
    Group clients{.name = "clients", .count = 900};
    auto workload = workload_for(node.port(), {clients});
    workload.open_files_max = 600;
    const auto outcome = run(workload);
    EXPECT_EQ(outcome.connected, 900U);
    EXPECT_EQ(outcome.own_tables, 3U);
    EXPECT_EQ(outcome.threads.size(), 3U);
}

TEST(Engine, a_lack_of_descriptors_is_the_generators_limit) {
    RunningNode node{1};
    Group clients{.name = "clients", .count = 2'000};
    auto workload = workload_for(node.port(), {clients});
    workload.open_files_max = 1'000'000;  // it is not
    workload.connect_timeout = 20 * second;
    Outcome outcome;
    {
        const asio_driver::OpenFilesLimit limit{300};
        outcome = run(workload);
    }
    EXPECT_GT(outcome.all()[Count::files_short], 0U);
    const auto limit = judge(workload, outcome);
    EXPECT_EQ(limit.limiter, Limiter::files);
    EXPECT_TRUE(limit.is_generator);
}

TEST(Engine, a_loss_is_seen) {
    // Shared Subscriptions are refused, so nobody gets what is published.
    Settings settings;
    settings.shared_subscription_available = false;
    RunningNode node{1, settings};
    const auto workload =
        workload_for(node.port(), groups_of(shape(Shape::shared, 2, 2, QoS::at_least_once)));
    auto short_drain = workload;
    short_drain.drain_max = 100 * millisecond;
    const auto outcome = run(short_drain);
    const auto all = outcome.all();
    EXPECT_EQ(all[Count::subscriptions_refused] + all[Count::lost_connections], 2U);
    if (outcome.ending == Ending::complete) {
        EXPECT_EQ(outcome.lost, all[Count::sent]);
    }
    EXPECT_EQ(judge(workload, outcome).limiter, Limiter::target);
}

TEST(Engine, a_target_that_goes_away_is_told_by_the_connections_it_ends) {
    std::optional<RunningNode> node{std::in_place, 1};
    Group clients{.name = "clients", .count = 20};
    auto workload = workload_for(node->port(), {clients});
    workload.hold = 60 * second;
    const auto outcome = run(workload, [&](const Glimpse& glimpse) {
        if (glimpse.stage == Stage::holding && node) node.reset();
        return glimpse.stage != Stage::holding || glimpse.connected > 0;
    });
    EXPECT_EQ(outcome.ending, Ending::interrupted);
    EXPECT_EQ(outcome.all()[Count::lost_connections], 20U);
    EXPECT_FALSE(outcome.failures.empty());
}

TEST(Engine, nobody_at_the_target_is_told_before_anything_is_measured) {
    std::uint16_t port = 0;
    {
        RunningNode node{1};
        port = node.port();
    }
    try {
        (void)run(workload_for(port, groups_of(shape(Shape::pairs, 1, 1, QoS::at_most_once))));
        FAIL() << "there is somebody";
    } catch (const Unreachable& error) {
        EXPECT_THAT(error.what(), HasSubstr("cannot be reached"));
    }
}

/// Asked of the system, and not of the broker or the generator, which are what is tested.
bool has_ipv6_loopback() {
    const int descriptor = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return false;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    const bool is_there =
        ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(descriptor);
    return is_there;
}

TEST(Engine, a_target_may_have_an_ipv6_address) {
    auto made = workload_for(1, groups_of(shape(Shape::pairs, 3, 3, QoS::at_least_once)));
    std::string problem;
    if (!has_ipv6_loopback()) {
        made.target = *parse_target("mqtt://[::1]:1", problem);
        EXPECT_THROW(static_cast<void>(run(made)), Unreachable);
        return;
    }
    const RunningNode node{asio_driver::Node::Options{
        .listeners = asio_driver::plain_listeners({asio_driver::Endpoint::from_text("[::1]:0")}),
        .rules = access::open_rules({}),
        .shard_count = 1}};
    made.target = *parse_target("mqtt://[::1]:" + std::to_string(node.port()), problem);
    expect_all_arrived(run(made));
}

class tls_target : public testing::Test {
protected:
    tls_target() : authority_{"authority"}, broker_{"localhost", {.issuer = &authority_}} {
        std::ofstream{folder_ / "authority.pem"} << authority_.certificate_pem();
        serve(broker_);
    }

    /// The target is one with that certificate.
    void serve(const asio_driver::TestIdentity& identity) {
        auto listener =
            asio_driver::plain_listeners({asio_driver::Endpoint::from_text("127.0.0.1:0")}).front();
        listener.settings.transport = settings::Transport::ssl;
        settings::TlsSettings tls;
        tls.identity = identity.settings();
        tls.handshake_timeout = std::chrono::seconds{30};
        listener.settings.tls = tls;
        node_.reset();
        node_.emplace(asio_driver::Node::Options{
            .listeners = {listener}, .rules = access::open_rules({}), .shard_count = 1});
    }

    Workload workload(Group group) {
        auto made = workload_for(node_->port(), {std::move(group)});
        made.target.has_tls = true;
        made.target.takes_any_certificate = true;
        return made;
    }

    asio_driver::Folder folder_;
    asio_driver::TestIdentity authority_;
    asio_driver::TestIdentity broker_;
    std::optional<RunningNode> node_;
};

TEST_F(tls_target, takes_clients_with_full_and_with_short_handshakes) {
    for (const bool resumes : {false, true}) {
        auto made = workload({.name = "clients", .count = 10, .resumes_tls = resumes});
        made.connecting_max = 1;  // one after the other: the first brings the ticket
        const auto outcome = run(made);
        EXPECT_EQ(outcome.connected, 10U);
        EXPECT_EQ(outcome.all()[Count::tls_failures], 0U);
        const auto resumed = node_->sum(
            [](const asio_driver::ShardFigures& of) { return of.driver.handshakes_resumed; });
        EXPECT_EQ(resumed > 0, resumes);
    }
}

TEST_F(tls_target, messages_go_through) {
    auto made = workload({.name = "unused", .count = 1});
    made.groups = groups_of(shape(Shape::pairs, 3, 3, QoS::exactly_once));
    made.groups[0].publishing.size_max = 50'000;
    made.groups[0].publishing.rate_per_s = 200;
    expect_all_arrived(run(made));
}

TEST_F(tls_target, a_certificate_that_is_right_is_taken_from_all_threads) {
    const asio_driver::TestIdentity named{
        "broker", {.issuer = &authority_, .alternative_name = "IP:127.0.0.1"}};
    serve(named);
    auto made = workload({.name = "unused", .count = 1});
    made.target.takes_any_certificate = false;
    made.target.ca_file = (folder_ / "authority.pem").string();
    made.groups = groups_of(shape(Shape::fan_out, 2, 5, QoS::at_least_once));
    for (auto& group : made.groups) group.resumes_tls = true;
    made.threads = 2;
    const auto outcome = run(made);
    expect_all_arrived(outcome);
    EXPECT_EQ(outcome.all()[Count::tls_failures], 0U);
    EXPECT_EQ(outcome.all()[Count::connects], 7U);
}

TEST_F(tls_target, a_certificate_that_nobody_vouches_for_is_refused) {
    auto made = workload({.name = "clients", .count = 1});
    made.target.takes_any_certificate = false;
    made.target.ca_file = (folder_ / "authority.pem").string();
    // The authority is known, but the certificate is not for this address.
    EXPECT_THROW((void)run(made), Unreachable);
    made.target.ca_file = (folder_ / "missing.pem").string();
    EXPECT_THROW((void)run(made), CannotRun);
}

class web_target : public testing::TestWithParam<settings::Transport> {
protected:
    web_target() {
        auto listener =
            asio_driver::plain_listeners({asio_driver::Endpoint::from_text("127.0.0.1:0")}).front();
        listener.settings.transport = GetParam();
        listener.settings.path = "/mqtt";
        if (GetParam() == settings::Transport::wss) {
            settings::TlsSettings tls;
            tls.identity = broker_.settings();
            tls.handshake_timeout = std::chrono::seconds{30};
            listener.settings.tls = tls;
        }
        node_.emplace(asio_driver::Node::Options{
            .listeners = {listener}, .rules = access::open_rules({}), .shard_count = 2});
    }

    Workload workload(std::vector<Group> groups, std::string_view path = "/mqtt") {
        auto made = workload_for(node_->port(), std::move(groups));
        made.target.is_web = true;
        made.target.path = path;
        made.target.has_tls = GetParam() == settings::Transport::wss;
        made.target.takes_any_certificate = true;
        return made;
    }

    asio_driver::TestIdentity broker_{"localhost"};
    std::optional<RunningNode> node_;
};
INSTANTIATE_TEST_SUITE_P(variants, web_target,
                         testing::Values(settings::Transport::ws, settings::Transport::wss),
                         [](const auto& one) {
                             return one.param == settings::Transport::wss ? "wss" : "ws";
                         });

TEST_P(web_target, messages_of_all_sizes_go_through) {
    for (const auto qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
        auto made = workload(groups_of(shape(Shape::fan_out, 2, 5, qos)));
        made.threads = 2;
        made.groups[0].publishing.size_min = 16;
        made.groups[0].publishing.size_max = 100'000;
        made.groups[0].publishing.rate_per_s = 100;
        const auto outcome = run(made);
        expect_all_arrived(outcome);
        EXPECT_EQ(outcome.all()[Count::connects], 7U);
    }
}

TEST_P(web_target, clients_ping_and_leave) {
    Group group{.name = "clients", .count = 10, .keep_alive_s = 60};
    group.ping_every = 50 * millisecond;
    auto made = workload({group});
    made.hold = 300 * millisecond;
    const auto outcome = run(made);
    EXPECT_EQ(outcome.connected, 10U);
    EXPECT_GT(outcome.all()[Count::pings_answered], 0U);
    EXPECT_EQ(outcome.all()[Count::lost_connections], 0U);
}

TEST_P(web_target, without_a_web_socket_at_the_path_is_told) {
    try {
        (void)run(workload({{.name = "clients", .count = 1}}, "/elsewhere"));
        FAIL() << "there is nothing";
    } catch (const Unreachable& problem) {
        EXPECT_THAT(problem.what(), HasSubstr("404"));
    }
}

}  // namespace
}  // namespace touchstone::load
