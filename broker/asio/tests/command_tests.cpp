// The subcommand in-process, and its page of metrics.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "broker/asio/metrics.hpp"
#include "broker/asio/node.hpp"
#include "broker/asio/tests/broker_command.hpp"
#include "broker/asio/tests/folder.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/base/exit_code.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

TEST(broker_command, refuses_what_it_does_not_understand_in_one_line_that_says_what_to_do) {
    const ListeningSocket taken = ListeningSocket::open(Endpoint::from_text("127.0.0.1:0"));
    const struct {
        std::vector<std::string> words;
        const char* hint;
    } refused[] = {
        {{"--no-such-option"}, "--help"},
        {{"--shards", "65"}, "0 to 64"},
        {{"--set", "mqtt.max_inflight=many"}, "mqtt.max_inflight"},
        {{"--set", "mqtt.max_inflight=65536"}, "0 to 65535"},
        {{"--set", "mqtt.max_packet_size=268435461"}, "268435460"},
        {{"--set", "mqtt.max_inflght=1"}, "the nearest key is mqtt.max_inflight"},
        {{"--set", "mqtt.max_inflight"}, "KEY=VALUE"},
        {{"--config", "/no/such/file"}, "/no/such/file: cannot be read"},
        {{"--json"}, "--check-config"},
        {{"--log-level", "loud"}, "debug"},
        {{"--listen", "127.0.0.1"}, "127.0.0.1:1883"},
        {{"--listen", "0.0.0.0:0"}, "allow_anonymous"},
        {{"--listen", "[::]:0"}, "allow_anonymous"},
        {{"--listen", taken.endpoint.to_text()}, "choose another port"},
        {{"--listen", "192.0.2.1:0", "--allow-anonymous"}, "ip address"},
        {{"--listen", "127.0.0.1:0", "--metrics", taken.endpoint.to_text()}, "choose another port"},
        {{"--listen", "127.0.0.1:0", "--metrics", "[::1]:9100"}, "use 127.0.0.1:9100"},
        {{"--listen", "127.0.0.1:0", "--metrics", "here"}, "127.0.0.1:1883"},
        {{"--listen", "127.0.0.1:0", "--port-file", "/no/such/directory/file"}, "directory"},
        {{"--listen", "127.0.0.1:0", "--record", "/dev/null/record"},
         "a directory that can be made"},
        {{"--record-limit-mib", "0"}, "1 to 1048576"},
        {{"--redeliver-unordered"}, "--help"},  // no defect can be had from here
    };
    for (const auto& [words, hint] : refused) {
        const CommandRefusal refusal = refusal_of(words);
        EXPECT_EQ(refusal.exit_code, to_int(ExitCode::usage_error)) << words[0];
        EXPECT_NE(refusal.text.find(hint), std::string::npos) << refusal.text;
        EXPECT_EQ(std::ranges::count(refusal.text, '\n'), 1) << refusal.text;
    }
}

TEST(broker_command, serves_until_a_signal_and_then_tells_its_clients) {
    const struct {
        int signal;
        const char* tables;
    } ways[] = {{SIGTERM, "shared"}, {SIGINT, "shared"}, {SIGTERM, "per_shard"}};
    for (const auto& [signal, tables] : ways) {
        const Folder folder;
        const Folder::Watch watch{folder};
        int exit_code = -1;
        std::thread broker{[&] {
            exit_code =
                run({"--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--shards", "2", "--set",
                     std::string{"node.descriptor_tables="} + tables, "--port-file",
                     folder / "ports", "--log-level", "off", "--record", folder / "record"});
        }};
        ASSERT_TRUE(watch.wait());
        std::ifstream file{folder / "ports"};
        std::string first;
        std::string second;
        std::getline(file, first);
        std::getline(file, second);
        EXPECT_EQ(first.substr(0, 10), "127.0.0.1:");
        EXPECT_EQ(second.substr(0, 6), "[::1]:");
        auto client = RawClient::connected(Endpoint::from_text(first).port, "client");

        std::raise(signal);
        EXPECT_TRUE(client.receive_to_end().empty());
        client.reset();
        broker.join();
        EXPECT_EQ(exit_code, to_int(ExitCode::as_expected));
        for (const char* record : {"record/shard-0.record", "record/shard-1.record"}) {
            EXPECT_GT(std::filesystem::file_size(folder / record), 0U);
        }
    }
}

