#include "simulator/shrink.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "simulator/defect_choice.hpp"
#include "simulator/scenario.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace protobuf = google::protobuf;
using scenario::Scenario;
using scenario::Step;

bool is_fault(const Step& step) {
    switch (step.what_case()) {
        case Step::kConnect:
        case Step::kDisconnect:
        case Step::kVanish:
        case Step::kAcknowledgements:
        case Step::kCompletions:
        case Step::kRaw:
        case Step::kRawToClient:
        case Step::kLeaveApplication:
        case Step::kReturnApplication:
        case Step::kStall:
        case Step::kDrop:
        case Step::kCut:
        case Step::kHalfOpen:
        case Step::kStopReading:
        case Step::kCrash:
        case Step::kStop:
        case Step::kCrashClient:
        case Step::kSetClock:
        case Step::kPause:
        case Step::kDisk:
        case Step::kChangePath:
        case Step::kSetLink:
        case Step::kPartition:
        case Step::kResetAfter: return true;
        default: return false;
    }
}

protobuf::Message& what_of(Step& step) {
    const auto* const chosen =
        step.GetReflection()->GetOneofFieldDescriptor(step, step.GetDescriptor()->oneof_decl(0));
    return *step.GetReflection()->MutableMessage(&step, chosen);
}

namespace {

const protobuf::FieldDescriptor* client_field_of(const protobuf::Message& what) {
    const auto* const client = what.GetDescriptor()->FindFieldByName("client");
    return client != nullptr ? client : what.GetDescriptor()->FindFieldByName("link");
}

}  // namespace

std::string client_of(Step step) {
    const auto& what = what_of(step);
    const auto* const field = client_field_of(what);
    return field == nullptr ? std::string{} : what.GetReflection()->GetString(what, field);
}

void set_client(Step& step, const std::string& client) {
    auto& what = what_of(step);
    what.GetReflection()->SetString(&what, client_field_of(what), client);
}

namespace {

template <class Repeated, class Predicate>
void keep_if(Repeated& all, Predicate predicate) {
    Repeated kept;
    int i = 0;
    for (const auto& one : all) {
        if (predicate(i++)) *kept.Add() = one;
    }
    all.Swap(&kept);
}

/// One step per publication.
void split_publications(Scenario& scenario) {
    protobuf::RepeatedPtrField<Step> steps;
    for (const auto& step : scenario.steps()) {
        const int count = std::max(1, step.publish().messages_size());
        for (int i = 0; i < count; ++i) {
            auto& one = *steps.Add() = step;
            if (count == 1) continue;
            one.mutable_publish()->clear_messages();
            *one.mutable_publish()->add_messages() = step.publish().messages(i);
        }
    }
    scenario.mutable_steps()->Swap(&steps);
}

class Shrinker {
public:
    Shrinker(Scenario scenario, const Fingerprint& fingerprint, const ShrinkOptions& options)
        : best_{std::move(scenario)},
          fingerprint_{fingerprint},
          options_{options} {}

    Shrunk shrink() {
        Shrunk result{.fingerprint = fingerprint_, .before = size_of(best_)};
        split_publications(best_);
        for (bool is_first = true; is_first || has_changed_; is_first = false) {
            has_changed_ = false;
            remove_steps([](const Step& step) { return is_fault(step); });
            weaken_faults();
            remove_clients();
            remove_steps([](const Step& step) { return step.has_publish(); });
            remove_steps([](const Step&) { return true; });
            remove_subscriptions();
            shorten();
            forget_limits();
            if (is_enough_) break;
        }
        result.after = size_of(best_);
        result.runs = runs_;
        result.is_complete = !is_enough_;
        result.scenario = std::move(best_);
        return result;
    }

private:
    bool has_fingerprint(const Scenario& candidate) {
        if (is_enough_ || runs_ >= options_.runs_max ||
            (options_.is_time_up && options_.is_time_up())) {
            is_enough_ = true;
            return false;
        }
        // What is left is to be a file, and a run takes for granted what is asked of files: that a
        // disk that fails is there, for one.
        if (!parse_scenario("candidate", file_text(candidate, "")).problems.empty()) return false;
        ++runs_;
        const auto broken = fingerprint_of(run_scenario(candidate, {}));
        if (!broken) return false;
        const auto contains = [](const std::vector<std::string>& all, const std::string& one) {
            return std::ranges::find(all, one) != all.end();
        };
        return contains(broken->also, fingerprint_.invariant) &&
               std::ranges::all_of(broken->also, [&](const std::string& one) {
                   return contains(fingerprint_.also, one);
               });
    }

