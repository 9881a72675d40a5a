#include "reports/merge.hpp"

#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "reports/summary.hpp"

namespace touchstone::reports {

using results::StatementCell;
using results::Verdict;

namespace {

std::string_view version_of(std::string_view statement_id) {
    return statement_id.substr(0, statement_id.find('/'));
}

void make_names_unique(std::vector<results::Run>& runs) {
    std::set<std::string> taken;
    for (auto& run : runs) {
        std::string name = run.name();
        for (int i = 2; !taken.insert(name).second; ++i)
            name = fmt::format("{} ({})", run.name(), i);
        run.set_name(name);
    }
}

/// Indices of the cases that judge a statement, by its id.
using CasesByStatement = std::map<std::string, std::vector<std::uint32_t>>;

CasesByStatement cases_by_statement(const results::Run& run) {
    CasesByStatement cases;
    for (int i = 0; i < run.cases_size(); ++i) {
        const std::set<std::string> ids{run.cases(i).statements().begin(),
                                        run.cases(i).statements().end()};
        for (const auto& id : ids) cases[id].push_back(static_cast<std::uint32_t>(i));
    }
    return cases;
}

StatementCell judge(const results::StatementRecord& statement, const results::Run& run,
                    const CasesByStatement& cases) {
    StatementCell cell;
    if (const auto found = cases.find(statement.id()); found != cases.end()) {
        cell.set_state(StatementCell::judged);
        for (const std::uint32_t index : found->second) {
            cell.set_verdict(
                worse(cell.verdict(), overall_verdict(run.cases(static_cast<int>(index)))));
            cell.add_cases(index);
        }
    } else if (statement.case_ids_size() > 0) {
        cell.set_state(StatementCell::not_run);
    } else {
        cell.set_state(statement.reason().empty() ? StatementCell::uncovered
                                                  : StatementCell::reasoned);
    }
    return cell;
}

void count_cell(results::StatementCounts& counts, const StatementCell& cell) {
    counts.set_total(counts.total() + 1);
    switch (cell.state()) {
        case StatementCell::judged: return add_verdict(*counts.mutable_judged(), cell.verdict());
        case StatementCell::not_run: return counts.set_not_run(counts.not_run() + 1);
        case StatementCell::reasoned: return counts.set_reasoned(counts.reasoned() + 1);
        default: return counts.set_uncovered(counts.uncovered() + 1);
    }
}

/// Places for the rows in the order in which they are met, the versions one after the other.
class Matrix {
public:
    explicit Matrix(std::size_t run_count) : run_count_{run_count} {}

    results::StatementRow& row(const results::StatementRecord& statement) {
        const auto [place, is_new] = place_by_id_.try_emplace(statement.id());
        if (is_new) {
            auto& rows = rows_of_version(version_of(statement.id()));
            place->second = {&rows, rows.size()};
            auto& row = rows.emplace_back();
            row.set_version(std::string{version_of(statement.id())});
            *row.mutable_statement() = statement;
            for (std::size_t i = 0; i < run_count_; ++i) row.add_cells();
        }
        return (*place->second.first)[place->second.second];
    }

    void move_to(results::Report& report) {
        for (const auto& version : versions_) {
            for (auto& row : rows_by_version_[version]) *report.add_rows() = std::move(row);
        }
    }

private:
    using Rows = std::vector<results::StatementRow>;

    Rows& rows_of_version(std::string_view version) {
        const auto [place, is_new] = rows_by_version_.try_emplace(std::string{version});
        if (is_new) versions_.emplace_back(version);
        return place->second;
    }

    std::size_t run_count_;
    std::vector<std::string> versions_;
    std::map<std::string, Rows> rows_by_version_;  // its elements stay where they are
    std::map<std::string, std::pair<Rows*, std::size_t>> place_by_id_;
};

template <typename Result>
void add_failure(results::RunSummary& summary, const Result& result, const std::string& id,
                 Verdict::Value verdict) {
    const bool as_expected = is_as_expected(result);
    if (!as_expected) summary.set_unexpected(summary.unexpected() + 1);
    if (as_expected && !is_failure(verdict)) return;
    auto& failure = *summary.add_failures();
    failure.set_id(id);
    failure.set_verdict(verdict);
    failure.set_as_expected(as_expected);
    failure.set_reason(result.reason());
    failure.set_reproduce(result.reproduce());
}

results::RunSummary summarize(const results::Run& run) {
    results::RunSummary summary;
    summary.set_name(run.name());
    summary.set_kind(run.kind());
    *summary.mutable_target() = run.target();
    summary.set_verdict(run.verdict());
    *summary.mutable_counts() = run.counts();
    summary.set_seed(run.seed());
    summary.set_duration_ms(run.duration_ms());
    summary.set_digest(run.digest());
    summary.set_reproduce(run.reproduce());
    for (const auto& result : run.cases())
        add_failure(summary, result, result.case_id(), overall_verdict(result));
    for (const auto& result : run.scenarios())
        add_failure(summary, result, result.scenario(), result.verdict());
    return summary;
}

}  // namespace

results::Report merge_runs(std::string title, std::vector<results::Run> runs) {
    make_names_unique(runs);
    results::Report report;
    report.set_title(std::move(title));
    Matrix matrix{runs.size()};
    for (std::size_t i = 0; i < runs.size(); ++i) {
        results::RunSummary& summary = *report.add_summaries();
        summary = summarize(runs[i]);
        const CasesByStatement cases = cases_by_statement(runs[i]);
        for (const auto& statement : runs[i].statements()) {
            StatementCell& cell = *matrix.row(statement).mutable_cells(static_cast<int>(i));
            // A catalogue that names a statement twice counts it once.
            if (cell.state() != StatementCell::not_in_catalogue) continue;
            cell = judge(statement, runs[i], cases);
            count_cell(*summary.mutable_statements(), cell);
        }
        runs[i].clear_statements();
        *report.add_runs() = std::move(runs[i]);
    }
    matrix.move_to(report);
    return report;
}

}  // namespace touchstone::reports
