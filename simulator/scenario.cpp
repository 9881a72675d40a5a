#include "simulator/scenario.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "broker/wire/primitives.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/scenario_place.hpp"
#include "simulator/sometimes.hpp"
#include "simulator/text_format.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

namespace protobuf = google::protobuf;

namespace {

bool is_of_disks(int disturbance) {
    return disturbance >= scenario::slow_disk && disturbance <= scenario::tear_batch;
}

/// Everything that the schema cannot say.
class Judge {
public:
    Judge(const std::string& path, const scenario::Scenario& scenario, const Place::Tree& tree,
          std::vector<std::string>& problems)
        : path_{path},
          scenario_{scenario},
          root_{&scenario, &tree, ""},
          problems_{problems} {}

    void judge() {
        if (scenario_.description().empty()) {
            complain(root_, "description", "is missing; say in one sentence what is shown");
        }
        if (scenario_.duration_ms() == 0) {
            complain(root_, "duration_ms", "is missing; at least 1");
        }
        if (scenario_.settle_ms() > scenario_.duration_ms()) {
            complain(root_, "settle_ms",
                     fmt::format("{} is more than duration_ms, {}", scenario_.settle_ms(),
                                 scenario_.duration_ms()));
        }
        judge_catalogue();
        judge_actors();
        for (int i = 0; i < scenario_.steps_size(); ++i) judge_step(i);
        if (scenario_.has_workload()) judge_workload();
        judge_names();
        for (int i = 0; i < scenario_.expectations_size(); ++i) {
            const auto place = root_.in("expectations", i);
            if (!scenario_.expectations(i).has_received()) {
                complain(place, "", "expects nothing; known: received");
                continue;
            }
            check_client(place.in("received"), "client",
                         scenario_.expectations(i).received().client());
        }
    }

private:
    void complain(const Place& place, const std::string& field, const std::string& what,
                  int index = 0) {
        int line = place.line_of(field, index);
        if (line < 0) line = 0;
        std::string name = place.name;
        if (!field.empty()) name += (name.empty() ? "" : ".") + field;
        problems_.push_back(fmt::format("{}:{}: {}: {}", path_, line + 1, name, what));
    }

    void check_range(const Place& place, const std::string& field, std::uint64_t low,
                     std::uint64_t high) {
        if (!place.has(field)) return;
        const auto* descriptor = place.field(field);
        const auto* reflection = place.message->GetReflection();
        const std::uint64_t value =
            descriptor->cpp_type() == protobuf::FieldDescriptor::CPPTYPE_UINT64
                ? reflection->GetUInt64(*place.message, descriptor)
                : reflection->GetUInt32(*place.message, descriptor);
        if (value >= low && value <= high) return;
        complain(place, field, fmt::format("{} is not in {}..{}", value, low, high));
    }

    void check_order(const Place& place, const std::string& low_field, std::uint64_t low,
                     const std::string& high_field, std::uint64_t high) {
        if (low <= high) return;
        complain(place, high_field, fmt::format("{} is less than {}, {}", high, low_field, low));
    }

    void check_client(const Place& place, const std::string& field, const std::string& name,
                      int index = 0) {
        if (name.empty()) return complain(place, field, "is missing; name a client", index);
        if (std::ranges::find(clients_, name) != clients_.end()) return;
        complain(place, field,
                 fmt::format("no client is called '{}'{}", name, remedy(name, clients_)), index);
    }

    void check_node(const Place& place, const std::string& name) {
        if (name.empty() || std::ranges::find(nodes_, name) != nodes_.end()) return;
        complain(place, "node",
                 fmt::format("no node is called '{}'{}", name, remedy(name, nodes_)));
    }

    void judge_catalogue() {
        if (scenario_.catalogue().empty()) {
            if (!scenario_.story().empty()) {
                complain(root_, "story",
                         "is for entries of the catalogue; name one, or use a comment");
            }
            return;
        }
        if (scenario_.story().empty()) {
            complain(root_, "story", "is missing; two sentences on what went wrong, for the index");
        }
        if (scenario_.references_size() == 0) {
            complain(root_, "references", "is missing; where the defect was published");
        }
        if (scenario_.proofs_size() == 0) {
            complain(root_, "proofs",
                     "is missing; name the defect switch and the invariant that it breaks");
        }
    }

    void check_access_rules(const Place& place, const std::string& field, const std::string& text) {
        const auto rules = access::AccessRules::parse(text);
        if (rules) return;
        complain(place, field,
                 fmt::format("rule line {}, column {}: {}", rules.error().line,
                             rules.error().column, rules.error().message));
    }