    /// Becomes what the next changes are made to, if it still fails in the same way.
    bool take_if_it_fails(Scenario candidate) {
        if (!has_fingerprint(candidate)) return false;
        best_ = std::move(candidate);
        has_changed_ = true;
        return true;
    }

    /// Delta debugging: halves, quarters, …, single ones of the steps that `is_meant`.
    template <class Meant>
    void remove_steps(Meant is_meant) {
        for (std::size_t parts = 1;;) {
            std::vector<int> meant;
            for (int i = 0; i < best_.steps_size(); ++i) {
                if (is_meant(best_.steps(i))) meant.push_back(i);
            }
            if (meant.empty() || is_enough_) return;
            parts = std::min(parts, meant.size());
            const bool has_removed = remove_one_part(meant, parts);
            if (has_removed) {
                parts = std::max<std::size_t>(1, parts - 1);
            } else if (parts == meant.size()) {
                return;
            } else {
                parts = std::min(2 * parts, meant.size());
            }
        }
    }

    bool remove_one_part(const std::vector<int>& meant, std::size_t parts) {
        for (std::size_t part = parts; part-- > 0;) {  // late ones are needed least
            const auto begin =
                meant.begin() + static_cast<std::ptrdiff_t>(meant.size() * part / parts);
            const auto end =
                meant.begin() + static_cast<std::ptrdiff_t>(meant.size() * (part + 1) / parts);
            Scenario candidate = best_;
            keep_if(*candidate.mutable_steps(),
                    [&](int i) { return !std::binary_search(begin, end, i); });
            if (take_if_it_fails(std::move(candidate))) return true;
        }
        return false;
    }

    void weaken_faults() {
        for (int i = 0; i < best_.steps_size() && !is_enough_; ++i) {
            if (!is_fault(best_.steps(i))) continue;
            for (const char* const name : {"for_ms", "restart_after_ms"}) halve(i, name);
            narrow_direction(i);
        }
    }

    void halve(int index, const char* name) {
        while (!is_enough_) {
            Scenario candidate = best_;
            auto& what = what_of(*candidate.mutable_steps(index));
            const auto* const field = what.GetDescriptor()->FindFieldByName(name);
            if (field == nullptr) return;
            const auto before = what.GetReflection()->GetUInt32(what, field);
            if (before <= 1) return;
            what.GetReflection()->SetUInt32(&what, field, before / 2);
            if (!take_if_it_fails(std::move(candidate))) return;
        }
    }

    void narrow_direction(int index) {
        for (const auto direction : {scenario::to_broker, scenario::to_client}) {
            Scenario candidate = best_;
            auto& what = what_of(*candidate.mutable_steps(index));
            const auto* const field = what.GetDescriptor()->FindFieldByName("direction");
            if (field == nullptr) return;
            if (what.GetReflection()->GetEnumValue(what, field) != scenario::both) return;
            what.GetReflection()->SetEnumValue(&what, field, direction);
            if (take_if_it_fails(std::move(candidate))) return;
        }
    }

