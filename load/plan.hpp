// Who publishes to whom, by name and number: what follows from a Workload and does not change
// during its run. Shared by all threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/workload.hpp"

namespace touchstone::load {

class Plan {
public:
    /// Pairs of publishers and subscribers that are written down; with more, only sums are.
    static constexpr std::uint64_t pairs_max = 20'000'000;

    /// `workload` was found to have no problem, and outlives this.
    explicit Plan(const Workload& workload);

    [[nodiscard]] const Workload& workload() const { return workload_; }
    [[nodiscard]] const Group& group(std::uint32_t index) const { return workload_.groups[index]; }
    [[nodiscard]] std::uint32_t groups() const {
        return static_cast<std::uint32_t>(workload_.groups.size());
    }
    [[nodiscard]] std::uint32_t clients() const { return firsts_.back(); }

    /// The number over all groups.
    [[nodiscard]] std::uint32_t client(std::uint32_t group, std::uint32_t number) const {
        return firsts_[group] + number;
    }
    [[nodiscard]] std::uint32_t group_of(std::uint32_t client) const;

    [[nodiscard]] std::string client_id(std::uint32_t group, std::uint32_t number) const;
    /// Where a message goes; `receiver` was drawn, for some_of.
    [[nodiscard]] std::string topic(std::uint32_t group, std::uint32_t number,
                                    const Audience& audience, std::uint32_t receiver) const;
    [[nodiscard]] std::vector<std::string> filters(std::uint32_t group, std::uint32_t number) const;

    /// How many are to get a message (one of several, for some_of) that the client publishes.
    [[nodiscard]] std::uint32_t receivers_of(std::uint32_t group, std::uint32_t number) const {
        const auto& by_topic = receivers_[group];
        return by_topic.empty() ? 0 : by_topic[number % by_topic.size()];
    }

    /// Where a subscriber writes a publisher's messages down.
    struct Line {
        bool is_once = false;   // one receiver among several: in the OnceLog
        std::uint32_t log = 0;  // else: number of its SequenceLog
    };
    /// Nothing: the subscriber should not get anything of that client.
    [[nodiscard]] std::optional<Line> line(std::uint32_t group, std::uint32_t number,
                                           std::uint32_t publisher) const;
    /// Whose messages a subscriber writes down in that SequenceLog; nothing: it stays empty.
    [[nodiscard]] std::optional<std::uint32_t>
    publisher_of(std::uint32_t group, std::uint32_t number, std::uint32_t log) const;
    /// Whether each message of that group goes to one receiver of several.
    [[nodiscard]] bool is_once(std::uint32_t group) const;
    /// SequenceLogs that a client of the group needs.
    [[nodiscard]] std::uint32_t lines(std::uint32_t group) const { return lines_[group]; }
    /// False: there are more than pairs_max.
    [[nodiscard]] bool has_lines() const { return has_lines_; }

private:
    struct Source {
        std::uint32_t group = 0;
        std::uint32_t topics = 1;
        std::uint32_t first_log = 0;
        bool is_once = false;
    };

    void find_sources();
    void count_receivers();

    const Workload& workload_;
    std::vector<std::uint32_t> firsts_;                  // by group, and one for the end
    std::vector<std::vector<Source>> sources_;           // by subscribing group
    std::vector<std::uint32_t> lines_;                   // by subscribing group
    std::vector<std::vector<std::uint32_t>> receivers_;  // by publishing group, by topic
    bool has_lines_ = true;
};

}  // namespace touchstone::load
