#include "load/workload.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "load/payload.hpp"
#include "load/plan.hpp"

namespace touchstone::load {

namespace {

using Process = Publishing::Process;

constexpr std::uint64_t clients_max = 20'000'000;
constexpr std::uint32_t payload_max = 16 * 1'024 * 1'024;

bool has_period(Process process) {
    return process == Process::periodic || process == Process::poisson ||
           process == Process::bursts || process == Process::aligned;
}

std::optional<std::string> problem_of(const Workload& workload, const Group& group) {
    const auto& publishing = group.publishing;
    if (group.count == 0) return "has no clients; give it at least one";
    if (publishing.qos != QoS::at_most_once && group.keep_alive_s == 0 && group.awake == 0 &&
        group.ping_every > 0)
        return "pings without a Keep Alive; give it one";
    if (publishing.process == Process::stream && publishing.rate_per_s <= 0)
        return "publishes with a rate of 0; give a rate, or let it be silent";
    if (publishing.process == Process::closed_loop && publishing.in_flight == 0)
        return "keeps 0 messages in flight; give at least 1";
    if (has_period(publishing.process) && publishing.every <= 0)
        return "publishes every 0 ns; give a period";
    const auto& audience = publishing.audience;
    if (audience.topics == 0) return "publishes on 0 topics; give at least 1";
    const bool has_group =
        audience.kind == Audience::Kind::all_of || audience.kind == Audience::Kind::some_of;
    if (has_group && audience.group >= workload.groups.size())
        return "publishes to a group that is not there";
    auto largest = publishing.size_max;
    for (const auto& size : publishing.sizes) largest = std::max(largest, size.first);
    if (largest > payload_max)
        return fmt::format("payloads of {} bytes; give at most {}", largest, payload_max);
    if (publishing.size_min > publishing.size_max)
        return "its smallest payload is above its largest";
    if (publishing.process == Process::closed_loop && publishing.qos == QoS::at_most_once &&
        largest < stamp_bytes) {
        return fmt::format("a closed loop at QoS 0 counts deliveries, for which payloads need {} "
                           "bytes; give that size, or QoS 1",
                           stamp_bytes);
    }
    return std::nullopt;
}

std::string sizes_in_words(const Publishing& publishing) {
    if (!publishing.sizes.empty()) {
        std::vector<std::string> parts;
        for (const auto& [bytes, weight] : publishing.sizes)
            parts.push_back(fmt::format("{} bytes (weight {})", bytes, weight));
        return fmt::format("{}", fmt::join(parts, ", "));
    }
    if (publishing.size_min == publishing.size_max)
        return fmt::format("{} bytes", publishing.size_min);
    return fmt::format("{} to {} bytes", publishing.size_min, publishing.size_max);
}

std::string process_in_words(const Publishing& publishing) {
    const auto every = in_seconds(publishing.every);
    switch (publishing.process) {
        case Process::silent: return "nothing";
        case Process::stream:
            return fmt::format(
                "{:.6g} messages/s in all, {} arrivals (open loop)", publishing.rate_per_s,
                publishing.spacing == Spacing::poisson ? "Poisson" : "evenly spaced");
        case Process::closed_loop:
            return fmt::format("closed loop, {} in flight each", publishing.in_flight);
        case Process::periodic: return fmt::format("each every {:.6g} s", every);
        case Process::poisson:
            return fmt::format("each every {:.6g} s in the mean, Poisson", every);
        case Process::bursts:
            return fmt::format("each {} messages every {:.6g} s", publishing.burst_count, every);
        case Process::aligned:
            return fmt::format("all at multiples of {:.6g} s, clocks late by up to {:.6g} s", every,
                               in_seconds(publishing.clock_error));
    }
    return "";
}

std::string group_in_words(const Group& group) {
    const auto& publishing = group.publishing;
    std::string text = fmt::format("{}: {} clients, Keep Alive {} s, connects {}", group.name,
                                   group.count, group.keep_alive_s,
                                   group.ramp_per_s > 0 ? fmt::format("{:.6g}/s", group.ramp_per_s)
                                                        : "as fast as they are taken");
    if (group.is_persistent) text += ", persistent Sessions";
    if (publishing.process != Process::silent) {
        text += fmt::format("; publishes {}, QoS {}, {}{}", process_in_words(publishing),
                            static_cast<unsigned>(publishing.qos), sizes_in_words(publishing),
                            publishing.retain ? ", retained" : "");
        if (publishing.audience.kind == Audience::Kind::own_topic)
            text += fmt::format(", {} topics", publishing.audience.topics);
    }
    if (group.subscribing.is_any()) {
        text +=
            fmt::format("; subscribes with QoS {}{}", static_cast<unsigned>(group.subscribing.qos),
                        group.subscribing.is_shared ? ", shared" : "");
    }
    return text;
}

}  // namespace

std::optional<std::string> problem_of(const Workload& workload) {
    if (workload.groups.empty()) return "the workload has no clients; give it a group";
    if (workload.groups.size() > 255) return "the workload has more than 255 groups; join some";
    if (workload.clients() > clients_max)
        return fmt::format("{} clients are more than {}", workload.clients(), clients_max);
    if (workload.run_id.empty()) return "the run has no id to name its clients and topics with";
    if (workload.interval < 10 * millisecond) return "intervals below 10 ms say nothing";
    for (const auto& group : workload.groups) {
        if (const auto problem = problem_of(workload, group)) return group.name + ": " + *problem;
    }
    return std::nullopt;
}

std::vector<std::string> settings_of(const Workload& workload) {
    std::vector<std::string> settings{
        fmt::format("target: {}", workload.target.url),
        fmt::format("version: MQTT {}", workload.version == ProtocolVersion::v5 ? "5.0" : "3.1.1"),
        fmt::format("seed: {}", workload.seed)};
    for (const auto& group : workload.groups) settings.push_back(group_in_words(group));
    settings.push_back(fmt::format("hold {:.6g} s, measured {:.6g} s, points every {:.6g} s",
                                   in_seconds(workload.hold), in_seconds(workload.measure),
                                   in_seconds(workload.interval)));
    return settings;
}

namespace {

struct Scheme {
    std::string_view name;
    std::uint16_t port;
    bool has_tls;
    bool is_web;
};
constexpr std::array schemes{Scheme{"mqtt://", 1883, false, false},
                             Scheme{"mqtts://", 8883, true, false},
                             Scheme{"ws://", 80, false, true}, Scheme{"wss://", 443, true, true}};

}  // namespace

std::optional<Target> parse_target(std::string_view url, std::string& problem) {
    const auto fail = [&](std::string_view why) {
        problem = fmt::format("--target {}: {}; write mqtt://HOST:PORT, mqtts://HOST:PORT, "
                              "ws://HOST:PORT/PATH or wss://HOST:PORT/PATH",
                              url, why);
        return std::nullopt;
    };
    Target target;
    target.url = std::string{url};
    const auto* const scheme =
        std::ranges::find_if(schemes, [&](const Scheme& one) { return url.starts_with(one.name); });
    if (scheme == schemes.end())
        return fail("only mqtt://, mqtts://, ws:// and wss:// can be loaded");
    url.remove_prefix(scheme->name.size());
    target.has_tls = scheme->has_tls;
    target.is_web = scheme->is_web;
    target.port = scheme->port;
    if (const auto slash = url.find('/'); target.is_web && slash != std::string_view::npos) {
        target.path = std::string{url.substr(slash)};
        url = url.substr(0, slash);
        const auto is_printable = [](char one) { return one > ' ' && one < '\x7F'; };
        if (!std::ranges::all_of(target.path, is_printable)) return fail("no path of a URL");
    }
    if (url.ends_with('/')) url.remove_suffix(1);
    if (url.find('/') != std::string_view::npos) return fail("a path is for ws:// and wss:// only");
    if (const auto at = url.rfind('@'); at != std::string_view::npos)
        return fail("names and passwords go into --user and --password");
    auto colon = url.rfind(':');
    if (url.starts_with('[')) {
        const auto end = url.find(']');
        if (end == std::string_view::npos) return fail("'[' without ']'");
        target.host = std::string{url.substr(1, end - 1)};
        colon = end + 1 < url.size() && url[end + 1] == ':' ? end + 1 : std::string_view::npos;
        if (colon == std::string_view::npos && end + 1 != url.size())
            return fail("no ':' after ']'");
    } else {
        target.host = std::string{url.substr(0, colon)};
    }
    if (target.host.empty()) return fail("no host");
    if (colon != std::string_view::npos) {
        const auto text = url.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), target.port);
        if (error != std::errc{} || end != text.data() + text.size() || target.port == 0)
            return fail(fmt::format("'{}' is no port", text));
    }
    return target;
}

std::optional<std::vector<std::string>> parse_sources(std::string_view text, std::string& problem) {
    constexpr std::uint32_t sources_max = 65'536;
    std::vector<std::string> sources;
    const auto number_of = [](std::string_view address) -> std::optional<std::uint32_t> {
        in_addr raw{};
        if (inet_pton(AF_INET, std::string{address}.c_str(), &raw) != 1) return std::nullopt;
        return ntohl(raw.s_addr);
    };
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        const auto dash = part.find('-');
        const auto first = number_of(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last - *first >= sources_max) {
            problem = fmt::format(
                "--source {}: no address of IPv4, nor two with a dash; e.g. 127.0.0.2-127.0.0.80",
                part);
            return std::nullopt;
        }
        for (auto number = *first; number <= *last; ++number) {
            const in_addr raw{htonl(number)};
            char name[INET_ADDRSTRLEN] = {};
            inet_ntop(AF_INET, &raw, name, sizeof name);
            sources.emplace_back(name);
            if (number == ~std::uint32_t{0}) break;
        }
    }
    return sources;
}

}  // namespace touchstone::load
