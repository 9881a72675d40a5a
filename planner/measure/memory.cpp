#include "planner/measure/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <thread>

#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"

namespace touchstone::planner {

namespace {

/// The process's memory when it has stopped to change.
double settled_memory(int pid) {
    double before = -1;
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{40});
        const auto reading = read_memory(pid);
        if (!reading)
            throw CannotMeasure{fmt::format("process {} cannot be looked at any more", pid)};
        const auto now = static_cast<double>(reading->private_bytes);
        if (now == before) break;
        before = now;
    }
    return before;
}

class Filling {
public:
    Filling(const load::Target& target, int pid, const MemoryPlan& plan, std::string run_id,
            const std::function<bool(const std::string&)>& goes_on)
        : target_{target},
          pid_{pid},
          plan_{plan},
          prefix_{"touchstone/plan/" + run_id},
          id_{"plan-" + run_id},
          goes_on_{goes_on} {
        std::string problem;
        const auto address = load::resolve(target.host, target.port, problem);
        if (!address) throw CannotMeasure{problem};
        address_ = *address;
        at(samples_now_.holdings, Holding::process) = 1;
    }

    std::vector<MemorySample> run() {
        // What the first client of all makes a broker do once is not a connection's.
        client("first", true).disconnect();
        sample("as it was found");
        for (unsigned step = 0; step < plan_.steps; ++step) connect(step);
        for (unsigned step = 0; step < plan_.steps; ++step) subscribe(step);
        for (unsigned step = 0; step < plan_.steps; ++step) retain(step);
        for (unsigned step = 0; step < plan_.steps; ++step) leave_sessions(step);
        for (unsigned step = 0; step < plan_.steps && plan_.sessions > 0; ++step) queue(step);
        take_away();
        return samples_;
    }

private:
    PlainClient client(const std::string& name, bool is_clean) {
        PlainClient one{target_, address_, id_ + "-" + name, is_clean};
        one.enter();
        return one;
    }
    /// `count` of them, in `to`; some at a time, so that the machine's pauses are not paid for
    /// each.
    void add_clients(std::deque<PlainClient>& to, std::uint32_t count, bool is_clean,
                     const std::function<std::string(std::size_t)>& name) {
        constexpr std::uint32_t at_once = 100;
        for (std::uint32_t done = 0; done < count;) {
            const auto more = std::min(at_once, count - done);
            for (std::uint32_t i = 0; i < more; ++i) {
                to.emplace_back(target_, address_, id_ + "-" + name(to.size()), is_clean);
            }
            for (auto i = to.size() - more; i < to.size(); ++i) to[i].enter();
            done += more;
        }
    }
    void add(Holding holding, double count) { at(samples_now_.holdings, holding) += count; }
    void sample(const std::string& words) {
        samples_now_.private_bytes = settled_memory(pid_);
        samples_.push_back(samples_now_);
        if (!goes_on_(words)) throw CannotMeasure{"interrupted"};
    }
    [[nodiscard]] std::uint32_t part(std::uint32_t all, unsigned step) const {
        return all * (step + 1) / plan_.steps - all * step / plan_.steps;
    }
    [[nodiscard]] std::uint32_t payload_of(unsigned step, std::size_t message) const {
        const auto& all = plan_.payloads[step / 2 % plan_.payloads.size()];
        return all[message % all.size()];
    }
    [[nodiscard]] static double bytes_of(const std::vector<PlainMessage>& messages) {
        double bytes = 0;
        for (const auto& one : messages) bytes += static_cast<double>(one.payload.size());
        return bytes;
    }

    void connect(unsigned step) {
        const auto count = part(plan_.connections, step);
        add_clients(held_, count, true, [](std::size_t i) { return fmt::format("c{}", i); });
        add(Holding::connection, count);
        sample(fmt::format("{} connections", held_.size()));
    }

    void subscribe(unsigned step) {
        if (held_.empty()) return;
        const auto count = part(plan_.subscriptions, step);
        const auto users = std::min<std::size_t>(held_.size(), 500);
        for (std::size_t user = 0; user < users; ++user) {
            std::vector<std::string> filters;
            const auto from = count * user / users;
            const auto to = count * (user + 1) / users;
            for (auto i = from; i < to; ++i) {
                filters.push_back(fmt::format("{}/s/{}/{}", prefix_, step, i));
            }
            if (!filters.empty()) held_[user].subscribe(filters);
        }
        add(Holding::subscription, count);
        sample(fmt::format("{} subscriptions", at(samples_now_.holdings, Holding::subscription)));
    }

