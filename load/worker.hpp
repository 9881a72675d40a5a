// One thread of the generator: its share of the clients, on one epoll. A turn of its loop does what
// is due by the clock, writes once per connection, waits until something is due or can be read, and
// reads. Decides nothing about the run: when publishing begins and ends is read from Shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/wire/packets.hpp"
#include "load/arrivals.hpp"
#include "load/client.hpp"
#include "load/payload.hpp"
#include "load/process.hpp"
#include "load/shared.hpp"
#include "load/timers.hpp"

namespace touchstone::load {

class Worker {
public:
    Worker(Shared& shared, unsigned index);

    /// The thread: until Shared::is_closing, and all connections are closed.
    void run();

    // What it leaves, once run() has returned.
    [[nodiscard]] const std::vector<Counts>& groups() const { return counts_; }
    [[nodiscard]] const Times& times() const { return times_; }
    [[nodiscard]] const ThreadUse& use() const { return use_; }
    [[nodiscard]] const std::vector<Client>& clients() const { return clients_; }
    [[nodiscard]] OnceLog& once() { return once_; }
    [[nodiscard]] std::uint64_t unsent() const { return unsent_; }
    [[nodiscard]] std::uint64_t unacknowledged() const { return unacknowledged_; }
    [[nodiscard]] bool has_no_table() const { return has_no_table_; }

private:
    // worker.cpp: the loop
    void make_clients();
    void give_all_up();
    void turn();
    void do_what_is_due();
    void on_timer(const Timer& timer);
    void wait();
    void close_intervals();
    void note_use();
    void tell_progress();
    [[nodiscard]] Nanos next_instant() const;
    void end();
    void set_state(Client& client, State state);
    void put(Nanos at, std::uint32_t index, Due what) {
        timers_.put(
            {.at = at, .client = index, .what = what, .connection = clients_[index].connection});
    }
    [[nodiscard]] std::uint32_t index_of(const Client& client) const {
        return static_cast<std::uint32_t>(&client - clients_.data());
    }
    [[nodiscard]] const Group& group_of(const Client& client) const {
        return plan_.group(client.group);
    }
    [[nodiscard]] std::uint32_t number_over_all(const Client& client) const {
        return plan_.client(client.group, client.number);
    }
    void count(const Client& client, Count what, std::uint64_t amount = 1) {
        counts_[client.group][what] += amount;
    }
    [[nodiscard]] bool is_in_window(Nanos at) const {
        return at >= window_from_ && at < window_to_;
    }
    Talk& talk_of(Client& client) {
        if (!client.talk) client.talk = std::make_unique<Talk>();
        return *client.talk;
    }

    // worker_connection.cpp: sockets
    void connect_eagerly();
    void connect(Client& client, Nanos due);
    void on_socket(Client& client, unsigned events);
    void on_connected(Client& client);
    void shake_hands(Client& client);
    void begin_web(Client& client);
    void send_connect(Client& client);
    /// What came for a WebSocket; `size` is then that of the packets in it. False: it is over.
    bool take_frames(Client& client, std::span<std::byte> bytes, std::size_t& size);
    void read(Client& client);
    bool take_packets(Client& client, Bytes bytes);
    void write(Client& client, Bytes bytes);
    void mark_dirty(Client& client);
    void flush(Client& client);
    void flush_dirty();
    /// Ends the connection; `why` counts, `words` are for the report unless empty.
    void lose(Client& client, Count why, const std::string& words);
    void leave(Client& client);
    void close_socket(Client& client);
    void try_again(Client& client);

    // worker_packets.cpp: what the target sends
    void on_packet(Client& client, const wire::Frame& frame);
    void on_connack(Client& client, const wire::Connack& connack);
    void subscribe(Client& client);
    void on_suback(Client& client, const wire::SubscribeAck& suback);
    void become_ready(Client& client);
    void on_publish(Client& client, const wire::Publish& publish);
    void note_delivery(Client& client, const Stamp& stamp);
    void on_ping_due(Client& client);

    // worker_publishing.cpp: what is sent
    void begin_publishing();
    void offer_stream(std::uint32_t group);
    void offer(Client& client, Nanos due);
    void send_or_wait(Client& client, const Waiting& message);
    [[nodiscard]] bool has_room(const Client& client) const;
    void send_message(Client& client, const Waiting& message);
    void encode_message(Client& client, const Unacknowledged& message, bool is_repeated);
    void send_waiting(Client& client);
    void fill_loop(Client& client);
    void resend(Client& client);
    void on_acknowledgement(Client& client, wire::PacketType type, const wire::Ack& ack);
    void take_credits();
    void post_credits();
    void add_credit(Client& client);
    void schedule_publication(Client& client, Nanos after);
    void abandon(Client& client);
    void clear_retained(Client& client);

    struct Stream {
        std::optional<Arrivals> arrivals;
        std::optional<Draws> chooser;
        std::vector<std::uint32_t> publishers;  // clients of this thread
        std::size_t next = 0;
    };

    Shared& shared_;
    const Plan& plan_;
    const Workload& workload_;
    unsigned index_;
    Progress& progress_;
    bool has_no_table_ = false;

    Handle epoll_;
    Nanos now_ = 0;
    Nanos window_from_ = no_time;
    Nanos window_to_ = no_time;
    bool is_publishing_ = false;
    std::vector<Client> clients_;
    std::vector<std::uint32_t> first_of_group_;
    Timers timers_;
    std::vector<std::uint32_t> eager_;  // to connect as fast as it goes; the last one first
    std::uint32_t connecting_ = 0;
    std::uint64_t connected_ = 0;
    std::uint64_t ready_ = 0;
    std::uint64_t given_up_ = 0;
    std::uint64_t owed_ = 0;
    std::uint64_t arrived_ = 0;
    std::uint64_t open_ = 0;
    std::vector<Stream> streams_;  // by group
    std::vector<std::uint32_t> dirty_;
    std::vector<std::vector<std::uint32_t>> credits_to_post_;  // by thread
    std::vector<std::uint32_t> credits_taken_;
    Draws backoff_;
    Draws receivers_;
    Draws sizes_;
    Draws masks_;
    TlsTicket ticket_;
    Buffer received_;
    Buffer packet_;
    Buffer filler_;  // what payloads are made of

    std::vector<Counts> counts_;  // by group
    Counts reported_;             // of all groups, at the end of the last interval
    Times times_;                 // of the whole run, or of what was due in the window
    Times interval_times_;
    std::size_t interval_ = 0;  // the one that is not over
    OnceLog once_;
    std::uint64_t unsent_ = 0;
    std::uint64_t unacknowledged_ = 0;
    std::optional<ThreadClock> clock_at_window_;
    Nanos clock_read_at_ = 0;
    bool is_use_noted_ = false;
    ThreadUse use_;
    bool has_worked_ = false;  // in this turn
    Nanos idle_ = 0;           // awake with nothing to do, since the window began
};

}  // namespace touchstone::load
