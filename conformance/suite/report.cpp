#include "conformance/suite/report.hpp"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <limits>
#include <map>

#include "conformance/catalogue/catalogue.hpp"
#include "conformance/selection.hpp"
#include "reports/summary.hpp"

namespace touchstone::conformance {

namespace {

/// Lines of the ladder that a failure shows in the terminal; the report has all.
constexpr int ladder_lines_max = 8;

/// Of each packet of a case that passed: enough for its header and the begin of its properties.
constexpr std::size_t bytes_of_passing_case_max = 48;
constexpr std::size_t all_bytes = std::numeric_limits<std::size_t>::max();
/// So few cases are run to look at them.
constexpr std::size_t looked_at_max = 20;

using ResultVerdict = results::Verdict;

results::Verdict::Value convert(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass: return ResultVerdict::pass;
        case Verdict::non_strict: return ResultVerdict::non_strict;
        case Verdict::info: return ResultVerdict::info;
        case Verdict::fail: return ResultVerdict::fail;
        case Verdict::not_applicable: return ResultVerdict::not_applicable;
        case Verdict::inconclusive: return ResultVerdict::inconclusive;
        case Verdict::flaky: return ResultVerdict::flaky;
        case Verdict::crash: return ResultVerdict::crash;
    }
    return ResultVerdict::unspecified;
}

results::Step::Kind convert(TraceStep::Kind kind) {
    switch (kind) {
        case TraceStep::Kind::packet: return results::Step::packet;
        case TraceStep::Kind::opened: return results::Step::opened;
        case TraceStep::Kind::closed: return results::Step::closed;
        case TraceStep::Kind::waited: return results::Step::waited;
        case TraceStep::Kind::noted: return results::Step::noted;
    }
    return results::Step::noted;
}

void add_step(results::CaseResult& result, const TraceStep& step, Instant started,
              std::size_t bytes_max) {
    auto& added = *result.add_trace();
    added.set_time_us(
        static_cast<std::uint64_t>(std::max<Duration::rep>(0, (step.at - started).count())));
    added.set_from(step.from);
    added.set_to(step.to);
    added.set_kind(convert(step.kind));
    const auto kept = Bytes{step.bytes}.first(std::min(step.bytes.size(), bytes_max));
    added.set_bytes(std::string{as_text(kept)});
    added.set_bytes_left_out(static_cast<std::uint32_t>(step.bytes.size() - kept.size()) +
                             step.bytes_left_out);
    added.set_text(step.text);
    added.set_deviates(step.deviates);
    added.set_note(step.note);
}

std::string section_of(const CaseEntry& entry) {
    const auto* statement = find_statement(entry.statements.front());
    if (statement == nullptr) return "unknown";
    return std::string{statement->version()} + ' ' + statement->section;
}

void add_case(results::Run& run, const RunHeader& header, const CaseRecord& record,
              bool keeps_all_bytes) {
    const auto& entry = *record.entry;
    const auto& outcome = record.outcome;
    auto& result = *run.add_cases();
    result.set_case_id(entry.id);
    for (const auto& statement : entry.statements) result.add_statements(statement);
    for (const auto& statement : outcome.broken_statements) {
        if (std::ranges::find(entry.statements, statement) == entry.statements.end()) {
            result.add_statements(statement);
        }
    }
    result.set_title(entry.demand);
    result.set_section(section_of(entry));
    result.set_verdict(convert(outcome.verdict));
    if (outcome.close_verdict.has_value()) {
        result.set_close_verdict(convert(*outcome.close_verdict));
    }
    result.set_reason(outcome.reason);
    result.set_expected(outcome.expected);
    result.set_seen(outcome.seen);
    // What passed is read for its ladder; its bytes come again by running it alone.
    const bool is_good = outcome.verdict == Verdict::pass && !outcome.close_verdict.has_value();
    const bool is_of_interest = !is_good && outcome.verdict != Verdict::pass;
    const auto bytes_max =
        keeps_all_bytes || is_of_interest ? all_bytes : bytes_of_passing_case_max;
    for (const auto& step : outcome.trace) add_step(result, step, outcome.started, bytes_max);
    for (const auto& tag : tags_of(entry)) result.add_tags(tag);
    if (record.condition == Condition::guarded) result.set_condition("guarded");
    if (record.condition == Condition::reduced) result.set_condition("reduced");
    for (const auto& actor : outcome.actors) result.add_actors(actor);
    result.set_reproduce(header.again_prefix + entry.id);
    const auto span = static_cast<std::uint64_t>((outcome.ended - outcome.started).count());
    if (header.has_virtual_time) {
        result.set_virtual_duration_us(span);
    } else {
        result.set_duration_us(static_cast<std::uint64_t>(record.wall_time.count()));
    }
}

/// One line of the ladder for the terminal.
std::string ladder_line(const results::Step& step) {
    std::string line = step.deviates() ? "  ! " : "    ";
    switch (step.kind()) {
        case results::Step::packet:
            line += step.from() + " -> " + step.to() + ": " + step.text();
            break;
        case results::Step::opened: line += step.from() + " opens a connection"; break;
        case results::Step::closed:
            line += step.from() + " -> " + step.to() + ": " + step.text();
            break;
        default: line += "(" + step.text() + ")"; break;
    }
    constexpr std::size_t line_length_max = 150;
    if (line.size() > line_length_max) line = line.substr(0, line_length_max) + "…";
    return line + "\n";
}

void add_announced_facts(const Capabilities& known, results::Run& run) {
    const auto flag = [](bool is_there) { return std::string{is_there ? "yes" : "no"}; };
    const auto add = [&run](const char* name, const std::string& value) {
        add_fact(run, name, value, "announced");
    };
    if (!known.speaks_v5) return;
    add("Maximum QoS", std::to_string(known.maximum_qos));
    add("Retained Messages", flag(known.retain_available));
    add("Wildcard Subscriptions", flag(known.wildcards_available));
    add("Subscription Identifiers", flag(known.subscription_identifiers_available));
    add("Shared Subscriptions", flag(known.shared_subscriptions_available));
    add("Receive Maximum", std::to_string(known.receive_maximum));
    add("Topic Alias Maximum", std::to_string(known.topic_alias_maximum));
    add("Maximum Packet Size", known.maximum_packet_size_bytes.has_value()
                                   ? std::to_string(*known.maximum_packet_size_bytes) + " bytes"
                                   : "not limited");
    add("Server Keep Alive", known.server_keep_alive_s.has_value()
                                 ? std::to_string(*known.server_keep_alive_s) + " s"
                                 : "left to the client");
}

}  // namespace

