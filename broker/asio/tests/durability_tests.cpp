// A node with a data directory: what it has acknowledged outlives its process, however that ends,
// and what cannot be stored is not acknowledged.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "broker/asio/clock.hpp"
#include "broker/asio/tests/broker_command.hpp"
#include "broker/asio/tests/folder.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/base/exit_code.hpp"
#include "broker/rocksdb/tests/faulty_files.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::asio_driver {

namespace {

using rocksdb_driver::FaultyFiles;

/// A CONNECT of MQTT 3.1.1 with Clean Session 0.
Buffer connect_lasting(std::string_view client_id) {
    return packet::with_fixed_header(0x10, packet::text("MQTT") + bytes_of({4, 0, 0, 0}) +
                                               packet::text(client_id));
}
Buffer session_present() {
    return bytes_of({0x20, 2, 1, 0});
}

/// A broker in a process of its own. Before this process has other threads.
class BrokerProcess {
public:
    BrokerProcess(const Folder& folder, const std::string& tables) {
        const Folder::Watch watch{folder};
        process_ = fork();
        if (process_ == 0) {
            _exit(run({"--listen", "127.0.0.1:0", "--shards", "2", "--data", folder / "data",
                       "--set", "node.descriptor_tables=" + tables, "--port-file", folder / "port",
                       "--log-level", "off"}));
        }
        EXPECT_TRUE(watch.wait());
        std::string line;
        std::ifstream file{folder / "port"};
        std::getline(file, line);
        port_ = Endpoint::from_text(line).port;
    }
    ~BrokerProcess() { end(SIGKILL); }
    BrokerProcess(const BrokerProcess&) = delete;
    BrokerProcess& operator=(const BrokerProcess&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Returns how it has ended, as waitpid does.
    int end(int signal) {
        if (process_ <= 0) return 0;
        ::kill(process_, signal);
        int status = 0;
        waitpid(process_, &status, 0);
        process_ = 0;
        return status;
    }

private:
    pid_t process_ = 0;
    std::uint16_t port_ = 0;
};

TEST(data_directory, keeps_what_was_acknowledged_when_the_process_is_killed) {
    for (const std::string tables : {"shared", "per_shard"}) {
        const Folder folder;
        constexpr unsigned clients = 4;  // of either shard
        {
            BrokerProcess broker{folder, tables};
            for (unsigned i = 0; i < clients; ++i) {
                RawClient client{broker.port()};
                client.send(connect_lasting("client-" + std::to_string(i)));
                client.expect(packet::connack());
                client.send(packet::subscribe("kept/#", 1));
                client.expect(packet::suback(1));
                client.send(packet::disconnect());
                client.receive_to_end();
            }
            auto publisher = RawClient::connected(broker.port(), "publisher");
            for (unsigned id = 1; id <= 3; ++id) {
                publisher.send(packet::publish_qos_1("kept/here", "x", id));
                publisher.expect(packet::puback(id));
            }
            EXPECT_TRUE(WIFSIGNALED(broker.end(SIGKILL)));
        }
        BrokerProcess broker{folder, tables};
        for (unsigned i = 0; i < clients; ++i) {
            RawClient client{broker.port()};
            client.send(connect_lasting("client-" + std::to_string(i)));
            client.expect(session_present());
            for (unsigned id = 1; id <= 3; ++id) {
                client.expect(packet::publish_qos_1("kept/here", "x", id));
                client.send(packet::puback(id));
            }
        }
        const int status = broker.end(SIGTERM);
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), to_int(ExitCode::as_expected));
    }
}

TEST(data_directory, is_refused_to_a_second_broker) {
    const Folder folder;
    const RunningNode first{
        Node::Options{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
                      .store = StoreOptions{.directory = folder / "data"}}};
    const auto refusal = refusal_of({"--listen", "127.0.0.1:0", "--data", folder / "data"});
    EXPECT_EQ(refusal.exit_code, to_int(ExitCode::usage_error));
    EXPECT_NE(refusal.text.find("is in use by another process"), std::string::npos) << refusal.text;
    EXPECT_EQ(std::ranges::count(refusal.text, '\n'), 1) << refusal.text;
}

