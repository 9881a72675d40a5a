#include "planner/models/event_loop.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "broker/base/check.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {

namespace {

using simulator::fleet::Draws;

constexpr double never = std::numeric_limits<double>::infinity();
/// More connections than this share nothing that counts.
constexpr double connections_max = 20'000;
/// A loop looks at so many connections at once.
constexpr std::size_t ready_max = 1'024;
/// Of a message's work, what is done when the message comes, and when it is acknowledged.
constexpr double first_share = 0.7;

double uniform(Draws& draws) {
    return (static_cast<double>(draws.next() >> 11U) + 0.5) * 0x1p-53;
}

/// Where a packet of a flow is.
enum class Step : std::uint8_t {
    message,       // from its publisher
    release,       // PUBREL from its publisher
    acknowledged,  // PUBACK or PUBREC of a receiver
    completed,     // PUBCOMP of a receiver
};

struct Packet {
    double at = 0;
    std::uint32_t connection = 0;
    std::uint32_t stream = 0;
    Step step = Step::message;
    bool counts = false;
};

class Loop {
public:
    Loop(std::span<const PacketStream> streams, const LoopCosts& costs, std::size_t events,
         std::uint64_t seed)
        : streams_{streams},
          costs_{costs},
          draws_{seed} {
        double copies = 0;
        for (const auto& stream : streams_) {
            CHECK(stream.per_s >= 0);
            ends_.push_back(rate_ += stream.per_s);
            copies += stream.per_s * stream.receivers;
            const auto count = [](double connections, double most = connections_max) {
                return static_cast<std::uint32_t>(std::clamp(connections, 1.0, most));
            };
            Places places{.source = connections_, .sources = count(stream.sources)};
            connections_ += places.sources;
            places.sink = connections_;
            // A message's copies leave by connections of their own.
            const double own = std::ceil(stream.receivers);
            places.sinks = stream.has_own_sinks
                               ? places.sources * count(own, own + 1)
                               : count(std::max(stream.sinks, own), std::max(connections_max, own));
            connections_ += places.sinks;
            places_.push_back(places);
        }
        CHECK(rate_ > 0);
        const double each = 1 + copies / rate_;
        packets_ =
            std::max<std::size_t>(60, static_cast<std::size_t>(static_cast<double>(events) / each));
        discarded_ = packets_ / 10;
        waiting_.resize(connections_);
        is_ready_.assign(connections_, false);
        written_at_.assign(connections_, 0);
        written_in_.assign(connections_, 0);
        next_at_ = -std::log(uniform(draws_)) / rate_;
    }

    LoopRun run() {
        while (next_at_ < never || !answers_.empty() || !ready_.empty()) turn();
        const auto counted = static_cast<double>(packets_);
        run_.looks /= counted;
        run_.reads /= counted;
        run_.writes /= counted;
        run_.wakes /= counted;
        const double span = std::max(1e-9, last_at_ - counted_from_);
        run_.busy = std::min(1.0, worked_s_ / std::max(span, now_ - counted_from_));
        // Behind by a part of all the time, and by more and more.
        constexpr double late_max = 0.02;
        constexpr double growth_max = 1.6;
        run_.keeps_up =
            behind_at_end_ <= late_max * span || behind_at_end_ <= growth_max * behind_at_half_;
        return std::move(run_);
    }

private:
    struct Places {
        std::uint32_t source = 0;
        std::uint32_t sources = 0;
        std::uint32_t sink = 0;
        std::uint32_t sinks = 0;
    };
    struct Output {
        std::uint32_t connection = 0;
        std::uint32_t stream = 0;
        double came_at = 0;
        Step answer = Step::message;  // what the client sends back; `message`: nothing
        bool is_copy = false;
        bool counts = false;
        float own_s = 0;  // of a copy
    };

    [[nodiscard]] bool is_counting() const { return drawn_ > discarded_; }

    void work(double seconds) {
        now_ += seconds;
        if (is_counting()) worked_s_ += seconds;
    }
    void count(double& what) const {
        if (is_counting()) what += 1;
    }

