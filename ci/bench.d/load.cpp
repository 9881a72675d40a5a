#include "ci/bench.d/load.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace touchstone::bench {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
// Nothing of what is waited for takes longer on a working broker: 10^6 subscriptions take seconds.
constexpr std::int64_t patience_ns = 240 * second_ns;
constexpr std::int64_t longest_wait_ns = 2'000'000;
constexpr std::size_t input_bytes = 256 * 1024;
constexpr std::size_t batch_bytes_max = 256 * 1024;
constexpr unsigned filters_per_subscribe = 100;
constexpr unsigned subscribes_in_flight = 4;
// Longer than any run, as nobody sends PINGREQ; not 0, so that the broker has a deadline to keep.
constexpr std::uint16_t keep_alive_s = 600;
// Time stamp, publisher and sequence number.
constexpr unsigned payload_bytes_min = 16;
// Beyond that many pairs of subscriber and publisher their order is not watched.
constexpr std::uint64_t ordered_pairs_max = 16'000'000;

constexpr std::uint8_t connack = 0x2, puback = 0x4, pubrec = 0x5, pubrel = 0x6, pubcomp = 0x7;
constexpr std::uint8_t publish_type = 0x3, suback = 0x9;
constexpr std::string_view disconnect_packet{"\xe0\x00", 2};

void put_u16(std::string& bytes, unsigned value) {
    bytes.push_back(static_cast<char>(value >> 8U));
    bytes.push_back(static_cast<char>(value));
}

void put_text(std::string& bytes, std::string_view text) {
    put_u16(bytes, static_cast<unsigned>(text.size()));
    bytes.append(text);
}

void put_remaining_length(std::string& bytes, std::size_t length) {
    for (; length >= 128; length >>= 7U) bytes.push_back(static_cast<char>(length | 128U));
    bytes.push_back(static_cast<char>(length));
}

unsigned u8_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

unsigned u16_at(std::string_view bytes, std::size_t at) {
    return u8_at(bytes, at) << 8U | u8_at(bytes, at + 1);
}

template <class Number>
void put_raw(char* at, Number value) {
    std::memcpy(at, &value, sizeof value);
}

template <class Number>
Number raw_at(std::string_view bytes, std::size_t at) {
    Number value{};
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

/// Puts the number into a Workload's filter or topic.
void put_numbered(std::string& text, std::string_view pattern, std::uint64_t number) {
    while (!pattern.empty()) {
        const auto open = pattern.find('{');
        text.append(pattern.substr(0, open));
        if (open == std::string_view::npos) return;
        const auto close = pattern.find('}', open);
        const auto name = pattern.substr(open, close - open);
        const auto shown = name == "{high"  ? number / 1000
                           : name == "{low" ? number % 1000
                                            : number;
        text.append(fmt::format_int{shown}.c_str());
        pattern.remove_prefix(close + 1);
    }
}

void check_pattern(std::string_view pattern) {
    for (auto at = pattern.find('{'); at != std::string_view::npos;
         at = pattern.find('{', at + 1)) {
        const auto name = pattern.substr(at, pattern.find('}', at) - at);
        if (name == "{" || name == "{high" || name == "{low") continue;
        throw std::runtime_error{
            fmt::format("'{}': only {{}}, {{high}} and {{low}} can stand in braces", pattern)};
    }
}

}  // namespace

struct Load::Client {
    enum class Role : std::uint8_t { idle, publisher, subscriber };
    enum class State : std::uint8_t { closed, connecting, awaiting_connack, connected };

    Role role = Role::idle;
    State state = State::closed;
    unsigned number = 0;  // among those of its role
    int descriptor = -1;
    bool waits_writable = false;
    bool is_marked = false;
    std::uint16_t last_packet_id = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t delivered = 0;  // of its messages, to all receivers
    std::uint64_t filters_sent = 0;
    unsigned subscribes_unanswered = 0;
    std::string client_id;
    std::string topic;  // with its length in front; empty: drawn for each message
    std::string unread;
    std::string unwritten;
    std::size_t written_bytes = 0;  // of `unwritten`
};

