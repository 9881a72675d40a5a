#include "load/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

/// How many of `count` have the remainder `remainder` modulo `divisor`.
std::uint32_t with_remainder(std::uint32_t count, std::uint32_t divisor, std::uint32_t remainder) {
    return count / divisor + (count % divisor > remainder ? 1U : 0U);
}

}  // namespace

Plan::Plan(const Workload& workload) : workload_{workload} {
    std::uint32_t sum = 0;
    for (const auto& group : workload.groups) {
        firsts_.push_back(sum);
        sum += group.count;
    }
    firsts_.push_back(sum);
    find_sources();
    count_receivers();
}

void Plan::find_sources() {
    std::uint64_t pairs = 0;
    for (std::uint32_t index = 0; index < groups(); ++index) {
        const auto& subscribing = group(index).subscribing;
        auto& sources = sources_.emplace_back();
        std::uint32_t logs = 0;
        for (std::uint32_t from = 0; from < groups(); ++from) {
            const auto& audience = group(from).publishing.audience;
            if (group(from).publishing.process == Publishing::Process::silent) continue;
            const bool is_stream = audience.kind == Audience::Kind::own_topic &&
                                   std::ranges::count(subscribing.streams_of, from) > 0;
            const bool is_all = audience.kind == Audience::Kind::all_of && audience.group == index;
            const bool is_some =
                audience.kind == Audience::Kind::some_of && audience.group == index;
            if (!is_stream && !is_all && !is_some) continue;
            const bool is_once = is_some || (is_stream && subscribing.is_shared);
            const std::uint32_t topics = is_stream ? audience.topics : 1;
            sources.push_back(
                {.group = from, .topics = topics, .first_log = logs, .is_once = is_once});
            if (!is_once) logs += with_remainder(group(from).count, topics, 0);
        }
        lines_.push_back(logs);
        pairs += std::uint64_t{logs} * group(index).count;
    }
    has_lines_ = pairs <= pairs_max;
}

void Plan::count_receivers() {
    for (std::uint32_t from = 0; from < groups(); ++from) {
        auto& by_topic = receivers_.emplace_back();
        const auto& publishing = group(from).publishing;
        const auto& audience = publishing.audience;
        if (publishing.process == Publishing::Process::silent) continue;
        switch (audience.kind) {
            case Audience::Kind::nobody: break;
            case Audience::Kind::all_of: by_topic = {group(audience.group).count}; break;
            case Audience::Kind::some_of: by_topic = {1}; break;
            case Audience::Kind::own_topic:
                by_topic.resize(audience.topics);
                for (const auto& to : workload_.groups) {
                    if (std::ranges::count(to.subscribing.streams_of, from) == 0) continue;
                    for (std::uint32_t topic = 0; topic < audience.topics; ++topic) {
                        const auto count = with_remainder(to.count, audience.topics, topic);
                        by_topic[topic] += to.subscribing.is_shared ? std::min(count, 1U) : count;
                    }
                }
                break;
        }
    }
}

std::uint32_t Plan::group_of(std::uint32_t client) const {
    CHECK(client < clients());
    const auto after = std::ranges::upper_bound(firsts_, client);
    return static_cast<std::uint32_t>(std::distance(firsts_.begin(), after) - 1);
}

std::string Plan::client_id(std::uint32_t group, std::uint32_t number) const {
    return fmt::format("{}-{}-{}", workload_.run_id, group, number);
}

std::string Plan::topic(std::uint32_t group, std::uint32_t number, const Audience& audience,
                        std::uint32_t receiver) const {
    const auto& prefix = workload_.topic_prefix;
    const auto& run = workload_.run_id;
    switch (audience.kind) {
        case Audience::Kind::nobody: return fmt::format("{}/{}/x/{}", prefix, run, group);
        case Audience::Kind::own_topic:
            return fmt::format("{}/{}/{}/{}", prefix, run, group, number % audience.topics);
        case Audience::Kind::all_of:
            return fmt::format("{}/{}/all/{}", prefix, run, audience.group);
        case Audience::Kind::some_of:
            return fmt::format("{}/{}/to/{}/{}", prefix, run, audience.group, receiver);
    }
    UNREACHABLE();
}

std::vector<std::string> Plan::filters(std::uint32_t group, std::uint32_t number) const {
    const auto& subscribing = this->group(group).subscribing;
    std::vector<std::string> filters;
    for (const auto from : subscribing.streams_of) {
        const auto& audience = this->group(from).publishing.audience;
        const auto name = topic(from, number % audience.topics, audience, 0);
        filters.push_back(subscribing.is_shared
                              ? fmt::format("$share/{}-{}/{}", workload_.run_id, group, name)
                              : name);
    }
    if (subscribing.takes_all_of) {
        filters.push_back(topic(0, 0, {.kind = Audience::Kind::all_of, .group = group}, 0));
    }
    if (subscribing.takes_some_of) {
        filters.push_back(topic(0, 0, {.kind = Audience::Kind::some_of, .group = group}, number));
    }
    for (std::uint32_t i = 0; i < subscribing.idle_filters; ++i) {
        filters.push_back(fmt::format("{}/{}/idle/{}/{}/{}", workload_.topic_prefix,
                                      workload_.run_id, group, number, i));
    }
    return filters;
}

std::optional<Plan::Line> Plan::line(std::uint32_t group, std::uint32_t number,
                                     std::uint32_t publisher) const {
    if (publisher >= clients()) return std::nullopt;
    for (const auto& source : sources_[group]) {
        if (publisher < firsts_[source.group] || publisher >= firsts_[source.group + 1]) continue;
        const auto from = publisher - firsts_[source.group];
        if (source.is_once) return Line{.is_once = true};
        if (from % source.topics != number % source.topics) return std::nullopt;
        return Line{.log = source.first_log + from / source.topics};
    }
    return std::nullopt;
}

std::optional<std::uint32_t> Plan::publisher_of(std::uint32_t group, std::uint32_t number,
                                                std::uint32_t log) const {
    for (const auto& source : sources_[group]) {
        if (source.is_once) continue;
        const auto count = this->group(source.group).count;
        const auto lines = with_remainder(count, source.topics, 0);
        if (log < source.first_log || log >= source.first_log + lines) continue;
        const auto from = (log - source.first_log) * source.topics + number % source.topics;
        if (from >= count) return std::nullopt;
        return client(source.group, from);
    }
    return std::nullopt;
}

bool Plan::is_once(std::uint32_t group) const {
    return std::ranges::any_of(sources_, [group](const std::vector<Source>& sources) {
        return std::ranges::any_of(sources, [group](const Source& source) {
            return source.group == group && source.is_once;
        });
    });
}

}  // namespace touchstone::load
