// The numbered statements of MQTT 5.0 and 3.1.1, and the behaviours without a number that the suite
// judges under labels of its own (X5-…, X3-…). Data: the .tsv files beside this one, compiled in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace touchstone::conformance {

struct Statement {
    std::string id;             // with version: "v5/MQTT-3.3.4-9", "v3.1.1/X3-01"
    std::string section;        // "3.3.4 PUBLISH Actions"
    std::string actor;          // server | client | both
    std::string level;          // MUST | MUST NOT | prose
    std::string wire_testable;  // against a server: yes | indirect | no
    std::string requirement;
    std::string how_to_observe;
    std::string reason_without_case;  // why no case judges it; empty when one does

    [[nodiscard]] std::string_view version() const {
        return std::string_view{id}.substr(0, id.find('/'));
    }
    /// "3.3.4" of "3.3.4 PUBLISH Actions".
    [[nodiscard]] std::string_view section_number() const {
        return std::string_view{section}.substr(0, section.find(' '));
    }
    /// Whether the number is the standard's.
    [[nodiscard]] bool is_numbered() const { return id.find("/MQTT-") != std::string::npos; }
};

/// All statements: 5.0, its unnumbered behaviours, 3.1.1, its unnumbered ones; each in the order of
/// the standard. Lives as long as the program.
[[nodiscard]] const std::vector<Statement>& catalogue();

/// nullptr when there is no such statement.
[[nodiscard]] const Statement* find_statement(std::string_view id);

/// Whether `section` ("3.3.4", "3.3.4 PUBLISH Actions") lies in the section `wanted` ("3.3").
[[nodiscard]] bool is_in_section(std::string_view section, std::string_view wanted);

}  // namespace touchstone::conformance
