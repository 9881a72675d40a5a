#include "conformance/suite/runner.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace touchstone::conformance {

namespace {

/// After so many connections that could not be opened in a row, the broker is gone for good.
constexpr unsigned unreachable_in_a_row_max = 3;
/// The same where it is started again: those who wait for that find nobody meanwhile.
constexpr unsigned unreachable_in_a_row_max_if_revived = 100;
/// A failing case is run again so often: what changes its verdict is flaky.
constexpr unsigned repetitions = 2;
constexpr unsigned probe_round_trips = 20;
/// Cases that do not wait run one after another: whatever goes wrong is then the doing of one. But
/// on a broker that leaves many answers out each of them waits in vain; every failure that took so
/// long lets so many more run side by side.
constexpr std::chrono::seconds vain_wait_min{1};
constexpr std::size_t threads_per_vain_wait = 4;
constexpr std::uint32_t probe_session_expiry_s = 600;

/// The finishing function of SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t scramble(std::uint64_t value) {
    value ^= value >> 30U;
    value *= 0xBF58476D1CE4E5B9ULL;
    value ^= value >> 27U;
    value *= 0x94D049BB133111EBULL;
    return value ^ (value >> 31U);
}

std::string to_word(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string word = "k";
    for (int i = 0; i < 9; ++i) {
        word += digits[value % digits.size()];
        value /= digits.size();
    }
    return word;
}

void shuffle(std::vector<const CaseEntry*>& cases, std::uint64_t seed) {
    for (std::size_t i = cases.size(); i > 1; --i) {
        std::swap(cases[i - 1], cases[mix(seed, "order", i) % i]);
    }
}

/// A conversation that every broker has to be able to lead.
void converse(Context& context) {
    auto client = Peer{context.actor("sanity")}.connect({});
    client.subscribe("sanity", QoS::at_most_once);
    client.publish("sanity", QoS::at_most_once, "hello");
    client.expect_publish({.topic = "sanity", .payload = "hello"});
    client.disconnect();
}

CaseOutcome run_guarded(Context& context, const std::function<void(Context&)>& body) {
    try {
        return context.run(body);
    } catch (const Interrupted&) {
        throw;
    } catch (const std::exception& mistake) {
        CaseOutcome outcome;
        outcome.verdict = Verdict::inconclusive;
        outcome.reason = std::string{"a defect of the suite: "} + mistake.what();
        return outcome;
    }
}

std::string last_packet_sent(const CaseOutcome& outcome) {
    for (auto step = outcome.trace.rbegin(); step != outcome.trace.rend(); ++step) {
        if (step->kind == TraceStep::Kind::packet && step->to == "broker") return step->text;
    }
    return "none";
}

bool was_closed_by_broker(const CaseOutcome& outcome) {
    return std::ranges::any_of(outcome.trace, [](const TraceStep& step) {
        return step.kind == TraceStep::Kind::closed && step.from == "broker";
    });
}

bool is_gone(Target& target) {
    std::string problem;
    const auto connection = target.open(problem);
    if (connection != nullptr) connection->close(Ending::finish);
    return connection == nullptr;
}