void add_statements(results::Run& run) {
    std::map<std::string, std::vector<std::string>> cases_of;
    for (const auto& entry : all_cases()) {
        for (const auto& statement : entry.statements) cases_of[statement].push_back(entry.id);
    }
    for (const auto& statement : catalogue()) {
        auto& record = *run.add_statements();
        record.set_id(statement.id);
        record.set_section(statement.section);
        record.set_actor(statement.actor);
        record.set_level(statement.level);
        record.set_wire_testable(statement.wire_testable);
        record.set_requirement(statement.requirement);
        record.set_reason(statement.reason_without_case);
        for (const auto& id : cases_of[statement.id]) record.add_case_ids(id);
    }
}

results::Run to_results(const RunHeader& header, const RunRecord& record) {
    results::Run run;
    run.set_kind(results::Run::conformance);
    run.set_name(header.name);
    auto& target = *run.mutable_target();
    target.set_name(header.name);
    target.set_url(header.url);
    target.set_transport(header.transport);
    target.set_shards(header.shards);
    std::string versions;
    if (record.capabilities.speaks_v3_1_1) versions = "3.1.1";
    if (record.capabilities.speaks_v5) versions += versions.empty() ? "5.0" : ", 5.0";
    target.set_mqtt_versions(versions);
    run.set_seed(header.seed);
    run.set_started_unix_ms(header.started_unix_ms);
    run.set_duration_ms(header.duration_ms);
    run.set_reproduce(header.reproduce);
    add_statements(run);
    const bool keeps_all_bytes = record.cases.size() <= looked_at_max;
    for (const auto& one : record.cases) add_case(run, header, one, keeps_all_bytes);
    add_announced_facts(record.capabilities, run);
    for (const auto& note : record.notes) run.add_notes(note);
    if (!record.problem.empty()) run.add_notes(record.problem);
    const auto microseconds = record.tolerances.round_trip.count();
    run.add_notes("slowest round trip of the probe: " + std::to_string(microseconds) + " us");
    return run;
}

void settle_verdict(results::Run& run) {
    // complete() of the reports forgives what is flaky; the exit code does not, and both shall
    // agree.
    const bool has_failed = std::ranges::any_of(run.cases(), [](const auto& result) {
        return reports::is_failure(result) && !reports::is_as_expected(result);
    });
    const bool has_flaky = std::ranges::any_of(run.cases(), [](const auto& result) {
        return result.verdict() == ResultVerdict::flaky &&
               result.expected_verdict() != ResultVerdict::flaky;
    });
    if (!has_failed && has_flaky && run.verdict() == ResultVerdict::unspecified) {
        run.set_verdict(ResultVerdict::flaky);
    }
}

void add_listed_case(results::Run& run, const CaseEntry& entry) {
    auto& result = *run.add_cases();
    result.set_case_id(entry.id);
    for (const auto& statement : entry.statements) result.add_statements(statement);
    result.set_title(entry.demand);
    result.set_section(section_of(entry));
    for (const auto& tag : tags_of(entry)) result.add_tags(tag);
}

void add_fact(results::Run& run, const std::string& name, const std::string& value,
              const char* source) {
    auto& fact = *run.add_facts();
    fact.set_name(name);
    fact.set_value(value);
    fact.set_source(source);
}

std::string failure_text(const results::CaseResult& result) {
    std::string text =
        std::string{reports::verdict_text(result.verdict())} + " " + result.case_id() + "\n";
    for (auto& character : text) {
        if (character == ' ') break;
        character = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
    }
    text += "  demand:   " + result.title() + "\n";
    // The end of the ladder, around the packet that deviates.
    int last = result.trace_size();
    for (int i = 0; i < result.trace_size(); ++i) {
        if (result.trace(i).deviates()) last = i + 1;
    }
    const int first = std::max(0, last - ladder_lines_max);
    if (first > 0) text += "    … " + std::to_string(first) + " steps before\n";
    for (int i = first; i < last; ++i) text += ladder_line(result.trace(i));
    if (!result.expected().empty()) text += "  expected: " + result.expected() + "\n";
    if (!result.seen().empty()) text += "  seen:     " + result.seen() + "\n";
    if (result.expected().empty()) text += "  reason:   " + result.reason() + "\n";
    return text + "  again:    " + result.reproduce() + "\n";
}

std::string to_json(const results::Run& run) {
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.preserve_proto_field_names = true;
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(run, &text, options);
    return status.ok() ? text : std::string{};
}

}  // namespace touchstone::conformance
