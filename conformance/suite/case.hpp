// How a case is written:
//
//   CASE("v5/MQTT-3.3.4-9", "no more than Receive Maximum unacknowledged", needs.qos(2)) {
//       auto subscriber = peer("subscriber").connect({.receive_maximum = 2});
//       …
//   }
//
// The first argument names the statements that the case judges, of one version or of both; a case
// that names both is run once in each. Ids of cases are unique: where several cases judge one
// statement, a word after a colon tells them apart ("v5/MQTT-3.3.4-9:qos-1"). Only light headers
// here: every file of cases includes this one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/suite/needs.hpp"
#include "conformance/suite/peer.hpp"
#include "conformance/suite/tolerances.hpp"

namespace touchstone::conformance {

/// Base of what CASE makes; its protected part is what the body of a case can use.
class CaseBody {
public:
    explicit CaseBody(Context& context) : context_{&context} {}
    CaseBody(const CaseBody&) = delete;
    CaseBody& operator=(const CaseBody&) = delete;
    virtual ~CaseBody() = default;
    virtual void run() = 0;

protected:
    /// The client of that name; made at first use. Client Identifiers are unique per case and run.
    Peer peer(std::string_view name);
    [[nodiscard]] ProtocolVersion version() const;
    [[nodiscard]] bool is_v5() const;
    /// `topic` as it is on the wire.
    [[nodiscard]] std::string full(const Topic& topic) const;
    /// A word of letters and digits that no other case and no other run uses.
    [[nodiscard]] std::string unique() const;
    [[nodiscard]] const Capabilities& capabilities() const;
    [[nodiscard]] const Tolerances& tolerances() const;
    [[nodiscard]] const Declaration& declaration() const;
    /// Stops the broker for everybody, or starts it again; the case has asked for it by
    /// needs.stopping().
    void stop_broker();
    void start_broker();
    [[nodiscard]] Instant now() const;
    /// Begins a WebSocket that offers `subprotocols`, and ends it.
    WebSocketHandshake shake_hands(const std::vector<std::string>& subprotocols);
    /// Lets time pass; `what_for` goes into the record.
    void wait(Duration duration, std::string_view what_for);

    /// A line in the record that says what comes next.
    void step(std::string_view text);
    /// Ends the case with a fail unless `condition`.
    void demand(bool condition, std::string_view expected, std::string_view seen);
    [[noreturn]] void fail(std::string_view expected, std::string_view seen);
    [[noreturn]] void not_applicable(std::string_view reason);
    [[noreturn]] void inconclusive(std::string_view reason);
    /// The case goes on and ends non-strict at best.
    void non_strict(std::string_view what);
    /// A choice that the standard leaves open: the case ends as info at best.
    void observed(std::string_view choice);

    /// True when the same mistake shall be tried on a next connection: lets a case walk a list.
    [[nodiscard]] Context& context() const { return *context_; }

private:
    Context* context_;
};

/// One case in one version.
struct CaseEntry {
    using Make = std::unique_ptr<CaseBody> (*)(Context&);

    std::string id;                       // "v5/MQTT-3.3.4-9" or "v5/MQTT-3.3.4-9:qos-1"
    std::vector<std::string> statements;  // "v5/MQTT-3.3.4-9", …
    std::string demand;
    ProtocolVersion version = ProtocolVersion::v5;
    Needs requested{};
    std::string file;
    Make make = nullptr;
};

/// All cases of the program, in the order of their ids.
[[nodiscard]] const std::vector<CaseEntry>& all_cases();

/// Takes the ids apart and adds one entry per version. Called before main(). `ids` without a
/// version, or an id that another case has, is reported by check_cases().
bool register_case(std::string_view ids, std::string_view demand, Needs needs, const char* file,
                   CaseEntry::Make make);

/// What is wrong with the registered cases: one line each, empty when nothing is.
[[nodiscard]] std::vector<std::string> check_cases();

template <class Body>
bool register_body(std::string_view ids, std::string_view demand, const char* file,
                   Needs requested = needs) {
    return register_case(ids, demand, requested, file, [](Context& context) {
        return std::unique_ptr<CaseBody>{std::make_unique<Body>(context)};
    });
}

}  // namespace touchstone::conformance

#define TOUCHSTONE_CASE_NAMED(body, ids, demand_text, ...)                                         \
    namespace {                                                                                    \
    struct body final : CaseBody {                                                                 \
        using CaseBody::CaseBody;                                                                  \
        void run() override;                                                                       \
        static const bool is_registered;                                                           \
    };                                                                                             \
    const bool body::is_registered =                                                               \
        register_body<body>(ids, demand_text, __FILE__ __VA_OPT__(, ) __VA_ARGS__);                \
    }                                                                                              \
    void body::run()
#define TOUCHSTONE_CASE_AT_LINE(line, ...) TOUCHSTONE_CASE_NAMED(Case_##line, __VA_ARGS__)
#define TOUCHSTONE_CASE_AT(line, ...) TOUCHSTONE_CASE_AT_LINE(line, __VA_ARGS__)
#define CASE(...) TOUCHSTONE_CASE_AT(__LINE__, __VA_ARGS__)