Load::Load(const Workload& workload)
    : workload_{workload},
      random_{workload.seed * 0x9E37'79B9'7F4A'7C15U | 1U} {
    if (workload_.topics == 0) workload_.topics = std::max(workload_.publishers, 1U);
    if (workload_.payload_bytes < payload_bytes_min) {
        throw std::runtime_error{fmt::format("a payload has at least {} bytes", payload_bytes_min)};
    }
    if (workload_.filter.empty() != workload_.topic.empty()) {
        throw std::runtime_error{"a filter needs a topic, and a topic a filter"};
    }
    check_pattern(workload_.filter);
    check_pattern(workload_.topic);
    if (workload_.filter.empty() && workload_.subscribers % workload_.topics != 0) {
        throw std::runtime_error{fmt::format("{} subscribers do not spread evenly over {} topics",
                                             workload_.subscribers, workload_.topics)};
    }
    fan_ = workload_.filter.empty() ? workload_.subscribers / workload_.topics : 1;
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    events_.resize(1024);
    input_.resize(input_bytes);

    const auto add = [this](Client::Role role, unsigned number, std::string_view prefix) {
        auto client = std::make_unique<Client>();
        client->role = role;
        client->number = number;
        client->client_id = fmt::format("{}{}{}", workload_.name, prefix, number);
        clients_.push_back(std::move(client));
        return clients_.back().get();
    };
    for (unsigned number = 0; number < workload_.subscribers; ++number) {
        subscribers_.push_back(add(Client::Role::subscriber, number, "subscriber"));
    }
    for (unsigned number = 0; number < workload_.publishers; ++number) {
        auto* const client = add(Client::Role::publisher, number, "publisher");
        publishers_.push_back(client);
        if (workload_.filter.empty()) {
            put_text(client->topic, topic_of(number));
        }
    }
    for (unsigned number = 0; number < workload_.idle_clients; ++number) {
        add(Client::Role::idle, number, "idle");
    }
    const auto pairs = std::uint64_t{workload_.subscribers} * workload_.publishers;
    if (pairs <= ordered_pairs_max) next_sequence_.resize(pairs);
}

Load::~Load() {
    for (const auto& client : clients_) end(*client);
    close(epoll_);
}

// --- What a run is made of -----------------------------------------------------------------------

void Load::connect() {
    const auto deadline_ns = now_ns() + patience_ns;
    run(Doing::connecting, [&] {
        return counts_.connected + counts_.connects_failed >= clients_.size() ||
               turn_ns_ > deadline_ns;
    });
    if (counts_.connected < clients_.size()) {
        throw std::runtime_error{
            fmt::format("only {} of {} clients could connect to 127.0.0.1:{}; see `ulimit -n`",
                        counts_.connected, clients_.size(), workload_.port)};
    }
}

void Load::subscribe() {
    const auto wanted = std::uint64_t{workload_.subscribers} * workload_.subscriptions;
    const auto deadline_ns = now_ns() + patience_ns;
    for (auto* const client : subscribers_) send_subscribes(*client);
    run(Doing::waiting, [&] {
        return counts_.subscribed + counts_.subscriptions_refused >= wanted ||
               turn_ns_ > deadline_ns;
    });
    if (counts_.subscribed < wanted) {
        throw std::runtime_error{
            fmt::format("only {} of {} subscriptions were granted", counts_.subscribed, wanted)};
    }
}

void Load::publish_for(std::int64_t time_ns) {
    const auto until_ns = now_ns() + time_ns;
    for (auto* const client : publishers_) mark(*client);
    run(Doing::publishing, [&] { return turn_ns_ >= until_ns; });
}

void Load::drain(std::int64_t time_ns_max) {
    const auto deadline_ns = now_ns() + time_ns_max;
    run(Doing::waiting, [&] {
        return (counts_.received >= expected() &&
                (workload_.qos == 0 || counts_.acknowledged >= counts_.sent)) ||
               turn_ns_ > deadline_ns;
    });
}

void Load::idle_for(std::int64_t time_ns) {
    const auto until_ns = now_ns() + time_ns;
    run(Doing::waiting, [&] { return turn_ns_ >= until_ns; });
}

void Load::churn_for(std::int64_t time_ns) {
    const auto until_ns = now_ns() + time_ns;
    run(Doing::churning, [&] { return turn_ns_ >= until_ns; });
}

void Load::disconnect() {
    for (const auto& client : clients_) {
        if (client->state == Client::State::connected) write(*client, disconnect_packet);
        end(*client);
    }
}

// --- One turn of the loop ------------------------------------------------------------------------

template <class Until>
void Load::run(Doing doing, Until until) {
    doing_ = doing;
    due_ns_ = 0;
    turn_ns_ = now_ns();
    while (!until()) turn();
    doing_ = Doing::waiting;
}

