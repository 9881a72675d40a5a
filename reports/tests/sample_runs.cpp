#include "reports/tests/sample_runs.hpp"

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

namespace touchstone::reports::tests {

using results::Step;
using results::Verdict;

namespace {

void add_statement(results::Run& run, const std::string& id, const std::string& section,
                   const std::string& requirement, const std::string& reason,
                   std::initializer_list<const char*> case_ids) {
    auto& statement = *run.add_statements();
    statement.set_id(id);
    statement.set_section(section);
    statement.set_actor("server");
    statement.set_level("MUST");
    statement.set_wire_testable("yes");
    statement.set_requirement(requirement);
    statement.set_reason(reason);
    for (const char* case_id : case_ids) statement.add_case_ids(case_id);
}

void add_step(google::protobuf::RepeatedPtrField<Step>& trace, std::uint64_t time_us,
              const std::string& from, const std::string& to, const std::string& text,
              const std::string& bytes = "") {
    Step& step = *trace.Add();
    step.set_time_us(time_us);
    step.set_from(from);
    step.set_to(to);
    step.set_text(text);
    step.set_bytes(bytes);
}

results::CaseResult& add_case(results::Run& run, const std::string& id,
                              const std::string& statement, const std::string& title,
                              Verdict::Value verdict) {
    auto& result = *run.add_cases();
    result.set_case_id(id);
    result.add_statements(statement);
    result.set_title(title);
    result.set_verdict(verdict);
    result.set_reproduce("touchstone conform --target mqtt://127.0.0.1:1883 --only " + id);
    result.set_duration_us(1'500);
    return result;
}

void add_state(results::ScenarioResult& result, std::uint64_t time_us, std::uint32_t after_step,
               const std::string& text) {
    auto& state = *result.add_states();
    state.set_time_us(time_us);
    state.set_client_id("subscriber");
    state.set_after_step(after_step);
    state.set_text(text);
}

void make_hostile(google::protobuf::Message& message) {
    using google::protobuf::FieldDescriptor;
    const auto* reflection = message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
        const FieldDescriptor* field = message.GetDescriptor()->field(i);
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated()) {
            reflection->SetString(&message, field, hostile_text());
        } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
            reflection->AddString(&message, field, hostile_text());
        } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated()) {
            if (reflection->HasField(message, field))
                make_hostile(*reflection->MutableMessage(&message, field));
        } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            for (int j = 0; j < reflection->FieldSize(message, field); ++j) {
                make_hostile(*reflection->MutableRepeatedMessage(&message, field, j));
            }
        }
    }
}

}  // namespace

std::string hostile_text() {
    return std::string{"</script><script>alert(1)</script><!--<script> ]]> "
                       "\"'&amp;<b>\r\n\t\x1B[2J\x07\x7F \xE2\x80\xA8 \xEF\xBF\xBE "
                       "\xC3\x28 \xED\xA0\x80 \xFF\xFE \xF0\x9F\x98\x80"} +
           std::string(1, '\0') + "end";
}

