#include "planner/models/estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "planner/models/activity.hpp"

namespace touchstone::planner {

namespace {

/// CPU seconds a second that the demand takes on the nodes that are asked about, all together.
double work_total(const Calibration& calibration, const Demand& demand, const Question& question) {
    const auto part = demand.scaled(1.0 / question.nodes);
    return question.nodes * (processor_time(calibration, part, question.servers).value +
                             admissions_of(calibration, part));
}

/// So many nodes, as many as have servers that are as busy as is planned for.
double nodes_for_work(const Calibration& calibration, const Demand& demand,
                      const Question& question) {
    const double all_alone =
        work_of(calibration, demand.rates()).value + admissions_of(calibration, demand);
    if (all_alone <= 0) return 0;
    double nodes = all_alone / (question.servers * question.busy_max);
    for (int i = 0; i < 8; ++i) {
        const auto part = demand.scaled(1 / nodes);
        const double busy = (processor_time(calibration, part, question.servers).value +
                             admissions_of(calibration, part)) /
                            question.servers;
        nodes *= busy / question.busy_max;
        constexpr double near_enough = 1e-4;
        if (std::abs(busy / question.busy_max - 1) < near_enough) break;
    }
    return nodes;
}

/// Scale at which a node's servers do not keep up any more, however much they do at once.
double saturation_of(const Calibration& calibration, const Demand& demand,
                     const Question& question) {
    const auto part = demand.scaled(1.0 / question.nodes);
    const double admissions = admissions_of(calibration, part);
    const double alone = work_of(calibration, part.rates()).value + admissions;
    if (alone <= 0) return 0;
    double low = question.servers / alone;
    const double least = calibration.cpu.mean_at(part.rates()).value + admissions;
    if (!calibration.gathers || calibration.shares_queue || least <= 0) return low;
    double high = question.servers / least;
    for (int i = 0; i < 12 && high > low * 1.005; ++i) {
        const double middle = std::sqrt(low * high);
        const bool holds = activity_of(calibration, part.scaled(middle), question.servers).keeps_up;
        (holds ? low : high) = middle;
    }
    return low;
}

std::vector<MemoryPart> memory_parts(const Calibration& calibration, const Holdings& holdings) {
    std::vector<MemoryPart> parts;
    for (std::size_t i = 0; i < holding_count; ++i) {
        if (holdings[i] <= 0) continue;
        const auto each = calibration.memory.coefficient(i);
        parts.push_back({.name = holding_names[i],
                         .count = holdings[i],
                         .bytes = {.value = each.value * holdings[i],
                                   .half_width = each.half_width * holdings[i]}});
    }
    return parts;
}

double nodes_needed(const Calibration& calibration, const Demand& demand,
                    const Question& question) {
    const double by_work = nodes_for_work(calibration, demand, question);
    if (question.memory_bytes <= 0) return by_work;
    // Each node has a process of its own; the rest is shared out.
    auto shared = demand.holdings;
    at(shared, Holding::process) = 0;
    const double base = calibration.memory.coefficients[0];
    const double room = question.memory_bytes * memory_share_max - base;
    const double by_memory = room > 0 ? memory_of(calibration, shared).value / room : INFINITY;
    return std::max(by_work, by_memory);
}

std::vector<Sensitivity> sensitivities(const Calibration& calibration, const Demand& demand,
                                       const Question& question) {
    struct Change {
        std::string what;
        std::function<void(Demand&)> apply;
    };
    constexpr double more = 1.1;
    const auto scale_streams = [](double Stream::*field) {
        return [field](Demand& one) {
            for (auto& stream : one.streams) stream.*field *= more;
        };
    };
    const std::vector<Change> changes{
        {"connections",
         [](Demand& one) {
             at(one.holdings, Holding::connection) *= more;
             at(one.holdings, Holding::subscription) *= more;
             one.pings_per_s *= more;
         }},
        {"message rate", scale_streams(&Stream::messages_per_s)},
        {"receivers of a message", scale_streams(&Stream::receivers)},
        {"payload size", scale_streams(&Stream::payload_bytes)},
        {"pings", [](Demand& one) { one.pings_per_s *= more; }},
        {"connects of devices that sleep",
         [](Demand& one) {
             one.connects_per_s *= more;
             one.handshakes_per_s *= more;
             one.subscribes_per_s *= more;
             one.retained_per_s *= more;
             one.retained_bytes_per_s *= more;
         }},
        {"subscriptions", [](Demand& one) { at(one.holdings, Holding::subscription) *= more; }},
        {"Retained Messages",
         [](Demand& one) {
             at(one.holdings, Holding::retained) *= more;
             at(one.holdings, Holding::retained_byte) *= more;
         }},
        {"Sessions of clients that are away",
         [](Demand& one) {
             at(one.holdings, Holding::session) *= more;
             at(one.holdings, Holding::queue) *= more;
             at(one.holdings, Holding::queued) *= more;
             at(one.holdings, Holding::queued_byte) *= more;
         }},
        {"QoS 0 instead",
         [](Demand& one) {
             for (auto& stream : one.streams) stream.qos = 0;
         }},
    };
    const auto share = [](double after, double before) {
        return before > 0 ? after / before - 1 : 0;
    };
    const auto traffic = [](const Demand& one) {
        const auto use = network_of(one);
        return use.in + use.out;
    };
    std::vector<Sensitivity> all;
    for (const auto& change : changes) {
        auto changed = demand;
        change.apply(changed);
        Sensitivity one{.what =
                            change.what == "QoS 0 instead" ? change.what : change.what + " + 10 %",
                        .processor = share(work_total(calibration, changed, question),
                                           work_total(calibration, demand, question)),
                        .memory = share(memory_of(calibration, changed.holdings).value,
                                        memory_of(calibration, demand.holdings).value),
                        .network = share(traffic(changed), traffic(demand)),
                        .nodes = share(nodes_needed(calibration, changed, question),
                                       nodes_needed(calibration, demand, question))};
        const double most = std::max({std::abs(one.processor), std::abs(one.memory),
                                      std::abs(one.network), std::abs(one.nodes)});
        if (most > 0.0005) all.push_back(one);
    }
    std::ranges::stable_sort(all, [](const Sensitivity& left, const Sensitivity& right) {
        const auto weight = [](const Sensitivity& one) {
            return std::pair{std::abs(one.nodes), std::abs(one.processor) + std::abs(one.memory)};
        };
        return weight(left) > weight(right);
    });
    return all;
}

/// The most load that keeps p99 below what is asked for, when operations cost `dearer` times as
/// much.
double knee_at(const Calibration& calibration, const Demand& demand, const Question& question,
               double saturation, double wait_factor, double dearer) {
    auto changed = calibration;
    changed.wait_factor = {.value = wait_factor};
    for (auto& each : changed.cpu.coefficients) each *= dearer;
    // No intervals: only the value is looked at.
    std::ranges::fill(changed.cpu.covariance, 0);
    const auto holds = [&](double scale) {
        const auto point = load_point(changed, demand, question, scale);
        const auto& p99 = point.latency_s[2];
        return p99 && p99->value <= question.latency_max_s;
    };
    double low = 0;
    double high = saturation * 1.02 / dearer;
    for (int i = 0; i < 10; ++i) {
        const double middle = (low + high) / 2;
        (holds(middle) ? low : high) = middle;
    }
    return low;
}

std::optional<Band> knee_of(const Calibration& calibration, const Demand& demand,
                            const Question& question, double saturation) {
    const bool has_messages = std::ranges::any_of(demand.streams, [](const Stream& stream) {
        return stream.messages_per_s > 0 && stream.receivers > 0;
    });
    const bool knows_p99 = std::ranges::any_of(
        calibration.latencies, [](const BaseLatency& one) { return supports(one.samples, 0.99); });
    if (!has_messages || !knows_p99 || saturation <= 0) return std::nullopt;
    auto quick = question;
    quick.arrivals = question.arrivals / 3;
    const auto& factor = calibration.wait_factor;
    const auto work = work_of(calibration, demand.rates());
    const double unsure = work.value > 0 ? std::min(0.5, work.half_width / work.value) : 0;
    return Band{.value = knee_at(calibration, demand, quick, saturation, factor.value, 1),
                .low = knee_at(calibration, demand, quick, saturation,
                               factor.value + factor.half_width, 1 + unsure),
                .high = knee_at(calibration, demand, quick, saturation,
                                std::max(0.0, factor.value - factor.half_width), 1 - unsure)};
}

void add_marks(Estimate& result, const Calibration& calibration, const Demand& part,
               const Question& question) {
    const double servers_measured = calibration.servers;
    if (question.servers > servers_measured) {
        result.marks.push_back(fmt::format(
            "{} servers of a node, {} measured: each is taken to do as much as one alone{}",
            question.servers, calibration.servers,
            question.servers > extrapolation_max * servers_measured ? " (forced)" : ""));
    }
    for (std::size_t i = 1; i < holding_count; ++i) {
        const double measured = calibration.memory_range[i];
        const bool is_far = part.holdings[i] > extrapolation_max * measured;
        if (!is_far || part.holdings[i] <= 0) continue;
        result.marks.push_back(fmt::format("{}: {:.0f} on a node, at most {:.0f} measured",
                                           holding_names[i], part.holdings[i], measured));
    }
    if (question.nodes > 1) {
        result.marks.push_back(
            "nodes: load is shared out evenly, and what nodes send each other is not counted");
    }
    for (const auto& stream : part.streams) {
        const bool is_measured = std::ranges::any_of(
            calibration.latencies, [&](const BaseLatency& one) { return one.qos == stream.qos; });
        if (stream.receivers > 0 && !is_measured) {
            result.marks.push_back(
                fmt::format("{}: latency at QoS {} was not measured", stream.name, stream.qos));
        }
    }
}

std::string nodes_text(double nodes) {
    return fmt::format("{:.0f} node{}", nodes, nodes == 1 ? "" : "s");
}

/// What would do instead.
std::string remedy_of(const Estimate& result, const Question& question) {
    const auto& quiet =
        result.curve.empty() ? std::optional<Band>{} : result.curve.front().latency_s[2];
    if (quiet && quiet->value > question.latency_max_s) {
        return fmt::format(
            "More nodes do not help: on a quiet broker p99 was {:.3g} ms already, on "
            "the machine that was calibrated",
            quiet->value * 1e3);
    }
    const double needed = std::ceil(result.nodes_needed);
    if (needed > question.nodes) return fmt::format("{} would do", nodes_text(needed));
    return "Ask for more nodes, or for a higher limit of p99";
}

void judge(Estimate& result, const Question& question) {
    std::vector<std::string> reasons;
    const double busy = result.busy.value;
    if (result.saturation < 1) {
        reasons.push_back(fmt::format("the servers are saturated at {:.0f} % of this load",
                                      result.saturation * 100));
    } else if (busy > question.busy_max) {
        reasons.push_back(fmt::format("its servers would be busy {:.0f} % of their time, {:.0f} % "
                                      "are planned for",
                                      busy * 100, question.busy_max * 100));
    }
    if (question.memory_bytes > 0 &&
        result.memory.value > question.memory_bytes * memory_share_max) {
        reasons.push_back(fmt::format(
            "it would take {:.3g} GB of memory, and a node has {:.3g} GB, "
            "of which {:.0f} % are planned for",
            result.memory.value / 1e9, question.memory_bytes / 1e9, memory_share_max * 100));
    }
    const auto& p99 = result.now.latency_s[2];
    if (p99 && p99->value > question.latency_max_s) {
        reasons.push_back(fmt::format("p99 would be {:.3g} ms, {:.3g} ms are asked for",
                                      p99->value * 1e3, question.latency_max_s * 1e3));
    }
    result.fits = reasons.empty();
    const auto nodes = nodes_text(question.nodes);
    if (result.fits) {
        result.words.push_back(fmt::format(
            "Fits on {}: servers busy {:.0f} % of their time, {:.3g} GB of memory each.", nodes,
            busy * 100, result.memory.value / 1e9));
    } else {
        std::string why;
        for (const auto& reason : reasons) why += (why.empty() ? "" : "; ") + reason;
        result.words.push_back(fmt::format("Does not fit on {}, because {}. {}.", nodes, why,
                                           remedy_of(result, question)));
    }
    if (result.knee && result.knee->value > 0) {
        result.words.push_back(fmt::format(
            "Knee: {:.2f} times this load ({:.2f} to {:.2f}), {:.0f} messages a second; beyond it "
            "p99 exceeds {:.3g} ms.",
            result.knee->value, result.knee->low, result.knee->high,
            result.knee->value * result.messages_per_s, question.latency_max_s * 1e3));
    } else if (result.saturation > 0) {
        result.words.push_back(fmt::format(
            "Its servers have no time left at {:.2f} times this load.", result.saturation));
    }
    if (question.nodes > 1 && result.one_node_lost) {
        const auto& lost = *result.one_node_lost;
        result.words.push_back(
            lost.busy >= 1 ? "With one node lost the others cannot keep up."
                           : fmt::format("With one node lost the others are busy {:.0f} % of their "
                                         "time.",
                                         lost.busy * 100));
    }
    for (const auto& storm : result.storms) {
        if (!storm.holds) result.words.push_back(storm.what + ". " + storm.words);
    }
    if (!result.sensitivities.empty() && result.sensitivities.front().nodes > 0) {
        const auto& first = result.sensitivities.front();
        result.words.push_back(fmt::format("What moves the nodes most: {} means {:+.1f} %.",
                                           first.what, first.nodes * 100));
    }
}

}  // namespace

std::optional<std::string> refusal_of(const Calibration& calibration, const Demand& demand,
                                      const Question& question) {
    if (question.servers > extrapolation_max * calibration.servers && !question.is_forced) {
        return fmt::format(
            "{} servers on a node, but {} measured: beyond {:.0f} times that a prediction is a "
            "guess. Calibrate a broker with more servers, ask about more nodes, or add --force",
            question.servers, calibration.servers, extrapolation_max);
    }
    if (demand.handshakes_per_s > 0 && calibration.tls_handshake_s.value <= 0) {
        return "the fleet has TLS, and the calibration has none; calibrate with --tls-target";
    }
    return std::nullopt;
}

Estimate estimate(const Calibration& calibration, const Demand& demand, const Question& question) {
    Estimate result;
    const auto part = demand.scaled(1.0 / question.nodes);
    const auto busy = processor_time(calibration, part, question.servers);
    result.processor = {.value = busy.value + admissions_of(calibration, part),
                        .half_width = busy.half_width};
    result.busy = {.value = result.processor.value / question.servers,
                   .half_width = result.processor.half_width / question.servers};
    result.memory_parts = memory_parts(calibration, part.holdings);
    result.memory = memory_of(calibration, part.holdings);
    result.network = network_of(part);
    for (const auto& stream : demand.streams) {
        result.messages_per_s += stream.messages_per_s;
        result.deliveries_per_s += stream.messages_per_s * stream.receivers;
    }
    result.saturation = saturation_of(calibration, demand, question);
    result.now = load_point(calibration, demand, question, 1);
    if (result.saturation > 0) {
        for (const double share :
             {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97}) {
            result.curve.push_back(
                load_point(calibration, demand, question, result.saturation * share));
        }
    }
    result.knee = knee_of(calibration, demand, question, result.saturation);
    const double all = question.servers * question.nodes;
    const double work = work_total(calibration, demand, question);
    const double spare = all * question.busy_max - work;
    if (question.nodes > 1) {
        auto fewer = question;
        --fewer.nodes;
        result.one_node_lost = load_point(calibration, demand, fewer, 1);
    }
    result.storms = forecast_arrivals(calibration, demand, std::max(0.0, spare));
    for (auto& burst :
         forecast_bursts(calibration, demand, std::max(0.0, all - work), question.latency_max_s)) {
        result.storms.push_back(std::move(burst));
    }
    result.sensitivities = sensitivities(calibration, demand, question);
    result.nodes_needed = nodes_needed(calibration, demand, question);
    add_marks(result, calibration, part, question);
    judge(result, question);
    return result;
}

}  // namespace touchstone::planner