void Load::turn() {
    if (doing_ == Doing::connecting || doing_ == Doing::churning) connect_more();
    if (doing_ == Doing::publishing && workload_.rate > 0) publish_due();
    std::swap(marked_, marked_before_);
    for (auto* const client : marked_before_) {
        client->is_marked = false;
        if (doing_ == Doing::publishing && workload_.rate == 0) publish(*client);
    }
    marked_before_.clear();

    const auto wait_ns = time_to_wait_ns();
    const timespec wait{.tv_sec = 0, .tv_nsec = wait_ns};
    const int ready =
        epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &wait, nullptr);
    turn_ns_ = now_ns();
    for (int index = 0; index < ready; ++index) {
        const auto& event = events_[static_cast<std::size_t>(index)];
        on_ready(*static_cast<Client*>(event.data.ptr), event.events);
    }
}

std::int64_t Load::time_to_wait_ns() const {
    if (!marked_.empty()) return 0;
    if (doing_ != Doing::publishing || workload_.rate == 0) return longest_wait_ns;
    return std::clamp(static_cast<std::int64_t>(due_ns_) - now_ns(), std::int64_t{0},
                      longest_wait_ns);
}

void Load::on_ready(Client& client, std::uint32_t events) {
    if (client.descriptor < 0) return;
    if (client.state == Client::State::connecting) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) return lose(client);
        if ((events & EPOLLOUT) != 0) send_connect(client);
        return;
    }
    if ((events & EPOLLOUT) != 0) write_rest(client);
    if (client.descriptor >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        // Latency of a message is not to include the time spent on those before it.
        if (workload_.rate > 0) turn_ns_ = now_ns();
        read(client);
    }
}

// --- Connections ---------------------------------------------------------------------------------

void Load::connect_more() {
    if (doing_ == Doing::connecting) {
        while (next_to_connect_ < clients_.size() && connecting_ < workload_.connects_in_flight) {
            start_connect(*clients_[next_to_connect_++]);
        }
        return;
    }
    for (const auto& client : clients_) {
        if (connecting_ >= workload_.connects_in_flight) return;
        if (client->state == Client::State::closed) start_connect(*client);
    }
}

void Load::start_connect(Client& client) {
    client.state = Client::State::connecting;
    ++connecting_;
    client.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client.descriptor < 0) return lose(client);
    const int yes = 1;
    setsockopt(client.descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(workload_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0 &&
        errno != EINPROGRESS) {
        return lose(client);
    }
    client.waits_writable = true;
    epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.ptr = &client}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, client.descriptor, &event);
}

void Load::send_connect(Client& client) {
    std::string body;
    put_text(body, "MQTT");
    body.push_back(4);  // MQTT 3.1.1
    body.push_back(2);  // Clean Session
    put_u16(body, keep_alive_s);
    put_text(body, client.client_id);
    std::string packet{"\x10"};
    put_remaining_length(packet, body.size());
    packet += body;
    client.state = Client::State::awaiting_connack;
    wait_writable(client, false);
    write(client, packet);
}

void Load::send_subscribes(Client& client) {
    std::string body;
    while (client.filters_sent < workload_.subscriptions &&
           client.subscribes_unanswered < subscribes_in_flight && client.descriptor >= 0) {
        body.clear();
        if (++client.last_packet_id == 0) client.last_packet_id = 1;
        put_u16(body, client.last_packet_id);
        for (unsigned filters = 0;
             filters < filters_per_subscribe && client.filters_sent < workload_.subscriptions;
             ++filters, ++client.filters_sent) {
            topic_.clear();
            if (workload_.filter.empty()) {
                topic_ = topic_of(client.number);
            } else {
                put_numbered(topic_, workload_.filter,
                             std::uint64_t{client.number} * workload_.subscriptions +
                                 client.filters_sent);
            }
            put_text(body, topic_);
            body.push_back(static_cast<char>(workload_.qos));
        }
        std::string packet{"\x82"};
        put_remaining_length(packet, body.size());
        packet += body;
        ++client.subscribes_unanswered;
        write(client, packet);
    }
}

std::string Load::topic_of(unsigned client_number) const {
    return fmt::format("bench/{}{}/t", workload_.name, client_number % workload_.topics);
}

void Load::end(Client& client) {
    if (client.descriptor >= 0) close(client.descriptor);
    client.descriptor = -1;
    client.state = Client::State::closed;
    client.waits_writable = false;
    client.unread.clear();
    client.unwritten.clear();
    client.written_bytes = 0;
}