std::string http_get(std::uint16_t port, const std::string& path) {
    RawClient client{port};
    client.send(as_bytes("GET " + path + " HTTP/1.0\r\n\r\n"));
    const Buffer answer = client.receive_to_end();
    return std::string{as_text(answer)};
}

TEST(metrics, are_a_page_that_prometheus_can_read) {
    Node node{
        {.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}), .shard_count = 2}};
    Metrics metrics{Endpoint::from_text("127.0.0.1:0"), node};
    node.start();
    const auto client = RawClient::connected(node.endpoints().front().port, "client");

    const std::string answer = http_get(metrics.endpoint().port, "/metrics");
    ASSERT_EQ(answer.substr(0, 12), "HTTP/1.1 200");
    std::istringstream page{answer.substr(answer.find("\r\n\r\n") + 4)};
    const std::regex sample{R"re(([a-z_]+)(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? (\S+))re"};
    std::map<std::string, std::string> type_of;
    std::map<std::string, double> sum_of;
    std::set<std::string> series;
    for (std::string line; std::getline(page, line);) {
        std::istringstream words{line};
        std::string hash, keyword, name, type;
        words >> hash >> keyword >> name >> type;
        if (line.starts_with("# TYPE ")) {
            EXPECT_TRUE(type_of.emplace(name, type).second) << "twice: " << line;
        }
        if (line.starts_with('#') || line.starts_with("exposer_")) continue;  // the server's own
        std::smatch match;
        ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
        EXPECT_TRUE(series.insert(match[1].str() + match[2].str()).second) << "twice: " << line;
        sum_of[match[1]] += std::stod(match[4]);
    }
    for (const auto& [name, type] : type_of) {
        EXPECT_EQ(type == "counter", name.ends_with("_total")) << name;
    }
    EXPECT_EQ(sum_of["touchstone_clients_accepted_total"], 1);
    EXPECT_EQ(sum_of["touchstone_sessions"], 1);
    EXPECT_EQ(sum_of["touchstone_shard_answers"], 2);
    EXPECT_EQ(sum_of["touchstone_build_info"], 1);
    EXPECT_GT(sum_of["process_start_time_seconds"], 1.6e9);
    EXPECT_GT(sum_of["process_resident_memory_bytes"], 0);
}

TEST(metrics, tell_about_the_data_directory) {
    const Folder folder;
    Node node{{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
               .store = StoreOptions{.directory = folder / "data"}}};
    Metrics metrics{Endpoint::from_text("127.0.0.1:0"), node};
    node.start();
    const std::string page = http_get(metrics.endpoint().port, "/metrics");
    for (const char* line :
         {"touchstone_storage_batches_total{outcome=\"full\"} 0\n",
          "touchstone_storage_refusing 0\n",
          "touchstone_storage_written_bytes_total{kind=\"flush\"} 0\n",
          "touchstone_storage_bad_records_total 0\n", "touchstone_storage_damaged_parts_total 0\n",
          "touchstone_storage_sync_seconds_count ",
          "touchstone_storage_sync_seconds_bucket{le=\"+Inf\"} "}) {
        EXPECT_NE(page.find(line), std::string::npos) << line << page;
    }
}

TEST(metrics, do_without_the_figures_of_a_shard_that_does_not_answer) {
    // It was never started.
    Node node{{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")})}};
    const Metrics metrics{Endpoint::from_text("127.0.0.1:0"), node};
    const std::string answer = http_get(metrics.endpoint().port, "/metrics");
    EXPECT_NE(answer.find("touchstone_shard_answers{shard=\"0\"} 0"), std::string::npos);
    EXPECT_EQ(answer.find("touchstone_sessions"), std::string::npos);
    EXPECT_NE(answer.find("process_start_time_seconds"), std::string::npos);
}

}  // namespace

}  // namespace touchstone::asio_driver
