#include "simulator/run.hpp"

#include <algorithm>
#include <map>

#include "broker/base/check.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/probe.hpp"
#include "simulator/set_up.hpp"
#include "simulator/swarm.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

namespace {

/// The steps of a scenario as events of its world.
class Run final : private EventHandler {
public:
    Run(const scenario::Scenario& scenario, const RunOptions& options)
        : scenario_{scenario},
          outcome_{.seed = options.seed.value_or(scenario.seed())},
          world_{*(outcome_.world = std::make_unique<World>(outcome_.seed))},
          owner_{world_.engine().add_handler(*this)} {
        outcome_.defects.assign(scenario.defects().begin(), scenario.defects().end());
        outcome_.defects.insert(outcome_.defects.end(), options.defects.begin(),
                                options.defects.end());
        outcome_.shard_count = options.shard_count;
        std::ranges::sort(outcome_.defects);
        // Not std::ranges::unique: clang 14 does not compile what it returns.
        outcome_.defects.erase(std::unique(outcome_.defects.begin(), outcome_.defects.end()),
                               outcome_.defects.end());
        draw_limits(scenario_, world_.engine());
        add_nodes(options);
        client_id_prefix_ = options.client_id_prefix;
        add_clients();
        schedule_all();
        is_watching_ = options.watches_sessions;
        is_to_end_ = options.is_to_end;
        after_event_ = options.after_event;
        if (options.kill) kill_.emplace(world_, *options.kill);
        watched_.resize(world_.client_count());
        if (options.look_at) {
            world_.engine().schedule(run_begin + *options.look_at, {owner_, look, 0, 0});
            if (options.only_looks) only_looks_until_ = options.look_at;
        }
    }

    Outcome finish() {
        if (only_looks_until_) {
            world_.run_until(run_begin + *only_looks_until_);
            return std::move(outcome_);
        }
        const Instant end = run_begin + milliseconds(scenario_.duration_ms());
        take_steps(end);
        if (!outcome_.was_ended) world_.run_until(end);
        outcome_.was_killed = kill_ && kill_->has_happened();
        world_.finish();
        judge_invariants();
        if (!outcome_.was_ended) judge_expectations();
        outcome_.drawn = std::move(scenario_);
        return std::move(outcome_);
    }

private:
    enum EventKind : std::uint16_t { step, end_fault, settle, look, agree };

    /// One event after the other, as long as there is something to do between them.
    void take_steps(Instant end) {
        constexpr std::uint64_t events_between_questions = 256;
        auto& engine = world_.engine();
        while (is_watching_ || is_to_end_ || after_event_ || kill_) {
            const bool asks = engine.executed_events() % events_between_questions == 0;
            if (is_to_end_ && asks && is_to_end_()) {
                outcome_.was_ended = true;
                return;
            }
            if (!engine.step(end)) return;
            if (is_watching_) note_changes();
            if (kill_) kill_->after_event();
            if (after_event_) after_event_(world_);
        }
    }

    void add_nodes(const RunOptions& run_options) {
        Defects defects;
        for (const auto& text : outcome_.defects) {
            const auto choice = choose_defect(scenario_, text);
            if (choice.is_in_nodes) CHECK(turn_on(defects, choice.name));
        }
        if (scenario_.has_cluster()) {
            const auto rules = cluster_rules(scenario_.cluster());
            world_.make_cluster(rules, static_cast<unsigned>(scenario_.nodes_size()),
                                mesh_options(scenario_.cluster(), rules), replicants());
        }
        for (int i = 0; i < scenario_.nodes_size(); ++i) {
            const auto& node = scenario_.nodes(i);
            const auto name = node_name(node);
            if (run_options.outside != nullptr) {
                nodes_.emplace(name, world_.add_outside_node(name, run_options.promises,
                                                             *run_options.outside));
                continue;
            }
            // One broker has the settings of its first node, wherever it runs.
            const bool is_one_broker = judged_as(scenario_) == JudgedAs::one_broker;
            NodeOptions options = node_options(is_one_broker ? scenario_.nodes(0) : node);
            options.defects = defects;
            if (run_options.shard_count) options.shard_count = *run_options.shard_count;
            if (options.storage) options.storage->make_medium = run_options.make_medium;
            const auto index = world_.add_node(name, options);
            node_order_.push_back(index);
            if (node.has_clock()) world_.set_clock(index, clock_of(node.clock()));
            nodes_.emplace(name, index);
        }
    }