void Load::lose(Client& client) {
    if (client.state == Client::State::connected) {
        ++counts_.closed_by_broker;
    } else {
        ++counts_.connects_failed;
        --connecting_;
    }
    end(client);
}

// --- Bytes ---------------------------------------------------------------------------------------

void Load::wait_writable(Client& client, bool wanted) {
    if (client.waits_writable == wanted) return;
    client.waits_writable = wanted;
    epoll_event event{.events = EPOLLIN | (wanted ? EPOLLOUT : 0U), .data = {.ptr = &client}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, client.descriptor, &event);
}

void Load::write(Client& client, std::string_view bytes) {
    client.unwritten.append(bytes);
    if (!client.waits_writable) write_rest(client);
}

void Load::write_rest(Client& client) {
    const bool had_waited = client.waits_writable;
    while (client.written_bytes < client.unwritten.size()) {
        const auto size = ::send(client.descriptor, client.unwritten.data() + client.written_bytes,
                                 client.unwritten.size() - client.written_bytes, MSG_NOSIGNAL);
        if (size >= 0) {
            client.written_bytes += static_cast<std::size_t>(size);
        } else if (errno == EAGAIN) {
            return wait_writable(client, true);
        } else if (errno != EINTR) {
            return lose(client);
        }
    }
    client.unwritten.clear();
    client.written_bytes = 0;
    wait_writable(client, false);
    if (had_waited && client.role == Client::Role::publisher) mark(client);
}

void Load::read(Client& client) {
    for (;;) {
        const auto kept = client.unread.size();
        if (input_.size() < kept + input_bytes / 2) input_.resize(kept + input_bytes);
        std::memcpy(input_.data(), client.unread.data(), kept);
        const auto size = recv(client.descriptor, input_.data() + kept, input_.size() - kept, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0) {
            // After DISCONNECT the broker closes (§3.14.4).
            if (doing_ == Doing::churning && client.state == Client::State::connected) {
                return end(client);
            }
            return lose(client);
        }
        std::string_view bytes{input_.data(), kept + static_cast<std::size_t>(size)};
        const bool is_all = bytes.size() < input_.size();
        output_.clear();
        while (bytes.size() >= 2) {
            std::size_t length = 0;
            std::size_t head = 1;
            unsigned digit = 128;
            for (; head < bytes.size() && head < 5 && digit >= 128; ++head) {
                digit = u8_at(bytes, head);
                length |= std::size_t{digit & 127U} << (7 * (head - 1));
            }
            if (digit >= 128 || bytes.size() < head + length) break;
            if (!on_packet(client, static_cast<std::uint8_t>(bytes[0]),
                           bytes.substr(head, length))) {
                return;
            }
            bytes.remove_prefix(head + length);
        }
        client.unread.assign(bytes);
        if (client.unread.empty() && client.unread.capacity() > 4096) client.unread.shrink_to_fit();
        if (!output_.empty()) write(client, output_);
        if (is_all || client.descriptor < 0) return;
    }
}

// --- Packets -------------------------------------------------------------------------------------

bool Load::on_packet(Client& client, std::uint8_t first_byte, std::string_view body) {
    const auto answer = [&](unsigned answer_byte) {
        output_.push_back(static_cast<char>(answer_byte));
        output_.push_back(2);
        output_.append(body.substr(0, 2));
    };
    switch (first_byte >> 4U) {
        case connack: return on_connack(client, body);
        case publish_type: on_publish(client, first_byte, body); break;
        case puback:
        case pubcomp: on_acknowledged(client); break;
        case pubrec: answer(0x62); break;
        case pubrel: answer(0x70); break;
        case suback: on_suback(client, body); break;
        default: ++counts_.unexpected_packets;
    }
    return true;
}

bool Load::on_connack(Client& client, std::string_view body) {
    if (body.size() < 2 || body[1] != 0) {
        lose(client);
        return false;
    }
    client.state = Client::State::connected;
    --connecting_;
    ++counts_.connected;
    if (doing_ == Doing::churning) output_.append(disconnect_packet);
    return true;
}

void Load::on_suback(Client& client, std::string_view body) {
    --client.subscribes_unanswered;
    for (std::size_t at = 2; at < body.size(); ++at) {
        ++(u8_at(body, at) <= 2 ? counts_.subscribed : counts_.subscriptions_refused);
    }
    send_subscribes(client);
}

void Load::on_acknowledged(Client& client) {
    ++client.acknowledged;
    ++counts_.acknowledged;
    mark(client);
}