    void remove_clients() {
        for (int i = best_.clients_size() - 1; i >= 0 && !is_enough_; --i) {
            const auto name = best_.clients(i).name();
            Scenario candidate = best_;
            keep_if(*candidate.mutable_steps(),
                    [&](int step) { return client_of(best_.steps(step)) != name; });
            auto& workload = *candidate.mutable_workload();
            const auto& members = best_.workload().clients();
            keep_if(*workload.mutable_clients(), [&](int at) { return members[at] != name; });
            if (workload.clients().empty()) candidate.clear_workload();
            // First as if it had never been. What others draw may depend on how many are before
            // them, so else it is left there and does nothing.
            Scenario without = candidate;
            without.mutable_clients()->DeleteSubrange(i, 1);
            keep_if(*without.mutable_bridges(), [&](int bridge) {
                return best_.bridges(bridge).one() != name && best_.bridges(bridge).other() != name;
            });
            keep_if(*without.mutable_defects(),
                    [&](int defect) { return !best_.defects(defect).ends_with("@" + name); });
            const bool was_active =
                candidate.steps_size() != best_.steps_size() ||
                candidate.workload().clients_size() != best_.workload().clients_size();
            if (take_if_it_fails(std::move(without))) continue;
            if (was_active) take_if_it_fails(std::move(candidate));
        }
    }

    void remove_subscriptions() {
        for (int i = 0; i < best_.steps_size() && !is_enough_; ++i) {
            for (int j = best_.steps(i).subscribe().subscriptions_size() - 1; j >= 0; --j) {
                if (best_.steps(i).subscribe().subscriptions_size() == 1) break;
                Scenario candidate = best_;
                candidate.mutable_steps(i)
                    ->mutable_subscribe()
                    ->mutable_subscriptions()
                    ->DeleteSubrange(j, 1);
                take_if_it_fails(std::move(candidate));
            }
        }
        for (int i = 0; i < best_.clients_size() && !is_enough_; ++i) {
            for (int j = best_.clients(i).subscriptions_size() - 1; j >= 0; --j) {
                Scenario candidate = best_;
                candidate.mutable_clients(i)->mutable_subscriptions()->DeleteSubrange(j, 1);
                take_if_it_fails(std::move(candidate));
            }
        }
    }

    /// Waits as short as they can be by halving, from the last to the first.
    void shorten() {
        for (int i = best_.steps_size(); i >= 0 && !is_enough_; --i) {
            while (true) {
                const auto before = i == 0 ? 0 : best_.steps(i - 1).at_ms();
                const auto end = best_.duration_ms() - best_.settle_ms();
                const auto now = i == best_.steps_size() ? end : best_.steps(i).at_ms();
                if (now <= before + 1) break;
                const auto saved = (now - before) / 2;
                Scenario candidate = best_;
                for (int j = i; j < candidate.steps_size(); ++j) {
                    candidate.mutable_steps(j)->set_at_ms(candidate.steps(j).at_ms() - saved);
                }
                candidate.set_duration_ms(candidate.duration_ms() - saved);
                auto& workload = *candidate.mutable_workload();
                if (workload.to_ms() > 0)
                    workload.set_to_ms(workload.to_ms() - std::min(saved, workload.to_ms() - 1));
                if (!best_.has_workload()) candidate.clear_workload();
                if (!take_if_it_fails(std::move(candidate))) break;
            }
        }
    }

    /// Every option of a client or node that may as well have its default.
    void forget_limits() {
        for (int i = 0; i < best_.clients_size() && !is_enough_; ++i) {
            forget_fields(
                [i](Scenario& all) -> protobuf::Message& { return *all.mutable_clients(i); },
                {"name", "client_id", "node", "subscriptions", "count", "pool", "only_raw"});
        }
        for (int i = 0; i < best_.nodes_size() && !is_enough_; ++i) {
            forget_fields(
                [i](Scenario& all) -> protobuf::Message& { return *all.mutable_nodes(i); },
                {"name", "settings"});
            if (!best_.nodes(i).has_settings()) continue;
            forget_fields([i](Scenario& all) -> protobuf::Message& {
                return *all.mutable_nodes(i)->mutable_settings();
            });
            auto& node = *best_.mutable_nodes(i);
            if (node.settings().ByteSizeLong() == 0) node.clear_settings();
        }
    }