    [[nodiscard]] std::vector<cluster::NodeIndex> replicants() const {
        const auto& names = scenario_.cluster().replicants();
        std::vector<cluster::NodeIndex> indexes;
        for (int i = 0; i < scenario_.nodes_size(); ++i)
            if (std::ranges::find(names, node_name(scenario_.nodes(i))) != names.end())
                indexes.emplace_back(static_cast<std::uint32_t>(i));
        return indexes;
    }

    void add_clients() {
        for (const auto& client : scenario_.clients()) {
            if (client.count() < 2) {
                add_client(client, client.name());
                continue;
            }
            for (std::uint32_t number = 1; number <= client.count(); ++number) {
                const auto name = client.name() + "-" + std::to_string(number);
                crowds_[client.name()].push_back(add_client(client, name));
            }
        }
        for (const auto& bridge : scenario_.bridges()) {
            world_.add_bridge(this->client(bridge.one()), this->client(bridge.other()));
        }
        if (scenario_.has_cluster() && scenario_.settle_ms() > 0)
            probe_ = std::make_unique<ClusterProbe>(world_, node_order_, client_id_prefix_);
    }

    ClientIndex add_client(const scenario::Client& client, const std::string& name) {
        ClientOptions options = client_options(client);
        if (!client.has_client_id()) options.client_id = name;
        if (!options.client_id.empty()) options.client_id.insert(0, client_id_prefix_);
        turn_defects_on(options.defects, client.name());
        const auto index = world_.add_client(name, std::move(options), node_of(client.node()),
                                             link_model(client.link()));
        if (client.has_clock()) world_.set_clock(index, clock_of(client.clock()));
        for (const auto& node : client.failover_nodes())
            world_.add_failover(index, node_of(node), link_model(client.link()));
        for (const auto& path : client.paths()) world_.add_path(index, link_model(path));
        clients_.emplace(name, index);
        std::vector<Wish> wishes;
        for (const auto& one : client.subscriptions()) wishes.push_back(wish(one));
        if (!wishes.empty()) world_.subscribe(index, wishes);
        if (!client.pool().empty()) world_.add_to_pool(index, client.pool());
        return index;
    }

    void turn_defects_on(ClientDefects& defects, const std::string& client) {
        for (const auto& text : outcome_.defects) {
            const auto choice = choose_defect(scenario_, text);
            const bool is_named = std::ranges::find(choice.clients, client) != choice.clients.end();
            if (is_named || choice.is_in_all_clients) CHECK(turn_on(defects, choice.name));
        }
    }

    void schedule_all() {
        const Instant end = run_begin + milliseconds(scenario_.duration_ms());
        const Instant settles_at = end - milliseconds(scenario_.settle_ms());
        for (int i = 0; i < scenario_.steps_size(); ++i) {
            world_.engine().schedule(run_begin + milliseconds(scenario_.steps(i).at_ms()),
                                     {owner_, step, static_cast<std::uint32_t>(i), 0});
        }
        if (scenario_.settle_ms() > 0) {
            world_.engine().schedule(settles_at, {owner_, settle, 0, 0});
            if (probe_)
                world_.engine().schedule(settles_at + world_.trace().cluster.converges_within,
                                         {owner_, agree, 0, 0});
        }
        if (!scenario_.has_workload()) return;
        std::vector<ClientIndex> clients;
        for (const auto& name : scenario_.workload().clients()) clients.push_back(client(name));
        const auto to_ms = scenario_.workload().to_ms();
        const Instant until =
            to_ms == 0 ? settles_at : std::min(settles_at, run_begin + milliseconds(to_ms));
        workload_ = std::make_unique<Workload>(world_, scenario_, clients, until,
                                               [this](const scenario::Step& what) {
                                                   *outcome_.schedule.Add() = what;
                                                   take_step(what);
                                               });
    }

    void on_event(const Event& event) override {
        switch (static_cast<EventKind>(event.kind)) {
            case step: return take_step(scenario_.steps(static_cast<int>(event.subject)));
            case end_fault: return world_.end_fault(event.subject);
            case settle: return world_.settle();
            case look: return look_now();
            case agree: world_.note_agreement(); return probe_->begin();
        }
        UNREACHABLE();
    }

