#include "conformance/catalogue/catalogue.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>

namespace touchstone::conformance {

namespace detail {
extern const char* const table_v5;
extern const char* const table_v5_unnumbered;
extern const char* const table_v3_1_1;
extern const char* const table_v3_1_1_unnumbered;
}  // namespace detail

namespace {

constexpr std::size_t column_count = 8;

std::string_view take_until(std::string_view& text, char separator) {
    const auto end = std::min(text.find(separator), text.size());
    const auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

void add_table(std::vector<Statement>& statements, std::string_view version,
               std::string_view table) {
    take_until(table, '\n');  // the header line
    while (!table.empty()) {
        auto line = take_until(table, '\n');
        std::array<std::string, column_count> columns;
        if (std::ranges::count(line, '\t') != column_count - 1) {
            throw std::logic_error{"catalogue: not 8 columns: " + std::string{line}};
        }
        for (auto& column : columns) column = take_until(line, '\t');
        statements.push_back({.id = std::string{version} + '/' + columns[0],
                              .section = columns[1],
                              .actor = columns[2],
                              .level = columns[3],
                              .wire_testable = columns[4],
                              .requirement = columns[5],
                              .how_to_observe = columns[6],
                              .reason_without_case = columns[7]});
    }
}

}  // namespace

const std::vector<Statement>& catalogue() {
    static const auto statements = [] {
        std::vector<Statement> all;
        add_table(all, "v5", detail::table_v5);
        add_table(all, "v5", detail::table_v5_unnumbered);
        add_table(all, "v3.1.1", detail::table_v3_1_1);
        add_table(all, "v3.1.1", detail::table_v3_1_1_unnumbered);
        return all;
    }();
    return statements;
}

const Statement* find_statement(std::string_view id) {
    static const auto by_id = [] {
        std::map<std::string_view, const Statement*> index;
        for (const auto& statement : catalogue()) index.emplace(statement.id, &statement);
        return index;
    }();
    const auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : found->second;
}

bool is_in_section(std::string_view section, std::string_view wanted) {
    if (!section.starts_with(wanted)) return false;
    const auto rest = section.substr(wanted.size());
    return rest.empty() || rest[0] == '.' || rest[0] == ' ';
}

}  // namespace touchstone::conformance
