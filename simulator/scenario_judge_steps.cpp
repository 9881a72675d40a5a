// What happens at set instants.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "broker/wire/primitives.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/scenario_judge.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

void ScenarioJudge::judge_change_path(const Place& place, const scenario::ChangePath& change) {
    const auto found =
        std::ranges::find(scenario_.clients(), change.client(), &scenario::Client::name);
    if (found == scenario_.clients().end()) return;
    const auto count = static_cast<std::uint32_t>(found->paths_size());
    if (change.path() <= count) return;
    complain(place, "path",
             fmt::format("{} is none of '{}', which has paths 0..{}", change.path(),
                         change.client(), count));
}

void ScenarioJudge::check_jump(const Place& place, const std::string& field,
                               std::int64_t value_ms) {
    // Of either sign; dates of a computer that lost its clock are not farther away.
    constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 86'400 * 1'000;
    if (value_ms >= -century_ms && value_ms <= century_ms) return;
    complain(place, field, fmt::format("{} is more than a hundred years", value_ms));
}

void ScenarioJudge::judge_disk(const Place& place, const scenario::DiskFault& fault) {
    if (!has_disk(fault.node())) {
        complain(place, place.has("node") ? "node" : "",
                 "a node without a disk; add `storage {}` to it");
    }
    const bool is_slow = fault.trouble() == scenario::slow_sync;
    if (is_slow && !fault.has_sync_ms_high()) {
        complain(place, "sync_ms_high", "is missing; or name another `trouble`");
    }
    for (const auto* field : {"sync_ms_low", "sync_ms_high"}) {
        if (!is_slow && place.has(field)) complain(place, field, "is for slow_sync alone");
        check_range(place, field, 0, 1'000);
    }
    if (is_slow && fault.has_sync_ms_high()) {
        check_order(place, "sync_ms_low", fault.sync_ms_low(), "sync_ms_high",
                    fault.sync_ms_high());
    }
    if (fault.trouble() != scenario::lost && fault.has_batches()) {
        complain(place, "batches", "is for `lost` alone");
    }
    check_range(place, "batches", 1, 1'000);
}

void ScenarioJudge::judge_set_clock(const Place& place, const scenario::SetClock& change) {
    if (!change.client().empty() && !change.node().empty()) {
        complain(place, "client", "and a node; name one of them");
    }
    if (!change.client().empty() && change.jump_ms() != 0) {
        complain(place, "jump_ms", "is for nodes; a client reads no wall clock");
    }
    if (!change.has_drift_ppm() && (change.jump_ms() == 0 || !change.client().empty())) {
        complain(place, "drift_ppm", "is missing; say what changes, drift_ppm or jump_ms");
    }
    check_drift(place, change.drift_ppm());
    check_jump(place, "jump_ms", change.jump_ms());
}

void ScenarioJudge::judge_acknowledgements(const Place& place,
                                           const scenario::Acknowledgements& policy) {
    if (policy.delay_ms_high() == 0) return;
    check_order(place, "delay_ms_low", policy.delay_ms_low(), "delay_ms_high",
                policy.delay_ms_high());
}

void ScenarioJudge::judge_publication(const Place& place, const scenario::Publication& publication,
                                      bool may_be_empty) {
    if (!wire::is_topic_name(publication.topic()) || !wire::is_utf8_string(publication.topic())) {
        complain(
            place, "topic",
            fmt::format("'{}' is no Topic Name; not empty, no wildcards", publication.topic()));
    }
    if (publication.payload().empty()) {
        if (may_be_empty && publication.retain()) return;
        return complain(place, "payload",
                        "is missing; only `retain: true` may have none, to delete");
    }
    const auto [known, is_new] = payloads_.emplace(publication.payload(), place.name);
    if (is_new) return;
    complain(place, "payload",
             fmt::format("'{}' is the payload of {} already; checkers know a "
                         "message by it, so each is unique",
                         publication.payload(), known->second));
}

void ScenarioJudge::judge_subscription(const Place& place,
                                       const scenario::Subscription& subscription) {
    if (!wire::is_topic_filter(subscription.filter())) {
        complain(place, "filter",
                 fmt::format("'{}' is no Topic Filter; wildcards fill whole levels, # is last",
                             subscription.filter()));
    }
    check_range(place, "retain_handling", 0, 2);
}

void ScenarioJudge::check_return(const Place& place, bool is_for_good,
                                 std::uint32_t restart_after_ms) {
    if (is_for_good && restart_after_ms != 0)
        complain(place, "restart_after_ms", "is said of a node that goes for good; leave one out");
}

void ScenarioJudge::judge_step(int index) {
    using Step = scenario::Step;
    const auto& step = scenario_.steps(index);
    const auto step_place = root_.in("steps", index);
    if (step.at_ms() > scenario_.duration_ms()) {
        complain(step_place, "at_ms",
                 fmt::format("{} is behind the end of the run, duration_ms {}", step.at_ms(),
                             scenario_.duration_ms()));
    }
    if (step.what_case() == Step::WHAT_NOT_SET) {
        auto known = field_names(*Step::descriptor());
        std::erase(known, "at_ms");
        return complain(step_place, "",
                        fmt::format("nothing happens; add one of {}", fmt::join(known, ", ")));
    }
    const auto* field = Step::descriptor()->FindFieldByNumber(step.what_case());
    const auto place = step_place.in(field->name());
    // Every step names a client, a link (which is a client's) or a node.
    for (const auto* name : {"client", "link"}) {
        const auto* named = place.field(name);
        if (named == nullptr) continue;
        // A step that may be a node's as well.
        if (place.field("node") != nullptr && !place.has(name)) continue;
        const auto value = place.message->GetReflection()->GetString(*place.message, named);
        check_client(place, name, value);
        const bool is_crowd = std::ranges::find(crowds_, value) != crowds_.end();
        if (is_crowd && step.what_case() != Step::kConnect) {
            complain(place, name,
                     fmt::format("'{}' has a count; only `connect` is for all", value));
        }
    }
    if (const auto* named = place.field("node")) {
        check_node(place, place.message->GetReflection()->GetString(*place.message, named));
    }
    switch (step.what_case()) {
        case Step::kConnect:
            check_range(place, "receive_maximum", 1, 65'535);
            check_range(place, "keep_alive_s", 0, 65'535);
            if (step.connect().has_will()) {
                judge_publication(place.in("will"), step.connect().will(), false);
            }
            return;
        case Step::kSubscribe:
            if (step.subscribe().subscriptions_size() == 0) {
                complain(place, "subscriptions", "is missing; at least one");
            }
            for (int i = 0; i < step.subscribe().subscriptions_size(); ++i) {
                judge_subscription(place.in("subscriptions", i), step.subscribe().subscriptions(i));
            }
            return;
        case Step::kUnsubscribe:
            if (step.unsubscribe().filters_size() == 0) {
                complain(place, "filters", "is missing; at least one");
            }
            return;
        case Step::kPublish:
            if (step.publish().messages_size() == 0) {
                complain(place, "messages", "is missing; at least one");
            }
            for (int i = 0; i < step.publish().messages_size(); ++i) {
                judge_publication(place.in("messages", i), step.publish().messages(i), true);
            }
            return;
        case Step::kAcknowledgements:
            return judge_acknowledgements(place.in("policy"), step.acknowledgements().policy());
        case Step::kCompletions:
            return judge_acknowledgements(place.in("policy"), step.completions().policy());
        case Step::kResetAfter:
            check_range(place, "bytes", 1, 0xFFFF'FFFF);
            if (step.reset_after().bytes() == 0) {
                complain(place, "bytes", "is missing; at least 1");
            }
            if (step.reset_after().direction() == scenario::both) {
                complain(place, "direction", "is missing; to_broker or to_client");
            }
            return;
        case Step::kRaw:
        case Step::kRawToClient: {
            const auto& hex = step.has_raw() ? step.raw().hex() : step.raw_to_client().hex();
            const auto is_digit = [](char c) {
                return std::isxdigit(static_cast<unsigned char>(c)) != 0;
            };
            const auto digits = std::ranges::count_if(hex, is_digit);
            const auto blanks = std::ranges::count(hex, ' ');
            if (digits == 0 || digits % 2 != 0 ||
                digits + blanks != static_cast<std::ptrdiff_t>(hex.size())) {
                complain(place, "hex", "pairs of hexadecimal digits and blanks, e.g. \"c0 00\"");
            }
            return;
        }
        case Step::kChangePath: return judge_change_path(place, step.change_path());
        case Step::kSetLink: return judge_link(place.in("model"), step.set_link().model());
        case Step::kDisk: return judge_disk(place, step.disk());
        case Step::kCrash:
            return check_return(place, step.crash().for_good(), step.crash().restart_after_ms());
        case Step::kStop:
            return check_return(place, step.stop().for_good(), step.stop().restart_after_ms());
        case Step::kPartition: return judge_partition(place, step.partition());
        case Step::kSetClock: return judge_set_clock(place, step.set_clock());
        case Step::kAccessRules:
            return check_access_rules(place, "rules", step.access_rules().rules());
        case Step::kDisconnect:
        case Step::kVanish:
        case Step::kAcknowledge:
        case Step::kStall:
        case Step::kDrop:
        case Step::kCut:
        case Step::kHalfOpen:
        case Step::kStopReading:
        case Step::kPause:
        case Step::kSnapshot:
        case Step::kCrashClient:
        case Step::kLeaveApplication:
        case Step::kReturnApplication:
        case Step::WHAT_NOT_SET: return;
    }
}

}  // namespace touchstone::simulator