    void take_step(const scenario::Step& what) {
        using Step = scenario::Step;
        switch (what.what_case()) {
            case Step::kConnect: return connect(what.connect());
            case Step::kDisconnect: {
                const auto& disconnect = what.disconnect();
                std::optional<std::uint32_t> expiry_s;
                if (disconnect.has_session_expiry_s()) expiry_s = disconnect.session_expiry_s();
                return world_.disconnect(client(disconnect.client()),
                                         disconnect.with_will()
                                             ? ReasonCode::disconnect_with_will_message
                                             : ReasonCode::success,
                                         expiry_s);
            }
            case Step::kVanish: return world_.vanish(client(what.vanish().client()));
            case Step::kSubscribe: {
                std::vector<Wish> wishes;
                for (const auto& one : what.subscribe().subscriptions()) {
                    wishes.push_back(wish(one));
                }
                return world_.subscribe(client(what.subscribe().client()), wishes);
            }
            case Step::kUnsubscribe: {
                const auto& filters = what.unsubscribe().filters();
                return world_.unsubscribe(client(what.unsubscribe().client()),
                                          {filters.begin(), filters.end()});
            }
            case Step::kPublish:
                for (const auto& message : what.publish().messages()) {
                    world_.publish(client(what.publish().client()), publication(message));
                }
                return;
            case Step::kAcknowledge:
                return world_.acknowledge(client(what.acknowledge().client()),
                                          what.acknowledge().has_count()
                                              ? what.acknowledge().count()
                                              : ~std::uint64_t{0});
            case Step::kAcknowledgements:
                return world_.set_acknowledgements(client(what.acknowledgements().client()),
                                                   ack_policy(what.acknowledgements().policy()));
            case Step::kCompletions:
                return world_.set_completions(client(what.completions().client()),
                                              ack_policy(what.completions().policy()));
            case Step::kRaw: return send_raw(what.raw());
            case Step::kRawToClient:
                return world_.send_raw_to(client(what.raw_to_client().client()),
                                          bytes_of_hex(what.raw_to_client().hex()));
            case Step::kLeaveApplication:
                return world_.set_listening(client(what.leave_application().client()), false);
            case Step::kReturnApplication:
                return world_.set_listening(client(what.return_application().client()), true);
            case Step::kCrashClient: {
                const auto& crash = what.crash_client();
                const auto fault = world_.begin_client_crash(client(crash.client()));
                if (crash.restart_after_ms() == 0) return world_.end_fault(fault);
                return lasting(fault, crash.restart_after_ms());
            }
            case Step::kResetAfter: {
                const auto& reset = what.reset_after();
                return world_.reset_after(client(reset.link()),
                                          reset.direction() == scenario::to_broker
                                              ? Direction::to_broker
                                              : Direction::to_client,
                                          reset.bytes());
            }
            case Step::kStall:
                return lasting(world_.begin_stall(client(what.stall().link()),
                                                  directions(what.stall().direction())),
                               what.stall().for_ms());
            case Step::kDrop:
                return lasting(world_.begin_drop(client(what.drop().link()),
                                                 directions(what.drop().direction())),
                               what.drop().for_ms());
            case Step::kCut: {
                const auto fault = world_.begin_cut(client(what.cut().link()));
                if (what.cut().for_ms() == 0) return world_.end_fault(fault);
                return lasting(fault, what.cut().for_ms());
            }
            case Step::kHalfOpen:
                return world_.half_open(client(what.half_open().link()),
                                        directions(what.half_open().direction()));
            case Step::kStopReading:
                return lasting(world_.begin_slow_reading(client(what.stop_reading().client())),
                               what.stop_reading().for_ms());
            case Step::kCrash: {
                const auto fault =
                    world_.begin_crash(node_of(what.crash().node()), what.crash().silent());
                if (what.crash().for_good()) return world_.make_lasting(fault);
                if (what.crash().restart_after_ms() == 0) return world_.end_fault(fault);
                return lasting(fault, what.crash().restart_after_ms());
            }
            case Step::kAccessRules:
                return world_.set_access_rules(
                    node_of(what.access_rules().node()),
                    access::AccessRules::parse(what.access_rules().rules()).value());
            case Step::kSetClock: return set_clock(what.set_clock());
            case Step::kPause:
                return lasting(
                    world_.begin_pause(node_of(what.pause().node()), what.pause().sleeps()),
                    what.pause().for_ms());
            case Step::kDisk:
                return lasting(
                    world_.begin_disk_fault(node_of(what.disk().node()), disk_fault(what.disk())),
                    what.disk().for_ms());
            case Step::kChangePath: {
                const auto index = client(what.change_path().client());
                world_.change_path(index, what.change_path().path());
                if (!what.change_path().reconnect()) return;
                return world_.connect(index);
            }
            case Step::kSetLink:
                return lasting(world_.begin_set_link(client(what.set_link().link()),
                                                     link_model(what.set_link().model())),
                               what.set_link().for_ms());
            case Step::kPartition: return part(what.partition());
            case Step::kStop: {
                const auto fault = world_.begin_stop(node_of(what.stop().node()));
                if (what.stop().for_good()) return world_.make_lasting(fault);
                if (what.stop().restart_after_ms() == 0) return world_.end_fault(fault);
                return lasting(fault, what.stop().restart_after_ms());
            }
            case Step::kSnapshot: return snapshot(what.snapshot());
            case Step::WHAT_NOT_SET: break;
        }
        UNREACHABLE();
    }