    void retain(unsigned step) {
        const auto count = part(plan_.retained, step);
        std::vector<PlainMessage> messages;
        for (std::uint32_t i = 0; i < count; ++i) {
            messages.push_back({.topic = fmt::format("{}/r/{}/{}", prefix_, step, i),
                                .payload = std::string(payload_of(step, i), 'r'),
                                .retain = true});
            retained_.push_back(messages.back().topic);
        }
        auto publisher = client("p", true);
        publisher.publish(messages);
        publisher.disconnect();
        add(Holding::retained, count);
        add(Holding::retained_byte, bytes_of(messages));
        sample(fmt::format("{} Retained Messages", retained_.size()));
    }

    void leave_sessions(unsigned step) {
        const auto count = part(plan_.sessions, step);
        // Few at a time: what their connections took is not the Sessions'.
        constexpr std::uint32_t at_once = 100;
        for (std::uint32_t done = 0; done < count; done += at_once) {
            std::deque<PlainClient> leaving;
            add_clients(leaving, std::min(at_once, count - done), false,
                        [&](std::size_t i) { return fmt::format("w{}", sessions_ + i); });
            for (auto& one : leaving) {
                one.subscribe({fmt::format("{}/q/{}", prefix_, sessions_)});
                one.disconnect();
                ++sessions_;
            }
        }
        add(Holding::session, count);
        add(Holding::subscription, count);
        sample(fmt::format("{} Sessions of clients that are away", sessions_));
    }

    void queue(unsigned step) {
        const auto each = part(plan_.queued_each, step);
        std::vector<PlainMessage> messages;
        for (std::uint32_t message = 0; message < each; ++message) {
            for (std::uint32_t i = 0; i < sessions_; ++i) {
                messages.push_back({.topic = fmt::format("{}/q/{}", prefix_, i),
                                    .payload = std::string(payload_of(step, message + i), 'q')});
            }
        }
        auto publisher = client("p", true);
        publisher.publish(messages);
        publisher.disconnect();
        add(Holding::queued, static_cast<double>(messages.size()));
        if (each > 0) at(samples_now_.holdings, Holding::queue) = sessions_;
        add(Holding::queued_byte, bytes_of(messages));
        sample(fmt::format("{} messages for them", at(samples_now_.holdings, Holding::queued)));
    }

    void take_away() {
        for (auto& one : held_) one.disconnect();
        std::deque<PlainClient> back;
        add_clients(back, sessions_, true, [](std::size_t i) { return fmt::format("w{}", i); });
        for (auto& one : back) one.disconnect();
        std::vector<PlainMessage> nothing;
        for (const auto& topic : retained_) nothing.push_back({.topic = topic, .retain = true});
        auto publisher = client("p", true);
        publisher.publish(nothing);
        publisher.disconnect();
    }

    const load::Target& target_;
    int pid_;
    MemoryPlan plan_;
    std::string prefix_;
    std::string id_;
    const std::function<bool(const std::string&)>& goes_on_;
    load::Address address_;
    std::deque<PlainClient> held_;
    std::vector<std::string> retained_;
    std::uint32_t sessions_ = 0;
    MemorySample samples_now_;
    std::vector<MemorySample> samples_;
};

}  // namespace

std::vector<MemorySample> measure_memory(const load::Target& target, int pid,
                                         const MemoryPlan& plan, const std::string& run_id,
                                         const std::function<bool(const std::string&)>& goes_on) {
    raise_open_files();
    return Filling{target, pid, plan, run_id, goes_on}.run();
}

std::optional<LinearFit> fit_memory(const std::vector<MemorySample>& samples) {
    // What each step added: memory grows by larger pieces than what is held, and what one step took
    // too much of, the next ones still have.
    std::vector<Observation> observations;
    MemorySample before;
    for (const auto& sample : samples) {
        Observation one{.value = sample.private_bytes - before.private_bytes};
        for (std::size_t i = 0; i < holding_count; ++i) {
            one.factors.push_back(sample.holdings[i] - before.holdings[i]);
        }
        observations.push_back(std::move(one));
        before = sample;
    }
    return fit_linear(observations);
}

}  // namespace touchstone::planner