    void draw_packet() {
        const double place = uniform(draws_) * rate_;
        const auto found = std::ranges::upper_bound(ends_, place);
        const auto stream = static_cast<std::uint32_t>(
            std::min<std::ptrdiff_t>(found - ends_.begin(), std::ssize(ends_) - 1));
        const auto& places = places_[stream];
        if (drawn_++ == discarded_) counted_from_ = next_at_;
        put({.at = next_at_,
             .connection = places.source + static_cast<std::uint32_t>(draws_.below(places.sources)),
             .stream = stream,
             .counts = is_counting()});
        last_at_ = next_at_;
        next_at_ =
            drawn_ >= packets_ + discarded_ ? never : next_at_ - std::log(uniform(draws_)) / rate_;
    }
    void put(const Packet& packet) {
        waiting_[packet.connection].push_back(packet);
        if (is_ready_[packet.connection]) return;
        is_ready_[packet.connection] = true;
        ready_.push_back(packet.connection);
    }
    /// What has come until now.
    void take_in() {
        for (;;) {
            const double answer_at = answers_.empty() ? never : answers_.front().at;
            if (std::min(answer_at, next_at_) > now_) return;
            if (answer_at < next_at_) {
                put(answers_.front());
                answers_.pop_front();
            } else {
                draw_packet();
            }
        }
    }

    void turn() {
        take_in();
        if (ready_.empty()) {
            const double answer_at = answers_.empty() ? never : answers_.front().at;
            now_ = std::min(answer_at, next_at_);
            take_in();
            now_ += costs_.wake_delay_s;
            work(costs_.wake_s);
            count(run_.wakes);
            take_in();
        }
        work(costs_.look_s);
        count(run_.looks);
        const auto looked_at = std::min(ready_.size(), ready_max);
        for (std::size_t i = 0; i < looked_at; ++i) read(ready_[i]);
        ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(looked_at));
        for (const auto connection : left_over_) ready_.push_back(connection);
        left_over_.clear();
        write();
    }

    void read(std::uint32_t connection) {
        auto& waiting = waiting_[connection];
        if (!streams_[waiting.front().stream].is_whole) {
            work(costs_.read_s);
            count(run_.reads);
        }
        if (!costs_.gathers) {
            const auto packet = waiting.front();
            waiting.erase(waiting.begin());
            is_ready_[connection] = !waiting.empty();
            if (!waiting.empty()) left_over_.push_back(connection);
            handle(packet);
            return;
        }
        take_in();
        taken_.swap(waiting);
        waiting.clear();
        is_ready_[connection] = false;
        for (const auto& packet : taken_) handle(packet);
        taken_.clear();
    }

    /// In the middle tenth and in the last one.
    void note_lateness(const Packet& packet) {
        const auto tenth = (++handled_ - 1) * 10 / (packets_ + discarded_);
        const double late = (now_ - packet.at) * 10 / static_cast<double>(packets_ + discarded_);
        if (tenth == 4) behind_at_half_ += late;
        if (tenth == 9) behind_at_end_ += late;
    }