    void connect(const scenario::Connect& connect) {
        const auto crowd = crowds_.find(connect.client());
        if (crowd == crowds_.end()) return connect_one(connect, client(connect.client()));
        for (const auto index : crowd->second) connect_one(connect, index);
    }

    void connect_one(const scenario::Connect& connect, ClientIndex index) {
        if (connect.unless_connected() && world_.client(index).connection()) return;
        auto& options = world_.options(index);
        if (connect.has_clean_start()) options.clean_start = connect.clean_start();
        if (connect.has_session_expiry_s()) options.session_expiry_s = connect.session_expiry_s();
        if (connect.has_receive_maximum()) {
            options.receive_maximum = static_cast<std::uint16_t>(connect.receive_maximum());
        }
        if (connect.has_keep_alive_s()) {
            options.keep_alive_s = static_cast<std::uint16_t>(connect.keep_alive_s());
        }
        if (connect.has_will()) {
            options.will = WillOptions{publication(connect.will()), connect.will_delay_s()};
        }
        if (connect.forget()) world_.forget(index);
        world_.connect(index);
    }

    void part(const scenario::Partition& partition) {
        std::vector<NodeIndex> side;
        for (const auto& name : partition.side()) side.push_back(node_of(name));
        std::vector<NodeIndex> others;
        for (const auto& name : partition.from()) others.push_back(node_of(name));
        if (others.empty())
            std::ranges::copy_if(node_order_, std::back_inserter(others), [&](NodeIndex node) {
                return std::ranges::find(side, node) == side.end();
            });
        lasting(world_.begin_partition(side, others, partition.one_way()), partition.for_ms());
    }

    void set_clock(const scenario::SetClock& change) {
        if (!change.client().empty()) {
            return world_.change_clock(client(change.client()), Drift{change.drift_ppm()});
        }
        std::optional<Drift> drift;
        if (change.has_drift_ppm()) drift = Drift{change.drift_ppm()};
        world_.change_clock(node_of(change.node()), drift,
                            std::chrono::milliseconds{change.jump_ms()});
    }

    void snapshot(const scenario::Snapshot& snapshot) {
        outcome_.states.push_back(world_.state(client(snapshot.client()), snapshot.caption()));
        const auto text = outcome_.states.back().text();
        if (snapshot.expect().empty() || snapshot.expect() == text) return;
        outcome_.disappointments.push_back(
            {"state of '" + snapshot.client() + "' (" + snapshot.caption() + ")", snapshot.expect(),
             text});
    }

    void note_changes() {
        // What a row of the report has room for.
        constexpr std::size_t received_max = 12;
        for (std::uint32_t index = 0; index < watched_.size(); ++index) {
            auto& before = watched_[index];
            auto now = world_.state(ClientIndex{index}, "", received_max);
            const bool is_same = now.queue == before.queue && now.inflight == before.inflight &&
                                 now.received_left_out == before.received_left_out &&
                                 now.received == before.received;
            if (is_same) continue;
            outcome_.changes.push_back(now);
            before = std::move(now);
        }
        is_watching_ = outcome_.changes.size() < Outcome::changes_max;
    }