/// A node whose disk does what the test says.
class node_with_a_disk : public testing::TestWithParam<unsigned> {
protected:
    [[nodiscard]] Node::Options options() {
        return {.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
                .shard_count = GetParam(),
                .store =
                    StoreOptions{.directory = folder / "data", .environment = environment.get()}};
    }
    /// Publishes a Retained Message; whether it was acknowledged.
    static bool is_acknowledged(std::uint16_t port) {
        auto publisher = RawClient::connected(port, "publisher");
        Buffer publish = packet::publish_qos_1("retained", "x", 1);
        publish[0] |= std::byte{1};
        publisher.send(publish);
        try {
            publisher.expect(packet::puback(1));
        } catch (const std::runtime_error&) {
            return false;  // the connection was closed
        }
        return true;
    }

    const Folder folder;
    const std::shared_ptr<FaultyFiles> files = std::make_shared<FaultyFiles>();
    const std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(files);
};
INSTANTIATE_TEST_SUITE_P(shards, node_with_a_disk, testing::Values(1U, 2U));

TEST_P(node_with_a_disk, acknowledges_nothing_that_a_full_disk_refuses_and_serves_the_rest) {
    for (const auto fault : {FaultyFiles::Fault::no_space, FaultyFiles::Fault::no_sync}) {
        RunningNode node{options()};
        EXPECT_TRUE(is_acknowledged(node.port()));
        auto subscriber = RawClient::subscribed(node.port(), "subscriber", "live");
        files->set(fault);
        EXPECT_FALSE(is_acknowledged(node.port()));
        EXPECT_TRUE(node.node().store_figures()->is_refusing);
        auto publisher = RawClient::connected(node.port(), "other");
        publisher.send(packet::publish_qos_1("live", "x", 7));
        publisher.expect(packet::puback(7));
        subscriber.expect(packet::publish("live", "x"));
        files->set(FaultyFiles::Fault::none);
        // It tries again by itself.
        node.await([&] { return !node.node().store_figures()->is_refusing; });
        node.await([&] { return is_acknowledged(node.port()); });
    }
}

/// Holds every sync while it is on.
class SlowSyncs {
public:
    explicit SlowSyncs(FaultyFiles& files) {
        files.before_sync = [this] {
            if (!is_on_) return;
            ++held_;
            is_on_.wait(true);
        };
    }
    ~SlowSyncs() { set(false); }
    SlowSyncs(const SlowSyncs&) = delete;
    SlowSyncs& operator=(const SlowSyncs&) = delete;
    void set(bool is_on) {
        is_on_ = is_on;
        is_on_.notify_all();
    }
    [[nodiscard]] unsigned held() const { return held_; }

private:
    std::atomic<bool> is_on_{false};
    std::atomic<unsigned> held_{0};
};

TEST_P(node_with_a_disk, serves_who_needs_none_while_a_sync_takes_its_time) {
    std::optional<RunningNode> node;
    SlowSyncs syncs{*files};
    node.emplace(options());
    EXPECT_TRUE(is_acknowledged(node->port()));
    auto subscriber = RawClient::subscribed(node->port(), "subscriber", "live");
    auto waiting = RawClient::connected(node->port(), "waiting");
    auto publisher = RawClient::connected(node->port(), "other");
    syncs.set(true);
    const auto batches = node->node().store_figures()->batches;
    Buffer retained = packet::publish_qos_1("retained", "y", 1);
    retained[0] |= std::byte{1};
    waiting.send(retained);
    node->await([&] { return syncs.held() != 0; });
    for (int i = 0; i < 100; ++i) {
        publisher.send(packet::publish_qos_1("live", "x", 7));
        publisher.expect(packet::puback(7));
        subscriber.expect(packet::publish("live", "x"));
    }
    // All that time nothing was called stored, and so nothing that needs it acknowledged.
    EXPECT_EQ(node->node().store_figures()->batches, batches);
    syncs.set(false);
    waiting.expect(packet::puback(1));
    EXPECT_GT(node->node().store_figures()->batches, batches);
}