    void handle(const Packet& packet) {
        const auto& stream = streams_[packet.stream];
        const auto& places = places_[packet.stream];
        const double first = stream.qos == 0 ? 1 : first_share;
        Output back{
            .connection = packet.connection, .stream = packet.stream, .counts = packet.counts};
        switch (packet.step) {
            case Step::message: {
                note_lateness(packet);
                work(stream.take_s * (stream.qos == 2 ? first : 1));
                const double whole = std::floor(stream.receivers);
                const bool has_one_more = uniform(draws_) < stream.receivers - whole;
                const auto copies = static_cast<std::uint32_t>(whole) + (has_one_more ? 1U : 0U);
                const auto begin =
                    stream.has_own_sinks
                        ? (packet.connection - places.source) * (places.sinks / places.sources)
                        : static_cast<std::uint32_t>(draws_.below(places.sinks));
                for (std::uint32_t i = 0; i < copies; ++i) {
                    work(stream.copy_s * first);
                    send({.connection = places.sink + (begin + i) % places.sinks,
                          .stream = packet.stream,
                          .came_at = packet.at,
                          .answer = stream.qos == 0 ? Step::message : Step::acknowledged,
                          .is_copy = true,
                          .counts = packet.counts,
                          .own_s = static_cast<float>(alone_s(stream, costs_, copies, i))});
                }
                if (stream.qos == 2) back.answer = Step::release;
                if (stream.qos > 0 || stream.is_answered) send(back);
                return;
            }
            case Step::release:
                work(stream.take_s * (1 - first));
                send(back);
                return;
            case Step::acknowledged:
                if (stream.qos == 1) return work(stream.copy_s * (1 - first));
                work(stream.copy_s * (1 - first) / 2);
                back.answer = Step::completed;
                send(back);
                return;
            case Step::completed: work(stream.copy_s * (1 - first) / 2); return;
        }
    }

    void send(const Output& output) {
        outputs_.push_back(output);
        if (!costs_.gathers) write();
    }

    void write() {
        ++writing_;
        for (const auto& output : outputs_) {
            auto& written_in = written_in_[output.connection];
            if (written_in == writing_) continue;
            work(costs_.write_s);
            count(run_.writes);
            written_in = writing_;
            written_at_[output.connection] = now_;
        }
        for (const auto& output : outputs_) leave(output);
        outputs_.clear();
    }

    void leave(const Output& output) {
        const double at = written_at_[output.connection];
        if (output.is_copy && output.counts) {
            run_.deliveries.push_back({.stream = output.stream,
                                       .took_s = static_cast<float>(at - output.came_at),
                                       .own_s = output.own_s});
        }
        if (output.answer == Step::message) return;
        // Nearly in order: what a turn writes twice to a connection leaves with the first.
        answers_.push_back({.at = at + costs_.answer_s,
                            .connection = output.connection,
                            .stream = output.stream,
                            .step = output.answer,
                            .counts = output.counts});
    }

    std::span<const PacketStream> streams_;
    const LoopCosts& costs_;
    Draws draws_;
    std::vector<double> ends_;
    std::vector<Places> places_;
    double rate_ = 0;
    std::uint32_t connections_ = 0;
    std::size_t packets_ = 0;
    std::size_t discarded_ = 0;
    std::size_t drawn_ = 0;
    std::size_t handled_ = 0;

    double now_ = 0;
    double next_at_ = 0;
    double last_at_ = 0;
    double counted_from_ = 0;
    double worked_s_ = 0;
    double behind_at_end_ = 0;
    double behind_at_half_ = 0;
    std::vector<std::vector<Packet>> waiting_;  // by connection
    std::vector<bool> is_ready_;
    std::deque<std::uint32_t> ready_;
    std::vector<std::uint32_t> left_over_;
    std::vector<Packet> taken_;
    std::vector<Output> outputs_;
    std::vector<double> written_at_;         // by connection
    std::vector<std::uint64_t> written_in_;  // the same: which writing it was
    std::uint64_t writing_ = 0;
    std::deque<Packet> answers_;
    LoopRun run_;
};

}  // namespace

LoopRun run_loop(std::span<const PacketStream> streams, const LoopCosts& costs, std::size_t events,
                 std::uint64_t seed) {
    return Loop{streams, costs, events, seed}.run();
}

double alone_s(const PacketStream& stream, const LoopCosts& costs, std::uint32_t copies,
               std::uint32_t copy) {
    const double first = stream.qos == 0 ? 1 : first_share;
    const double made = costs.gathers ? copies : copy + 1.0;
    return costs.wake_delay_s + costs.wake_s + costs.look_s + costs.read_s +
           stream.take_s * (stream.qos == 2 ? first : 1) + made * stream.copy_s * first +
           (copy + 1.0) * costs.write_s;
}

}  // namespace touchstone::planner