void probe_version(Context& context, Probe& found) {
    const auto version = context.version();
    auto& capabilities = found.surroundings.capabilities;
    auto client = Peer{context.actor("probe")};
    const ConnectOptions options{.clean_start = CleanStart::no,
                                 .session_expiry_s = probe_session_expiry_s};
    client.connect(options);
    if (version != ProtocolVersion::v5) {
        capabilities.speaks_v3_1_1 = true;
    } else {
        using enum PropertyId;
        capabilities.speaks_v5 = true;
        const auto& announced = client.connack().properties;
        const auto flag = [&announced](PropertyId id) {
            return number_of(announced, id).value_or(1) != 0;
        };
        capabilities.maximum_qos =
            static_cast<std::uint8_t>(number_of(announced, maximum_qos).value_or(2));
        capabilities.retain_available = flag(retain_available);
        capabilities.wildcards_available = flag(wildcard_subscription_available);
        capabilities.subscription_identifiers_available = flag(subscription_identifier_available);
        capabilities.shared_subscriptions_available = flag(shared_subscription_available);
        capabilities.receive_maximum =
            static_cast<std::uint16_t>(number_of(announced, receive_maximum).value_or(65'535));
        capabilities.topic_alias_maximum =
            static_cast<std::uint16_t>(number_of(announced, topic_alias_maximum).value_or(0));
        capabilities.maximum_packet_size_bytes = number_of(announced, maximum_packet_size);
        if (const auto keep_alive = number_of(announced, server_keep_alive)) {
            capabilities.server_keep_alive_s = static_cast<std::uint16_t>(*keep_alive);
        }
        if (const auto expiry = number_of(announced, session_expiry_interval)) {
            capabilities.session_expiry_s_max = *expiry;
        }
        found.notes.push_back("CONNACK of 5.0: " + describe(client.connack()));
    }
    Duration slowest{0};
    for (unsigned i = 0; i < probe_round_trips; ++i) {
        const auto before = context.now();
        client.ping();
        slowest = std::max(slowest, context.now() - before);
    }
    found.surroundings.tolerances.round_trip = slowest;
    client.disconnect();
}

/// A broker of the run: the one that was named, or the same in a state that some cases need.
struct Place {
    TargetSource* source = nullptr;
    Surroundings surroundings{};
    std::string problem{};  // why it cannot be judged; then every case is inconclusive
    Condition condition = Condition::usual;

    std::mutex reviving{};
    std::string last_finished{};  // id and last packet of the case that ended last; under reviving
    std::atomic<unsigned> lives{1};  // one more each time it was brought back
};

/// State that the threads of a run share.
class Run {
public:
    Run(TargetSource& source, const RunSettings& settings, Surroundings surroundings)
        : source_{source},
          settings_{settings},
          began_{std::chrono::steady_clock::now()} {
        auto& usual = places_[Condition::usual];
        usual.source = &source;
        usual.surroundings = std::move(surroundings);
    }

    void run_all(std::vector<const CaseEntry*> cases);
    RunRecord finish(std::size_t wanted);

private:
    enum class Stop : std::uint8_t { no, interrupted, unreachable, time_budget };

    /// How a case went, and what to make of it.
    struct Attempt {
        CaseOutcome outcome{};
        bool was_disturbed = false;  // the broker went away, or was brought back, meanwhile
        Condition condition = Condition::usual;
    };

    /// Calls `work` with 0 … `count` - 1, until the run is stopped, in `thread_count` threads; the
    /// number may grow on the way.
    void spread(std::size_t count, const std::atomic<std::size_t>& thread_count,
                const std::function<void(std::size_t)>& work);
    void run_one(const CaseEntry& entry);
    void repeat(CaseRecord& record);
    void run_disturbed();
    Attempt run_and_look(const CaseEntry& entry, std::uint64_t attempt);
    Place& place_for(Condition condition);
    void on_gone(Place& place, unsigned life, Attempt& attempt);
    void finish_one(CaseRecord record);
    [[nodiscard]] bool is_out_of_time() const;
    void count_reachability(bool was_reachable);

    TargetSource& source_;
    const RunSettings& settings_;
    std::chrono::steady_clock::time_point began_;
    std::map<Condition, Place> places_;  // under places_mutex_; its elements stay where they are
    std::mutex places_mutex_;
    std::atomic<Stop> stop_{Stop::no};
    std::atomic<unsigned> unreachable_in_a_row_{0};
    std::atomic<std::size_t> quick_threads_{1};
    std::atomic<unsigned> running_{0};  // cases
    std::mutex mutex_;
    std::vector<CaseRecord> records_;    // finished; under mutex_
    std::vector<CaseRecord> suspects_;   // failed once, to be repeated; under mutex_
    std::vector<CaseRecord> disturbed_;  // the broker went away meanwhile; under mutex_
};

void Run::run_all(std::vector<const CaseEntry*> cases) {
    shuffle(cases, settings_.seed);
    const auto first_shared = std::ranges::stable_partition(
        cases, [](const auto* entry) { return entry->requested.stops_broker; });
    const std::vector<const CaseEntry*> stopping{cases.begin(), first_shared.begin()};
    cases.erase(cases.begin(), first_shared.begin());
    const auto first_quick = std::ranges::stable_partition(cases, [this](const auto* entry) {
        return source_.may_run_side_by_side() && settings_.jobs > 1 &&
               entry->requested.real_time.count() > 0;
    });
    std::vector<const CaseEntry*> waiting{cases.begin(), first_quick.begin()};
    const std::vector<const CaseEntry*> quick{first_quick.begin(), cases.end()};
    // The longest first: they decide when the run is over.
    std::ranges::stable_sort(waiting, std::ranges::greater{},
                             [](const auto* entry) { return entry->requested.real_time; });

    const std::atomic<std::size_t> jobs{source_.may_run_side_by_side() ? settings_.jobs : 1};
    const std::atomic<std::size_t> one{1};
    {
        const std::jthread beside{[&] {
            spread(waiting.size(), jobs, [&](std::size_t index) { run_one(*waiting[index]); });
        }};
        spread(quick.size(), quick_threads_, [&](std::size_t index) { run_one(*quick[index]); });
    }
    spread(stopping.size(), one, [&](std::size_t index) { run_one(*stopping[index]); });
    run_disturbed();
    // Now that nothing else disturbs: does it fail each time?
    auto suspects = std::exchange(suspects_, {});
    std::ranges::stable_partition(
        suspects, [](const auto& suspect) { return !suspect.entry->requested.stops_broker; });
    const auto alone = static_cast<std::size_t>(std::ranges::count_if(
        suspects, [](const auto& suspect) { return suspect.entry->requested.stops_broker; }));
    const auto together = suspects.size() - alone;
    spread(together, jobs, [&](std::size_t index) { repeat(suspects[index]); });
    spread(alone, one, [&](std::size_t index) { repeat(suspects[together + index]); });
    for (auto& suspect : suspects) finish_one(std::move(suspect));
}

void Run::spread(std::size_t count, const std::atomic<std::size_t>& thread_count,
                 const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next{0};
    const auto run_next = [&] {
        const auto index = next++;
        if (index >= count || stop_ != Stop::no) return false;
        if (is_out_of_time()) {
            stop_ = Stop::time_budget;
            return false;
        }
        try {
            work(index);
        } catch (const Interrupted&) {
            stop_ = Stop::interrupted;
        }
        return true;
    };
    std::vector<std::jthread> helpers;
    do {
        while (helpers.size() + 1 < std::min<std::size_t>(count, thread_count)) {
            helpers.emplace_back([&run_next] {
                while (run_next()) {
                }
            });
        }
    } while (run_next());
}

void Run::run_one(const CaseEntry& entry) {
    const auto before = std::chrono::steady_clock::now();
    auto attempt = run_and_look(entry, 0);
    CaseRecord record{
        .entry = &entry, .outcome = std::move(attempt.outcome), .condition = attempt.condition};
    record.wall_time = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - before);
    if (attempt.was_disturbed) {
        const std::scoped_lock lock{mutex_};
        disturbed_.push_back(std::move(record));
        return;
    }
    if (record.outcome.verdict != Verdict::fail) {
        finish_one(std::move(record));
        return;
    }
    const std::scoped_lock lock{mutex_};
    if (record.wall_time > vain_wait_min && source_.may_run_side_by_side()) {
        quick_threads_ =
            std::min<std::size_t>(settings_.jobs, quick_threads_ + threads_per_vain_wait);
    }
    suspects_.push_back(std::move(record));
}

/// The broker went away while several cases ran: one after the other they show whose doing it was.
void Run::run_disturbed() {
    auto disturbed = std::exchange(disturbed_, {});
    bool was_found = false;
    for (auto& record : disturbed) {
        if (stop_ != Stop::no) break;
        try {
            auto again = run_and_look(*record.entry, 0);
            was_found = was_found || again.outcome.verdict == Verdict::crash;
            // The account of the first time stays with a record that nothing explains better.
            if (record.outcome.verdict == Verdict::crash &&
                again.outcome.verdict != Verdict::crash) {
                continue;
            }
            record.outcome = std::move(again.outcome);
        } catch (const Interrupted&) {
            stop_ = Stop::interrupted;
        }
    }
    for (auto& record : disturbed) {
        if (record.outcome.verdict == Verdict::crash && !was_found) {
            record.outcome.reason += "; other cases ran at the same time, and alone none does it";
        }
        if (record.outcome.verdict == Verdict::fail) {
            suspects_.push_back(std::move(record));
        } else {
            finish_one(std::move(record));
        }
    }
}

void Run::finish_one(CaseRecord record) {
    const std::scoped_lock lock{mutex_};
    if (settings_.on_case) settings_.on_case(*record.entry, record.outcome);
    records_.push_back(std::move(record));
}

void Run::repeat(CaseRecord& record) {
    auto& first = record.outcome;
    for (unsigned i = 1; i <= repetitions && stop_ == Stop::no; ++i) {
        const auto again = run_and_look(*record.entry, i).outcome;
        if (again.verdict == first.verdict) continue;
        first.reason = std::string{text_of(first.verdict)} + " at first (" + first.reason +
                       "), then " + text_of(again.verdict);
        first.verdict = again.verdict == Verdict::crash ? Verdict::crash : Verdict::flaky;
        return;
    }
}

Place& Run::place_for(Condition condition) {
    const std::scoped_lock lock{places_mutex_};
    auto& usual = places_[Condition::usual];
    if (condition == Condition::usual) return usual;
    const auto [found, is_new] = places_.try_emplace(condition);
    auto& place = found->second;
    if (!is_new) return place.source == &source_ ? usual : place;
    place.condition = condition;
    place.source = source_.in(condition, place.problem);
    if (place.source == nullptr && place.problem.empty()) place.source = &source_;
    // What is needed and missing, the needs of the case tell.
    if (place.source == &source_) return usual;
    if (place.source == nullptr) return place;
    auto probed = probe(*place.source, settings_);
    place.surroundings = std::move(probed.surroundings);
    place.problem = std::move(probed.problem);
    return place;
}

Run::Attempt Run::run_and_look(const CaseEntry& entry, std::uint64_t number) {
    Attempt attempt;
    auto& outcome = attempt.outcome;
    auto& place = place_for(entry.requested.condition);
    attempt.condition = place.condition;
    if (!place.problem.empty()) {
        outcome.verdict = Verdict::inconclusive;
        outcome.reason = place.problem;
        return attempt;
    }
    const auto& surroundings = place.surroundings;
    auto unmet = unmet_need(entry.requested, surroundings.capabilities, entry.version);
    if (!unmet.has_value()) unmet = unmet_need(entry.requested, surroundings.declaration);
    if (unmet.has_value()) {
        outcome.verdict = Verdict::not_applicable;
        outcome.reason = *unmet;
        return attempt;
    }
    const unsigned life = place.lives;
    const auto case_seed = mix(mix(settings_.seed, entry.id, number), "", settings_.nonce);
    const auto target = place.source->make(case_seed);
    ++running_;
    Context context{*target, surroundings, entry.version, to_word(case_seed)};
    outcome = run_guarded(context, [&](Context& running) {
        if (place.condition == Condition::guarded) running.note("on a broker that knows users");
        if (place.condition == Condition::reduced) running.note("on a broker with small limits");
        entry.make(running)->run();
    });
    count_reachability(!outcome.was_unreachable);
    // A close that the case wanted may have been the end of the broker.
    if (outcome.verdict == Verdict::fail || outcome.was_unreachable ||
        (surroundings.is_shared_broker && was_closed_by_broker(outcome) && is_gone(*target))) {
        // Is it the broker, or is the broker gone?
        Context sanity{*target, surroundings, entry.version, to_word(scramble(case_seed))};
        const auto after = run_guarded(sanity, converse);
        count_reachability(!after.was_unreachable);
        if (after.was_unreachable) {
            on_gone(place, life, attempt);
        } else if (after.verdict == Verdict::fail) {
            outcome.reason += "; afterwards not even the sanity case passes: " + after.reason;
        }
        // Connections that a revival broke are not the case's fault.
        attempt.was_disturbed = attempt.was_disturbed || life != place.lives;
    }
    if (outcome.verdict != Verdict::crash && !outcome.was_unreachable) {
        const std::scoped_lock lock{place.reviving};
        place.last_finished = entry.id + ", whose last was " + last_packet_sent(outcome);
    }
    // One that crashed the broker all alone has done it.
    if (--running_ == 0 && outcome.verdict == Verdict::crash) attempt.was_disturbed = false;
    return attempt;
}

/// Nobody answers after the case: notes what did it, and brings the broker back if that is
/// possible.
void Run::on_gone(Place& place, unsigned life, Attempt& attempt) {
    auto& outcome = attempt.outcome;
    const std::scoped_lock lock{place.reviving};
    if (place.lives != life) return;  // somebody else has noticed first
    const auto fate = place.source->fate();
    outcome.verdict = Verdict::crash;
    auto last_packet = last_packet_sent(outcome);
    if (last_packet == "none" && !place.last_finished.empty()) {
        last_packet = "none by this case; before it ran " + place.last_finished;
    }
    outcome.reason = "the broker accepts no connection any more" +
                     (fate.empty() ? "" : " (" + fate + ")") +
                     "; last packet sent: " + last_packet +
                     (outcome.reason.empty() ? "" : "; before: " + outcome.reason);
    // What was expected of a broker that is not there any more explains nothing.
    outcome.expected.clear();
    outcome.seen.clear();
    if (!place.source->can_revive()) return;
    std::string problem;
    if (!place.source->revive(problem)) {
        outcome.reason += "; it could not be started again: " + problem;
        return;
    }
    ++place.lives;
    unreachable_in_a_row_ = 0;
    outcome.reason += "; it was started again";
}

bool Run::is_out_of_time() const {
    return settings_.time_budget.has_value() &&
           std::chrono::steady_clock::now() - began_ > *settings_.time_budget;
}

void Run::count_reachability(bool was_reachable) {
    if (was_reachable) {
        unreachable_in_a_row_ = 0;
    } else if (++unreachable_in_a_row_ >= unreachable_in_a_row_max && !source_.can_revive()) {
        stop_ = Stop::unreachable;
    } else if (unreachable_in_a_row_ >= unreachable_in_a_row_max_if_revived) {
        stop_ = Stop::unreachable;
    }
}

RunRecord Run::finish(std::size_t wanted) {
    RunRecord record;
    record.cases = std::move(records_);
    std::ranges::sort(record.cases, {}, [](const CaseRecord& one) { return one.entry->id; });
    record.not_run = wanted - record.cases.size();
    const auto has = [&record](auto&& is_wanted) {
        return std::ranges::any_of(record.cases, is_wanted);
    };
    // A case that changes its verdict would let a defect through by luck: it does not pass the
    // gate.
    const bool has_failed = has([](const CaseRecord& one) {
        return is_failure(one.outcome.verdict) || one.outcome.verdict == Verdict::flaky;
    });
    const bool has_judged = has([](const CaseRecord& one) {
        return one.outcome.verdict != Verdict::inconclusive &&
               one.outcome.verdict != Verdict::not_applicable;
    });
    const std::string left_out = std::to_string(record.not_run) + " cases were not run";
    switch (stop_) {
        case Stop::interrupted:
            record.exit_code = ExitCode::interrupted;
            record.problem = "interrupted; " + left_out;
            return record;
        case Stop::unreachable:
            record.exit_code = ExitCode::target_unreachable;
            record.problem = "the broker accepts no connections any more; " + left_out;
            return record;
        case Stop::time_budget:
            record.exit_code =
                has_failed ? ExitCode::expectation_failed : ExitCode::time_budget_used_up;
            record.problem = "the time budget is used up; " + left_out;
            return record;
        case Stop::no: break;
    }
    record.exit_code = has_failed    ? ExitCode::expectation_failed
                       : !has_judged ? ExitCode::run_invalid
                                     : ExitCode::as_expected;
    if (!has_failed && !has_judged) record.problem = "no case came to a verdict";
    return record;
}

}  // namespace