    void judge_actors() {
        if (scenario_.nodes_size() == 0) {
            complain(root_, "nodes", "is missing; add `nodes { name: \"broker\" }`");
        }
        for (int i = 0; i < scenario_.nodes_size(); ++i) {
            const auto place = root_.in("nodes", i);
            add_name(place,
                     scenario_.nodes(i).name().empty() ? "broker" : scenario_.nodes(i).name(),
                     nodes_);
            check_range(place, "shards", 0, 64);
            check_range(place, "accepts_per_s", 0, 1'000'000);
            const auto& node = scenario_.nodes(i);
            if (node.has_clock()) judge_clock(place.in("clock"), node.clock());
            if (node.has_shard_delay_us_low() || node.has_shard_delay_us_high()) {
                check_order(place, "shard_delay_us_low",
                            node.has_shard_delay_us_low() ? node.shard_delay_us_low() : 5,
                            "shard_delay_us_high",
                            node.has_shard_delay_us_high() ? node.shard_delay_us_high() : 500);
            }
            if (node.has_storage()) {
                const auto& disk = node.storage();
                check_order(place.in("storage"), "sync_ms_low",
                            disk.has_sync_ms_low() ? disk.sync_ms_low() : 1, "sync_ms_high",
                            disk.has_sync_ms_high() ? disk.sync_ms_high() : 5);
            }
            if (!node.has_settings()) continue;
            const auto settings = place.in("settings");
            for (const auto* field : {"inflight_max", "receive_maximum", "packet_id_max"}) {
                check_range(settings, field, 1, 65'535);
            }
            check_range(settings, "keep_alive_s_max", 0, 65'535);
            if (node.settings().has_awaiting_release_max()) {
                check_range(settings, "awaiting_release_max", 1, 0xFFFF'FFFF);
            }
            check_access_rules(settings, "access_rules", node.settings().access_rules());
            check_range(settings, "topic_alias_max", 0, 65'535);
            check_range(settings, "packet_size_bytes_max", 64, 0xFFFF'FFFF);
        }
        for (int i = 0; i < scenario_.clients_size(); ++i) judge_client(i);
        for (int i = 0; i < scenario_.bridges_size(); ++i) {
            const auto place = root_.in("bridges", i);
            const auto& bridge = scenario_.bridges(i);
            check_client(place, "one", bridge.one());
            check_client(place, "other", bridge.other());
            if (bridge.one() == bridge.other()) {
                complain(place, "other", "is the same client; a bridge has two ends");
            }
        }
    }

    void add_name(const Place& place, const std::string& name, std::vector<std::string>& list) {
        if (name.empty()) return complain(place, "name", "is missing; every client has a name");
        const bool is_known = std::ranges::find(nodes_, name) != nodes_.end() ||
                              std::ranges::find(clients_, name) != clients_.end();
        if (is_known) complain(place, "name", fmt::format("'{}' is taken; names are unique", name));
        list.push_back(name);
    }

    void judge_client(int index) {
        const auto& client = scenario_.clients(index);
        const auto place = root_.in("clients", index);
        add_name(place, client.name(), clients_);
        check_range(place, "count", 0, 10'000);
        if (client.count() > 1) crowds_.push_back(client.name());
        if (client.version() != 0 && client.version() != 3 && client.version() != 5) {
            complain(place, "version",
                     fmt::format("{} is neither 3 (MQTT 3.1.1) nor 5", client.version()));
        }
        check_range(place, "receive_maximum", 1, 65'535);
        check_range(place, "keep_alive_s", 0, 65'535);
        check_range(place, "packet_id_max", 1, 65'535);
        check_range(place, "inflight_max", 1, 65'535);
        check_range(place, "answer_timeout_ms", 1, 0xFFFF'FFFF);
        check_range(place, "topic_alias_max", 0, 65'535);
        if (client.version() != 3 && client.retry_interval_ms() != 0) {
            complain(place, "retry_interval_ms", "is MQTT 3.1.1 only; use version: 3");
        }
        if (client.version() == 3) {
            for (const auto* field :
                 {"session_expiry_s", "receive_maximum", "will_delay_s", "topic_alias_max"}) {
                if (place.has(field)) complain(place, field, "is MQTT 5.0 only; use version: 5");
            }
        }
        if (client.has_will()) judge_publication(place.in("will"), client.will(), false);
        if (client.has_acknowledgements()) {
            judge_acknowledgements(place.in("acknowledgements"), client.acknowledgements());
        }
        if (client.has_completions()) {
            judge_acknowledgements(place.in("completions"), client.completions());
        }
        if (client.has_reconnect()) {
            const auto& reconnect = client.reconnect();
            check_order(place.in("reconnect"), "delay_ms_low",
                        reconnect.has_delay_ms_low() ? reconnect.delay_ms_low() : 100,
                        "delay_ms_high",
                        reconnect.has_delay_ms_high() ? reconnect.delay_ms_high() : 500);
        }
        if (client.has_link()) judge_link(place.in("link"), client.link());
        for (int i = 0; i < client.paths_size(); ++i) {
            judge_link(place.in("paths", i), client.paths(i));
        }
        check_node(place, client.node());
        if (client.has_clock()) {
            judge_clock(place.in("clock"), client.clock());
            if (client.clock().offset_ms() != 0) {
                complain(place.in("clock"), "offset_ms",
                         "is for nodes; a client reads no wall clock");
            }
        }
        for (int i = 0; i < client.subscriptions_size(); ++i) {
            judge_subscription(place.in("subscriptions", i), client.subscriptions(i));
        }
    }

    void judge_link(const Place& place, const scenario::Link& link) {
        check_range(place, "buffer_bytes", 1, 0xFFFF'FFFF);
        if (!link.has_delay_us_high()) return;
        check_order(place, "delay_us", link.has_delay_us() ? link.delay_us() : 1'000,
                    "delay_us_high", link.delay_us_high());
    }

    void judge_change_path(const Place& place, const scenario::ChangePath& change) {
        const auto found =
            std::ranges::find(scenario_.clients(), change.client(), &scenario::Client::name);
        if (found == scenario_.clients().end()) return;
        const auto count = static_cast<std::uint32_t>(found->paths_size());
        if (change.path() <= count) return;
        complain(place, "path",
                 fmt::format("{} is none of '{}', which has paths 0..{}", change.path(),
                             change.client(), count));
    }

    void check_drift(const Place& place, std::int32_t drift_ppm) {
        if (Drift{drift_ppm} >= drift_min && Drift{drift_ppm} <= drift_max) return;
        complain(place, "drift_ppm",
                 fmt::format("{} is not in {}..{}", drift_ppm, drift_min.ppm, drift_max.ppm));
    }

    void judge_clock(const Place& place, const scenario::Clock& clock) {
        check_drift(place, clock.drift_ppm());
        check_jump(place, "offset_ms", clock.offset_ms());
    }

    void check_jump(const Place& place, const std::string& field, std::int64_t value_ms) {
        // Of either sign; dates of a computer that lost its clock are not farther away.
        constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 86'400 * 1'000;
        if (value_ms >= -century_ms && value_ms <= century_ms) return;
        complain(place, field, fmt::format("{} is more than a hundred years", value_ms));
    }

    [[nodiscard]] bool has_disk(const std::string& node) const {
        const auto is_it = [&](const scenario::Node& one) {
            return node.empty() || (one.name().empty() ? "broker" : one.name()) == node;
        };
        const auto found = std::ranges::find_if(scenario_.nodes(), is_it);
        return found == scenario_.nodes().end() || found->has_storage();
    }

    void judge_disk(const Place& place, const scenario::DiskFault& fault) {
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

    void judge_set_clock(const Place& place, const scenario::SetClock& change) {
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

    void judge_acknowledgements(const Place& place, const scenario::Acknowledgements& policy) {
        if (policy.delay_ms_high() == 0) return;
        check_order(place, "delay_ms_low", policy.delay_ms_low(), "delay_ms_high",
                    policy.delay_ms_high());
    }

    void judge_publication(const Place& place, const scenario::Publication& publication,
                           bool may_be_empty) {
        if (!wire::is_topic_name(publication.topic()) ||
            !wire::is_utf8_string(publication.topic())) {
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

    void judge_subscription(const Place& place, const scenario::Subscription& subscription) {
        if (!wire::is_topic_filter(subscription.filter())) {
            complain(place, "filter",
                     fmt::format("'{}' is no Topic Filter; wildcards fill whole levels, # is last",
                                 subscription.filter()));
        }
        check_range(place, "retain_handling", 0, 2);
    }

    void judge_step(int index) {
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
                    judge_subscription(place.in("subscriptions", i),
                                       step.subscribe().subscriptions(i));
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
                    complain(place, "hex",
                             "pairs of hexadecimal digits and blanks, e.g. \"c0 00\"");
                }
                return;
            }
            case Step::kChangePath: return judge_change_path(place, step.change_path());
            case Step::kSetLink: return judge_link(place.in("model"), step.set_link().model());
            case Step::kDisk: return judge_disk(place, step.disk());
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
            case Step::kCrash:
            case Step::kStop:
            case Step::kPause:
            case Step::kSnapshot:
            case Step::kCrashClient:
            case Step::kLeaveApplication:
            case Step::kReturnApplication:
            case Step::WHAT_NOT_SET: return;
        }
    }

    void judge_workload() {
        const auto& workload = scenario_.workload();
        const auto place = root_.in("workload");
        for (int i = 0; i < workload.clients_size(); ++i) {
            const auto& name = workload.clients(i);
            check_client(place, "clients", name, i);
            if (std::ranges::find(crowds_, name) != crowds_.end()) {
                complain(place, "clients",
                         fmt::format("'{}' has a `count`; a workload takes single clients", name),
                         i);
            }
        }
        for (int i = 0; i < workload.publishers_size(); ++i) {
            const auto& name = workload.publishers(i);
            check_client(place, "publishers", name, i);
            if (std::ranges::find(workload.clients(), name) == workload.clients().end()) {
                complain(place, "publishers", fmt::format("'{}' is not among `clients`", name), i);
            }
        }
        if (workload.clients_size() == 0) complain(place, "clients", "is missing; at least one");
        if (workload.only_end()) return;
        if (workload.topics_size() == 0) complain(place, "topics", "is missing; at least one");
        if (workload.filters_size() == 0) complain(place, "filters", "is missing; at least one");
        for (int i = 0; i < workload.topics_size(); ++i) {
            for (const auto& publisher : publishers_of(workload)) {
                const auto topic = topic_of(workload.topics(i), publisher);
                if (wire::is_topic_name(topic)) continue;
                complain(place, "topics", fmt::format("'{}' is no Topic Name", topic), i);
                break;
            }
        }
        for (int i = 0; i < workload.filters_size(); ++i) {
            if (wire::is_topic_filter(workload.filters(i))) continue;
            complain(place, "filters", fmt::format("'{}' is no Topic Filter", workload.filters(i)),
                     i);
        }
        if (workload.publish_every_ms_low() == 0) {
            complain(place, "publish_every_ms_low", "is missing; at least 1");
        }
        check_order(place, "publish_every_ms_low", workload.publish_every_ms_low(),
                    "publish_every_ms_high", workload.publish_every_ms_high());
        if (workload.disturbances_size() > 0) {
            if (workload.disturb_every_ms_low() == 0) {
                complain(place, "disturb_every_ms_low", "is missing; at least 1");
            }
            check_order(place, "disturb_every_ms_low", workload.disturb_every_ms_low(),
                        "disturb_every_ms_high", workload.disturb_every_ms_high());
            check_order(place, "disturb_for_ms_low", workload.disturb_for_ms_low(),
                        "disturb_for_ms_high", workload.disturb_for_ms_high());
        }
        for (int i = 0; i < workload.disturbances_size(); ++i) {
            const auto one = workload.disturbances(i);
            if (!is_of_disks(one) || has_disk("")) continue;
            complain(
                place, "disturbances",
                fmt::format("{} takes a disk, which the first node has not; add `storage {{}}` "
                            "to it",
                            scenario::Disturbance_Name(one)),
                i);
        }
        check_range(place, "retain_per_mille", 0, 1'000);
        check_range(place, "delete_per_mille", 0, 1'000);
        check_range(place, "expire_per_mille", 0, 1'000);
        check_order(place, "expiry_s_low", workload.expiry_s_low(), "expiry_s_high",
                    workload.expiry_s_high());
        judge_disturbances(place, workload);
    }

    void judge_disturbances(const Place& place, const scenario::Workload& workload) {
        for (int i = 0; i < workload.visitors_size(); ++i) {
            const auto& name = workload.visitors(i);
            check_client(place, "visitors", name, i);
            if (std::ranges::find(workload.clients(), name) == workload.clients().end()) continue;
            complain(
                place, "visitors",
                fmt::format("'{}' is among `clients`; a visitor has no part in the rest", name), i);
        }
        for (int i = 0; i < workload.access_rules_size(); ++i) {
            check_access_rules(place, "access_rules", workload.access_rules(i));
        }
        for (int i = 0; i < workload.disturbances_size(); ++i) {
            const auto one = static_cast<scenario::Disturbance>(workload.disturbances(i));
            const bool takes_visitor =
                one == scenario::visit || one == scenario::wrong_acknowledgement ||
                one == scenario::overrun || one == scenario::trickle ||
                one == scenario::spoilt_connect || one == scenario::silent_visit ||
                one == scenario::overlong_length;
            if (takes_visitor && workload.visitors_size() == 0) {
                complain(place, "disturbances",
                         fmt::format("{} is what `visitors` do; name at least one there",
                                     scenario::Disturbance_Name(one)),
                         i);
            }
            if (one == scenario::change_access_rules && workload.access_rules_size() == 0) {
                complain(place, "disturbances",
                         "change_access_rules chooses from `access_rules`; give at least one there",
                         i);
            }
        }
    }

    void judge_proof(const Place& place, const scenario::Proof& proof) {
        if (const auto problem = problem_of_defect(proof.defect())) {
            return complain(place, "defect", *problem);
        }
        if (proof.client_size() > 0 && !is_defect_of_clients(proof.defect())) {
            complain(place, "client",
                     fmt::format("'{}' is a defect of nodes; leave `client` out", proof.defect()));
        }
        for (int i = 0; i < proof.client_size(); ++i) {
            check_client(place, "client", proof.client(i), i);
        }
    }

    void judge_names() {
        std::vector<std::string> invariants;
        for (const auto& checker : all_checkers()) invariants.emplace_back(checker.id);
        const auto check = [&](const Place& place, const std::string& field,
                               const std::string& name, const std::vector<std::string>& known,
                               std::string_view kind, int index) {
            if (std::ranges::find(known, name) != known.end()) return;
            complain(place, field, fmt::format("'{}' is no {}{}", name, kind, remedy(name, known)),
                     index);
        };
        for (int i = 0; i < scenario_.invariants_size(); ++i) {
            check(root_, "invariants", scenario_.invariants(i), invariants, "invariant", i);
        }
        std::vector<std::string> conditions;
        for (const auto& one : sometimes_conditions) conditions.emplace_back(one.name);
        for (int i = 0; i < scenario_.sometimes_size(); ++i) {
            check(root_, "sometimes", scenario_.sometimes(i), conditions, "condition", i);
        }
        for (int i = 0; i < scenario_.defects_size(); ++i) {
            const auto& text = scenario_.defects(i);
            if (const auto problem = problem_of_defect(text)) {
                complain(root_, "defects", *problem, i);
                continue;
            }
            for (const auto& name : choose_defect(scenario_, text).clients) {
                check_client(root_, "defects", name, i);
            }
        }
        for (int i = 0; i < scenario_.proofs_size(); ++i) {
            const auto& proof = scenario_.proofs(i);
            const auto place = root_.in("proofs", i);
            judge_proof(place, proof);
            check(place, "invariant", proof.invariant(), invariants, "invariant", 0);
            for (int k = 0; k < proof.also_size(); ++k) {
                check(place, "also", proof.also(k), invariants, "invariant", k);
            }
        }
    }

    const std::string& path_;
    const scenario::Scenario& scenario_;
    Place root_;
    std::vector<std::string>& problems_;
    std::vector<std::string> nodes_;
    std::vector<std::string> clients_;
    std::vector<std::string> crowds_;              // clients with a count
    std::map<std::string, std::string> payloads_;  // → the field that has it
};

}  // namespace

LoadedScenario load_scenario(const std::string& path) {
    LoadedScenario loaded;
    loaded.path = path;
    const auto text = read_text_file(path, "name a scenario file (*.textproto)", loaded.problems);
    return text ? parse_scenario(path, *text) : loaded;
}

LoadedScenario parse_scenario(const std::string& path, const std::string& text) {
    LoadedScenario loaded;
    loaded.path = path;
    Place::Tree tree;
    if (!parse_text(path, text, loaded.scenario, &tree, loaded.problems)) return loaded;
    Judge{path, loaded.scenario, tree, loaded.problems}.judge();
    return loaded;
}

std::string story_of(std::string_view text) {
    std::string story;
    while (text.starts_with('#')) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(1, end - 1);
        if (line.starts_with(' ')) line.remove_prefix(1);
        story += line;
        story += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return story;
}

}  // namespace touchstone::simulator