void Load::on_publish(Client& client, std::uint8_t first_byte, std::string_view body) {
    const auto qos = (first_byte >> 1U) & 3U;
    const auto head = body.size() < 2 ? 0 : 2U + u16_at(body, 0) + (qos > 0 ? 2U : 0U);
    if (head == 0 || body.size() < head + payload_bytes_min) {
        ++counts_.unexpected_packets;
        return;
    }
    if (qos > 0) {
        output_.push_back(qos == 1 ? '\x40' : '\x50');
        output_.push_back(2);
        output_.append(body.substr(head - 2, 2));
    }
    const auto payload = body.substr(head);
    const auto stamp_ns = raw_at<std::int64_t>(payload, 0);
    const auto publisher = raw_at<std::uint32_t>(payload, 8);
    const auto sequence = raw_at<std::uint32_t>(payload, 12);
    if (publisher >= publishers_.size()) {
        ++counts_.unexpected_packets;
        return;
    }
    ++counts_.received;
    if (stamp_ns >= latency_from_ns_ && stamp_ns < latency_until_ns_) {
        latency_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, turn_ns_ - stamp_ns)));
    }
    if (!next_sequence_.empty()) {
        auto& next = next_sequence_[client.number * publishers_.size() + publisher];
        if (sequence < next) ++counts_.out_of_order;
        next = std::max(next, sequence + 1);
    }
    ++publishers_[publisher]->delivered;
    mark(*publishers_[publisher]);
}

// --- Publishing ----------------------------------------------------------------------------------

void Load::mark(Client& client) {
    if (client.is_marked) return;
    client.is_marked = true;
    marked_.push_back(&client);
}

/// How many more messages of a publisher may be in flight: each is until it is acknowledged and all
/// receivers have it.
std::uint64_t Load::room(const Client& client) const {
    auto in_flight = client.sent - client.delivered / std::max<std::uint64_t>(fan_, 1);
    if (workload_.qos > 0) in_flight = std::max(in_flight, client.sent - client.acknowledged);
    return in_flight < workload_.window ? workload_.window - in_flight : 0;
}

void Load::publish(Client& client) {
    if (client.state != Client::State::connected || client.waits_writable) return;
    auto more = room(client);
    if (more == 0) return;
    batch_.clear();
    const auto stamp_ns = now_ns();
    for (; more > 0 && batch_.size() < batch_bytes_max; --more) put_publish(client, stamp_ns);
    write(client, batch_);
}

void Load::publish_due() {
    const auto now = static_cast<double>(now_ns());
    if (due_ns_ == 0) due_ns_ = now;
    const auto step_ns = 1e9 / workload_.rate;
    for (; due_ns_ <= now; due_ns_ += step_ns) {
        auto& client = *publishers_[next_publisher_];
        next_publisher_ = (next_publisher_ + 1) % publishers_.size();
        if (client.state != Client::State::connected) continue;
        batch_.clear();
        put_publish(client, static_cast<std::int64_t>(due_ns_));
        write(client, batch_);
    }
}

void Load::put_publish(Client& client, std::int64_t stamp_ns) {
    const std::string* topic = &client.topic;
    if (client.topic.empty()) {
        topic_.assign(2, '\0');
        put_numbered(topic_, workload_.topic,
                     draw() % (std::uint64_t{workload_.subscribers} * workload_.subscriptions));
        topic_[0] = static_cast<char>((topic_.size() - 2) >> 8U);
        topic_[1] = static_cast<char>(topic_.size() - 2);
        topic = &topic_;
    }
    batch_.push_back(static_cast<char>(0x30U | workload_.qos << 1U));
    put_remaining_length(batch_,
                         topic->size() + (workload_.qos > 0 ? 2 : 0) + workload_.payload_bytes);
    batch_.append(*topic);
    if (workload_.qos > 0) {
        if (++client.last_packet_id == 0) client.last_packet_id = 1;
        put_u16(batch_, client.last_packet_id);
    }
    const auto at = batch_.size();
    batch_.resize(at + workload_.payload_bytes, 'x');
    put_raw(batch_.data() + at, stamp_ns);
    put_raw(batch_.data() + at + 8, std::uint32_t{client.number});
    put_raw(batch_.data() + at + 12, static_cast<std::uint32_t>(client.sent));
    ++client.sent;
    ++counts_.sent;
}

/// Marsaglia's xorshift.
std::uint64_t Load::draw() {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    return random_;
}

}  // namespace touchstone::bench