std::uint64_t mix(std::uint64_t seed, std::string_view text, std::uint64_t number) {
    auto value = scramble(seed + 0x9E3779B97F4A7C15ULL);
    for (const char character : text) {
        value = scramble(value ^ static_cast<unsigned char>(character));
    }
    return scramble(value + number * 0x9E3779B97F4A7C15ULL);
}

Probe probe(TargetSource& source, const RunSettings& settings) {
    Probe found;
    found.surroundings.is_shared_broker = !source.has_virtual_time();
    found.surroundings.is_interrupted = settings.is_interrupted;
    found.surroundings.tolerances.slow = settings.slow;
    found.surroundings.split = settings.split;
    found.surroundings.declaration = source.declaration();
    found.surroundings.capabilities = settings.declared;
    found.surroundings.capabilities.has_frames = source.has_frames();
    const auto& declaration = found.surroundings.declaration;
    std::string last_reason;
    for (const auto version : {ProtocolVersion::v3_1_1, ProtocolVersion::v5}) {
        if (version == ProtocolVersion::v5 ? !declaration.tries_v5 : !declaration.tries_v3_1_1) {
            continue;
        }
        const auto seed = mix(mix(settings.seed, "probe", static_cast<std::uint64_t>(version)), "",
                              settings.nonce);
        const auto target = source.make(seed);
        Context context{*target, found.surroundings, version, to_word(seed)};
        const auto outcome =
            run_guarded(context, [&found](Context& running) { probe_version(running, found); });
        if (outcome.was_unreachable) {
            found.is_reachable = false;
            found.problem = outcome.reason;
            return found;
        }
        if (outcome.verdict == Verdict::pass) {
            // The sanity case: what fails here is not the fault of a statement.
            Context sanity{*target, found.surroundings, version, to_word(scramble(seed))};
            const auto after = run_guarded(sanity, converse);
            if (after.verdict == Verdict::pass) continue;
            found.problem = "the sanity case fails: " + after.reason;
            return found;
        }
        last_reason = outcome.reason;
        found.notes.push_back(std::string{version == ProtocolVersion::v5 ? "5.0" : "3.1.1"} +
                              " is not spoken: " + outcome.reason);
    }
    const auto& capabilities = found.surroundings.capabilities;
    if (!capabilities.speaks_v5 && !capabilities.speaks_v3_1_1) {
        if (last_reason.empty()) last_reason = "the file for --broker lets none be tried";
        found.problem = "the broker speaks neither 3.1.1 nor 5.0: " + last_reason;
    }
    return found;
}