    template <class Part>
    void forget_fields(Part part, const std::set<std::string>& kept = {}) {
        std::vector<const protobuf::FieldDescriptor*> fields;
        const auto& described = part(best_);
        described.GetReflection()->ListFields(described, &fields);
        for (const auto* const field : fields) {
            if (kept.contains(field->name())) continue;
            Scenario candidate = best_;
            auto& message = part(candidate);
            message.GetReflection()->ClearField(&message, field);
            take_if_it_fails(std::move(candidate));
        }
    }

    Scenario best_;
    const Fingerprint& fingerprint_;
    const ShrinkOptions& options_;
    std::uint64_t runs_ = 0;
    bool has_changed_ = false;
    bool is_enough_ = false;
};

}  // namespace

ScenarioSize size_of(const Scenario& scenario) {
    ScenarioSize size;
    for (const auto& step : scenario.steps()) {
        if (is_fault(step)) {
            ++size.faults;
        } else if (step.has_publish()) {
            size.messages += static_cast<std::size_t>(step.publish().messages_size());
        } else if (!step.has_snapshot()) {
            ++size.others;
        }
    }
    size.clients = static_cast<std::size_t>(scenario.clients_size());
    return size;
}

std::optional<Fingerprint> fingerprint_of(const Outcome& outcome) {
    Fingerprint result;
    std::size_t first = 0;
    for (const auto& one : outcome.invariants) {
        if (one.failures.empty()) continue;
        const auto entry = std::ranges::min(one.failures, {}, [](const Failure& failure) {
                               return failure.entry;
                           }).entry;
        if (result.also.empty() || entry < first) {
            first = entry;
            result.invariant = one.checker->id;
        }
        result.also.emplace_back(one.checker->id);
    }
    if (result.also.empty()) return std::nullopt;
    return result;
}

Scenario unroll(const Scenario& scenario, const RunOptions& options, const Outcome& outcome) {
    Scenario result = outcome.drawn;
    result.set_seed(outcome.seed);
    for (auto& client : *result.mutable_clients()) {
        if (client.version() != 3) continue;
        // Drawn and not used: a file must not say it.
        client.clear_session_expiry_s();
        client.clear_receive_maximum();
        client.clear_will_delay_s();
        client.clear_topic_alias_max();
    }
    if (options.shard_count) {
        for (auto& node : *result.mutable_nodes()) node.set_shards(*options.shard_count);
    }
    // By their clients, since the proofs that say it otherwise are left out.
    result.clear_defects();
    for (const auto& text : outcome.defects) {
        const auto choice = choose_defect(scenario, text);
        for (const auto& client : choice.clients) result.add_defects(choice.name + "@" + client);
        if (choice.clients.empty()) result.add_defects(text);
    }
    if (!outcome.defects.empty()) result.set_expected_verdict(scenario::fail);
    result.clear_proofs();
    result.clear_expectations();
    result.clear_catalogue();
    result.clear_story();

    result.clear_steps();
    for (const auto& step : scenario.steps()) {
        if (!step.has_snapshot()) *result.add_steps() = step;
    }
    result.mutable_steps()->MergeFrom(outcome.schedule);
    std::stable_sort(result.mutable_steps()->begin(), result.mutable_steps()->end(),
                     [](const Step& a, const Step& b) { return a.at_ms() < b.at_ms(); });
    if (scenario.has_workload()) {
        auto& workload = *result.mutable_workload();
        workload.Clear();
        workload.set_only_end(true);
        workload.set_to_ms(scenario.workload().to_ms());
        *workload.mutable_clients() = scenario.workload().clients();
    }
    return result;
}

Shrunk shrink(Scenario scenario, const Fingerprint& fingerprint, const ShrinkOptions& options) {
    return Shrinker{std::move(scenario), fingerprint, options}.shrink();
}

}  // namespace touchstone::simulator