results::Run conformance_run(const std::string& name) {
    results::Run run;
    run.set_tool_version("0.1.0");
    run.set_kind(results::Run::conformance);
    run.set_name(name);
    run.mutable_target()->set_name(name);
    run.mutable_target()->set_url("mqtt://127.0.0.1:1883");
    run.set_seed(42);
    run.set_started_unix_ms(1'767'225'600'000);  // 2026-01-01 00:00:00 UTC
    run.set_duration_ms(3'214);
    run.set_reproduce("touchstone conform --target mqtt://127.0.0.1:1883 --seed 42");
    add_statement(run, "v3.1.1/MQTT-3.1.0-1", "3.1 CONNECT",
                  "The first packet of a client is a CONNECT.", "", {"v3.1.1/3.1/first-packet"});
    add_statement(run, "v5/MQTT-3.3.4-9", "3.3.4 PUBLISH Actions",
                  "The send quota of the client is respected.", "", {"v5/3.3.4/receive-maximum"});
    add_statement(run, "v5/MQTT-4.2.0-1", "4.2 Network Connections",
                  "An ordered, lossless stream carries the packets.",
                  "implied by every case that passes", {});
    add_statement(run, "v5/MQTT-3.12.4-1", "3.12.4 PINGREQ Actions", "A PINGREQ is answered.", "",
                  {});
    add_statement(run, "v5/MQTT-3.2.2-9", "3.2.2 CONNACK", "A Maximum QoS is respected.", "",
                  {"v5/3.2.2/maximum-qos"});

    add_case(run, "v3.1.1/3.1/first-packet", "v3.1.1/MQTT-3.1.0-1",
             "a PUBLISH before CONNECT closes the connection", Verdict::pass);
    auto& failed = add_case(run, "v5/3.3.4/receive-maximum", "v5/MQTT-3.3.4-9",
                            "no more than Receive Maximum in flight", Verdict::fail);
    failed.set_reason("a third PUBLISH came although two were unacknowledged");
    failed.set_expected("no PUBLISH before PUBCOMP");
    failed.set_seen("PUBLISH id=3");
    add_step(*failed.mutable_trace(), 100, "subscriber", "broker", "CONNECT receive maximum 2",
             "\x10\x05");
    add_step(*failed.mutable_trace(), 900, "broker", "subscriber", "PUBLISH id=3 q2 t='t'",
             "\x34\x06");
    failed.mutable_trace(1)->set_deviates(true);
    failed.mutable_trace(1)->set_note("quota is used up");
    add_case(run, "v5/3.2.2/maximum-qos", "v5/MQTT-3.2.2-9", "QoS above the maximum is refused",
             Verdict::not_applicable)
        .set_reason("the target announces no Maximum QoS");
    return run;
}

results::Run simulation_run(const std::string& name) {
    results::Run run;
    run.set_tool_version("0.1.0");
    run.set_kind(results::Run::simulation);
    run.set_name(name);
    run.mutable_target()->set_name("reference broker");
    run.mutable_target()->set_url("sim:");
    run.set_seed(7);
    run.set_digest("6f0c1d2e3b4a5968");
    run.set_reproduce(
        "touchstone simulate scenarios/ordering/inflight-window-2.textproto --seed 7");
    auto& result = *run.add_scenarios();
    result.set_scenario("scenarios/ordering/inflight-window-2.textproto");
    result.set_description("A client that stops acknowledging is sent the window again, in order.");
    result.set_seed(7);
    result.set_verdict(Verdict::fail);
    result.set_reason("O2 is violated");
    result.set_reproduce(run.reproduce());
    result.set_digest(run.digest());
    add_step(*result.mutable_trace(), 1'000, "broker", "subscriber", "PUBLISH id=1 q1 t='t'");
    result.mutable_trace(0)->set_arrived_us(6'000);
    add_step(*result.mutable_trace(), 1'000, "broker", "subscriber", "PUBLISH id=2 q1 t='t'");
    result.mutable_trace(1)->set_arrived_us(6'000);
    add_step(*result.mutable_trace(), 6'000, "subscriber", "broker", "PUBACK id=1");
    result.mutable_trace(2)->set_lost(true);
    add_state(result, 0, 0, "[4,3,2,1 || ] -> []");
    add_state(result, 1'000, 2, "[4,3 || 2,1] -> []");
    add_state(result, 6'000, 2, "[4,3 || 2,1] -> [1,2]");
    auto& fault = *result.add_faults();
    fault.set_kind("stall");
    fault.set_where("subscriber-broker");
    fault.set_from_us(5'000);
    fault.set_to_us(9'000);
    auto& holds = *result.add_invariants();
    holds.set_invariant("W1");
    holds.set_verdict(Verdict::pass);
    auto& violated = *result.add_invariants();
    violated.set_invariant("O2");
    violated.set_title("resend order");
    violated.set_verdict(Verdict::fail);
    violated.set_explanation("2 was resent before 1");
    violated.set_at_us(1'000);
    violated.set_at_step(1);
    for (const char* message : {"1", "2", "3", "2"}) result.add_received(message);
    for (const char* message : {"1", "2", "3", "2", "3", "4"})
        result.add_expected_received(message);
    return run;
}

results::Run hostile_run() {
    results::Run run = conformance_run("hostile");
    make_hostile(run);
    return run;
}

ScratchDirectory::ScratchDirectory() {
    std::string name = testing::TempDir() + "/touchstone-reports-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"cannot create " + name};
    path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

void write_file(const std::filesystem::path& path, const std::string& content) {
    std::ofstream{path, std::ios::binary} << content;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

}  // namespace touchstone::reports::tests