CaseOutcome converse_once(TargetSource& source, const Surroundings& surroundings,
                          ProtocolVersion version, std::uint64_t seed,
                          const std::function<void(Context&)>& body) {
    const auto target = source.make(seed);
    Context context{*target, surroundings, version, to_word(seed)};
    return run_guarded(context, body);
}

CaseOutcome run_case_once(TargetSource& source, const CaseEntry& entry,
                          const Surroundings& surroundings, std::uint64_t seed) {
    return converse_once(source, surroundings, entry.version, mix(seed, entry.id, 0),
                         [&entry](Context& running) { entry.make(running)->run(); });
}

RunRecord run_cases(TargetSource& source, const std::vector<const CaseEntry*>& cases,
                    const RunSettings& settings) {
    RunRecord record;
    try {
        const auto found = probe(source, settings);
        if (!found.problem.empty()) {
            record.not_run = cases.size();
            record.problem = found.problem;
            record.exit_code =
                found.is_reachable ? ExitCode::run_invalid : ExitCode::target_unreachable;
            record.notes = found.notes;
            return record;
        }
        Run run{source, settings, found.surroundings};
        run.run_all(cases);
        record = run.finish(cases.size());
        record.capabilities = found.surroundings.capabilities;
        record.tolerances = found.surroundings.tolerances;
        record.notes = found.notes;
    } catch (const Interrupted&) {  // during the probe
        record.exit_code = ExitCode::interrupted;
        record.problem = "interrupted";
        record.not_run = cases.size();
    }
    return record;
}

}  // namespace touchstone::conformance
