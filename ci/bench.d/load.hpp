// Load: MQTT 3.1.1 clients by the thousand in one thread, cheaper per message than any broker, so
// that the broker is what is measured. It knows as much of MQTT as the workloads need, and trusts
// the broker's bytes no further than their framing. Throws std::runtime_error for what makes a run
// impossible; what makes it invalid is counted.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ci/bench.d/measure.hpp"

struct epoll_event;

namespace touchstone::bench {

struct Workload {
    std::uint16_t port = 1883;  // of 127.0.0.1
    /// In all Client Identifiers and Topic Names, so that two loads do not meet.
    std::string name;
    unsigned idle_clients = 0;
    unsigned publishers = 0;
    unsigned subscribers = 0;
    /// Publisher p publishes to bench/{name}(p mod topics)/t, subscriber s subscribes to bench/(s
    /// mod topics)/t; 0: as many as publishers. Unused with a filter.
    unsigned topics = 0;
    unsigned qos = 0;
    unsigned payload_bytes = 16;  // at least 16
    /// Closed loop: messages in flight per publisher.
    unsigned window = 20;
    /// Open loop: messages per second of all publishers; 0: closed loop.
    unsigned rate = 0;
    unsigned connects_in_flight = 64;
    /// Each subscriber has that many subscriptions of its own: to `filter`, where {} is a number
    /// below subscribers * subscriptions, {high} that number / 1000, and {low} its rest. A message
    /// goes to `topic` with a number drawn at random.
    unsigned subscriptions = 1;
    std::string filter;
    std::string topic;
    /// First of the random numbers.
    std::uint64_t seed = 1;
};

/// What happened so far.
struct LoadCounts {
    std::uint64_t connected = 0;
    std::uint64_t connects_failed = 0;
    std::uint64_t closed_by_broker = 0;
    std::uint64_t subscribed = 0;
    std::uint64_t subscriptions_refused = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t received = 0;
    std::uint64_t out_of_order = 0;
    std::uint64_t unexpected_packets = 0;
};

class Load {
public:
    explicit Load(const Workload& workload);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    /// Opens all connections and waits for their CONNACKs.
    void connect();
    /// Subscribes, and waits for all SUBACKs.
    void subscribe();
    void publish_for(std::int64_t time_ns);
    /// Publishes no more, and waits until everything has arrived and is acknowledged, at most
    /// `time_ns_max`.
    void drain(std::int64_t time_ns_max);
    void idle_for(std::int64_t time_ns);
    /// CONNECT, CONNACK, DISCONNECT, again and again, in the idle clients' places.
    void churn_for(std::int64_t time_ns);
    void disconnect();

    /// Latency counts for the messages stamped from now on, and until stop_latency.
    void start_latency() { latency_from_ns_ = now_ns(); }
    void stop_latency() { latency_until_ns_ = now_ns(); }

    [[nodiscard]] const LoadCounts& counts() const { return counts_; }
    [[nodiscard]] const Histogram& latency() const { return latency_; }
    /// Messages that should have been received by now.
    [[nodiscard]] std::uint64_t expected() const { return counts_.sent * fan_; }

private:
    struct Client;
    enum class Doing : std::uint8_t { waiting, connecting, publishing, churning };

    template <class Until>
    void run(Doing doing, Until until);
    void turn();
    void on_ready(Client& client, std::uint32_t events);
    void start_connect(Client& client);
    void connect_more();
    void send_connect(Client& client);
    void send_subscribes(Client& client);
    void read(Client& client);
    /// False when the connection is gone.
    bool on_packet(Client& client, std::uint8_t first_byte, std::string_view body);
    bool on_connack(Client& client, std::string_view body);
    void on_publish(Client& client, std::uint8_t first_byte, std::string_view body);
    void on_suback(Client& client, std::string_view body);
    void on_acknowledged(Client& client);
    void write(Client& client, std::string_view bytes);
    void write_rest(Client& client);
    void wait_writable(Client& client, bool wanted);
    void lose(Client& client);
    void end(Client& client);
    void mark(Client& client);
    void publish(Client& client);
    void publish_due();
    void put_publish(Client& client, std::int64_t stamp_ns);
    [[nodiscard]] std::uint64_t room(const Client& client) const;
    [[nodiscard]] std::string topic_of(unsigned client_number) const;
    [[nodiscard]] std::int64_t time_to_wait_ns() const;
    std::uint64_t draw();

    Workload workload_;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<Client*> publishers_;
    std::vector<Client*> subscribers_;
    std::vector<Client*> marked_;  // may have room to publish
    std::vector<Client*> marked_before_;
    std::vector<epoll_event> events_;
    std::vector<char> input_;
    std::string output_;                        // answers to one read
    std::string batch_;                         // one publisher's messages
    std::string topic_;                         // of a message with a drawn topic
    std::vector<std::uint32_t> next_sequence_;  // by subscriber and publisher
    std::uint64_t fan_ = 0;                     // receivers of each message
    std::size_t next_to_connect_ = 0;
    unsigned connecting_ = 0;
    std::size_t next_publisher_ = 0;
    double due_ns_ = 0;
    std::int64_t turn_ns_ = 0;  // the time as of the last look
    std::int64_t latency_from_ns_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t latency_until_ns_ = std::numeric_limits<std::int64_t>::max();
    std::uint64_t random_;
    Doing doing_ = Doing::waiting;
    Histogram latency_;
    LoadCounts counts_;
};

}  // namespace touchstone::bench