TEST_P(node_with_a_disk, starts_with_an_alarm_when_its_layout_is_lost) {
    {
        RunningNode node{options()};
        EXPECT_TRUE(is_acknowledged(node.port()));
        node.stop();
        node.await_stopped();
    }
    std::ofstream{folder / "data/layout"} << "touchstone data\nformat 1\nsha";
    RunningNode node{options()};
    EXPECT_EQ(node.node().store_figures()->damaged_parts, 1U);
    EXPECT_TRUE(std::filesystem::exists(folder / "data/layout-1.bad"));
    auto subscriber = RawClient::connected(node.port(), "subscriber");
    subscriber.send(packet::subscribe("retained"));
    subscriber.expect(packet::suback());
    Buffer kept = packet::publish("retained", "x");
    kept[0] |= std::byte{1};
    subscriber.expect(kept);
}

TEST_P(node_with_a_disk, starts_with_an_alarm_when_its_files_are_damaged) {
    {
        RunningNode node{options()};
        EXPECT_TRUE(is_acknowledged(node.port()));
        node.stop();
        node.await_stopped();
    }
    for (const auto& file : std::filesystem::directory_iterator{folder / "data/records"}) {
        if (file.path().extension() != ".log" || file.file_size() == 0) continue;
        std::fstream log{file.path(), std::ios::in | std::ios::out | std::ios::binary};
        log.seekp(static_cast<std::streamoff>(file.file_size() / 2));
        log.write("damage", 6);
    }
    RunningNode node{options()};
    EXPECT_EQ(node.node().store_figures()->damaged_parts, 1U);
    EXPECT_TRUE(is_acknowledged(node.port()));
}

TEST_P(node_with_a_disk, sets_aside_a_record_that_is_none) {
    {
        rocksdb_driver::DataDirectory directory{folder / "data"};
        directory.set_layout({.shard_count = GetParam()});
        rocksdb_driver::Database database{directory};
        rocksdb_driver::Store store{database,
                                    {.shard_count = GetParam(), .on_outcome = [](auto...) {}}};
        store.port(0).put("s/rotten", as_bytes("not a record"));
        store.port(0).commit(1);
    }
    for (const unsigned bad : {1U, 0U}) {
        RunningNode node{options()};
        EXPECT_EQ(node.node().store_figures()->bad_records, bad);
        EXPECT_TRUE(is_acknowledged(node.port()));
    }
}

TEST_P(node_with_a_disk, counts_on_while_no_process_runs) {
    const auto put_session = [&](rocksdb_driver::Store& store, const std::string& client_id,
                                 storage::Number number, Duration ends_in) {
        const auto shard = owner_of(client_id, GetParam()).raw();
        const storage::SessionRecord session{.client_id = client_id,
                                             .number = number,
                                             .is_durable = true,
                                             .session_expiry_s = 3'600,
                                             .ends_at = read_wall_clock() + ends_in};
        const auto key = storage::key_of(session);
        store.port(shard).put(key, storage::encode(key, session, Duration{}));
    };
    {
        rocksdb_driver::DataDirectory directory{folder / "data"};
        directory.set_layout({.shard_count = GetParam()});
        rocksdb_driver::Database database{directory};
        rocksdb_driver::Store store{database,
                                    {.shard_count = GetParam(), .on_outcome = [](auto...) {}}};
        put_session(store, "over", 1, -std::chrono::seconds{1});
        put_session(store, "lasting", 2, std::chrono::hours{1});
        for (unsigned shard = 0; shard < GetParam(); ++shard) store.port(shard).commit(1);
    }
    RunningNode node{options()};
    RawClient over{node.port()};
    over.send(connect_lasting("over"));
    over.expect(packet::connack());
    RawClient lasting{node.port()};
    lasting.send(connect_lasting("lasting"));
    lasting.expect(session_present());
}

TEST_P(node_with_a_disk, has_stored_all_when_it_has_stopped) {
    {
        RunningNode node{options()};
        RawClient client{node.port()};
        client.send(connect_lasting("lasting") + packet::subscribe("a", 1));
        client.expect(packet::connack() + packet::suback(1));
        client.send(packet::disconnect());
        client.receive_to_end();
        node.stop();
        node.await_stopped();
    }
    RunningNode node{options()};
    RawClient client{node.port()};
    client.send(connect_lasting("lasting"));
    client.expect(session_present());
    client.send(packet::publish_qos_1("a", "x", 1));
    client.expect(packet::publish_qos_1("a", "x", 1) + packet::puback(1));
}

}  // namespace

}  // namespace touchstone::asio_driver