    void look_now() {
        LookedAt seen{.at = world_.now(), .sessions = {}, .clients = {}};
        for (const auto& [name, index] : nodes_) {
            const auto& node = world_.node(index);
            for (const auto& client_id : node.client_ids()) {
                if (auto view = node.session(client_id)) {
                    seen.sessions.push_back({name, std::move(*view)});
                }
            }
        }
        for (const auto& [name, index] : clients_) {
            const auto& client = world_.client(index);
            seen.clients.push_back({.name = name,
                                    .is_connected = client.is_connected(),
                                    .received = world_.received(index).size(),
                                    .unfinished = client.unfinished_publications(),
                                    .withheld = client.withheld_acknowledgements()});
        }
        outcome_.look = std::move(seen);
    }

    void lasting(World::FaultNumber fault, std::uint32_t for_ms) {
        if (for_ms == 0) return;
        world_.engine().schedule_in(milliseconds(for_ms), {owner_, end_fault, fault, 0});
    }

    void send_raw(const scenario::Raw& raw) {
        const auto piece = bytes_of_hex(raw.hex());
        Buffer bytes;
        for (std::uint32_t i = 0; i < std::max(1U, raw.times()); ++i) append(bytes, piece);
        world_.send_raw(client(raw.client()), bytes);
    }

    void judge_invariants() {
        const History history{world_.trace()};
        for (const auto& checker : all_checkers()) {
            if (!is_asked(checker, judged_as(world_.trace()), scenario_.invariants())) continue;
            outcome_.invariants.push_back({&checker, checker.check(world_.trace(), history)});
        }
        if (scenario_.sometimes().empty()) return;
        const auto happened = what_happened(world_.trace(), history);
        for (const auto& name : scenario_.sometimes()) {
            const auto* const known =
                std::ranges::find(sometimes_conditions, name, &SometimesCondition::name);
            CHECK(known != sometimes_conditions.end());
            const auto place = static_cast<std::size_t>(known - sometimes_conditions.begin());
            outcome_.sometimes.push_back({known, happened.test(place)});
        }
    }

    void judge_expectations() {
        for (const auto& expectation : scenario_.expectations()) {
            const auto& received = expectation.received();
            const auto index = client(received.client());
            const std::vector<std::string> expected{received.payloads().begin(),
                                                    received.payloads().end()};
            if (!outcome_.protagonist) {
                outcome_.protagonist = index;
                outcome_.expected_received = expected;
            }
            if (world_.received(index) == expected) continue;
            outcome_.disappointments.push_back({"received by '" + received.client() + "'",
                                                sequence_text(expected),
                                                sequence_text(world_.received(index))});
        }
        if (!outcome_.protagonist && !outcome_.states.empty()) {
            outcome_.protagonist = outcome_.states.front().client;
        }
    }

    [[nodiscard]] ClientIndex client(const std::string& name) const { return clients_.at(name); }
    [[nodiscard]] NodeIndex node_of(const std::string& name) const {
        return name.empty() ? NodeIndex{0} : nodes_.at(name);
    }

    scenario::Scenario scenario_;  // with the limits that were drawn
    Outcome outcome_;
    World& world_;
    std::uint16_t owner_;
    std::string client_id_prefix_;
    std::map<std::string, NodeIndex> nodes_;
    std::map<std::string, ClientIndex> clients_;
    std::map<std::string, std::vector<ClientIndex>> crowds_;  // those with a count
    std::unique_ptr<Workload> workload_;
    std::vector<NodeIndex> node_order_;    // as in the scenario
    std::unique_ptr<ClusterProbe> probe_;  // of a cluster that settles
    std::optional<Duration> only_looks_until_;
    bool is_watching_ = false;
    std::function<bool()> is_to_end_;
    std::function<void(World&)> after_event_;
    std::optional<Kill> kill_;
    std::vector<StateRecord> watched_;  // by client: as it was after the last change
};

}  // namespace

bool Outcome::has_passed() const {
    return disappointments.empty() &&
           std::ranges::all_of(invariants, [](const auto& one) { return one.failures.empty(); });
}

std::string sequence_text(const std::vector<std::string>& labels) {
    std::string text = "[";
    for (const auto& label : labels) {
        if (text.size() > 1) text += ", ";
        text += label;
    }
    return text + "]";
}

Outcome run_scenario(const scenario::Scenario& scenario, const RunOptions& options) {
    Run run{scenario, options};
    return run.finish();
}

}  // namespace touchstone::simulator
