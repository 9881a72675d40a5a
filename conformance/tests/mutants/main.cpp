// The broken brokers as a program, for ci/mutants and for sessions over TCP. Of the tests alone: it
// is installed nowhere.
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "conformance/tests/mutants/server.hpp"
#include "conformance/tests/mutants/trial.hpp"

namespace touchstone::conformance {

namespace {

constexpr std::string_view usage =
    "usage: touchstone_mutants cases             all cases, and the statements that have one\n"
    "       touchstone_mutants judge SHARE OF    what the cases say to each mutant of this share\n"
    "       touchstone_mutants serve NAME PORT   the mutant at 127.0.0.1:PORT, until SIGTERM; "
    "with\n"
    "                                            the name \"none\" the reference broker\n"
    "Lines are words between tabs:\n"
    "    case ID STATEMENTS DEMAND     of `cases`; statements are apart by a space\n"
    "    mutant NAME STORY\n"
    "    named NAME ID CASE VERDICT REASON    a case that names ID, which the mutant breaks\n"
    "    survived NAME ID              no such case notices\n"
    "    caught NAME CASE VERDICT      another case that notices\n";

std::atomic<bool> is_stopped = false;

void stop(int) {
    is_stopped = true;
}

int print_cases() {
    for (const auto& entry : all_cases()) {
        std::string statements;
        for (const auto& id : entry.statements) {
            statements += (statements.empty() ? "" : " ") + id;
        }
        std::printf("case\t%s\t%s\t%s\n", entry.id.c_str(), statements.c_str(),
                    entry.demand.c_str());
    }
    return to_int(ExitCode::as_expected);
}

void judge(const Mutant& mutant) {
    Trial trial{mutant};
    const char* const name = mutant.name.c_str();
    std::printf("mutant\t%s\t%s\n", name, mutant.story.c_str());
    std::set<const CaseEntry*> told;
    for (const auto& id : mutant.breaks) {
        const auto witnesses = trial.witnesses(id);
        if (witnesses.empty()) std::printf("survived\t%s\t%s\n", name, id.c_str());
        for (const auto& [entry, verdict, reason] : witnesses) {
            told.insert(entry);
            std::printf("named\t%s\t%s\t%s\t%s\t%s\n", name, id.c_str(), entry->id.c_str(),
                        text_of(verdict), reason.c_str());
        }
    }
    for (const auto version : {ProtocolVersion::v5, ProtocolVersion::v3_1_1}) {
        if (!trial.leads_conversations(version)) continue;
        for (const auto& entry : all_cases()) {
            if (entry.version != version || told.contains(&entry)) continue;
            const auto verdict = trial.judge(entry).verdict;
            if (!is_caught(verdict)) continue;
            std::printf("caught\t%s\t%s\t%s\n", name, entry.id.c_str(), text_of(verdict));
        }
    }
}

unsigned number_of(std::string_view text) {
    unsigned value = 0;
    const auto* const end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || last != end) {
        throw std::invalid_argument{"'" + std::string{text} + "' is no number"};
    }
    return value;
}

int judge_share(unsigned share, unsigned share_count) {
    if (share >= share_count) throw std::invalid_argument{"SHARE is 0 to OF - 1"};
    const auto& mutants = all_mutants();
    for (std::size_t i = share; i < mutants.size(); i += share_count) judge(mutants[i]);
    return to_int(ExitCode::as_expected);
}

int serve(std::string_view name, unsigned port) {
    if (port > 65'535) throw std::invalid_argument{"PORT is 0 to 65535"};
    std::signal(SIGTERM, stop);
    std::signal(SIGINT, stop);
    MutantServer server{mutant_named(name), static_cast<std::uint16_t>(port)};
    std::printf("listening at 127.0.0.1:%u\n", server.port());
    std::fflush(stdout);
    server.serve(is_stopped);
    return to_int(ExitCode::as_expected);
}

int run(const std::vector<std::string_view>& words) {
    if (words.size() == 1 && words[0] == "cases") return print_cases();
    if (words.size() == 3 && words[0] == "judge") {
        return judge_share(number_of(words[1]), number_of(words[2]));
    }
    if (words.size() == 3 && words[0] == "serve") return serve(words[1], number_of(words[2]));
    std::fputs(usage.data(), stderr);
    return to_int(ExitCode::usage_error);
}

}  // namespace

}  // namespace touchstone::conformance

int main(int argument_count, char** arguments) {
    try {
        return touchstone::conformance::run({arguments + 1, arguments + argument_count});
    } catch (const std::exception& mistake) {
        std::fprintf(stderr, "touchstone_mutants: %s\n", mistake.what());
        return touchstone::to_int(touchstone::ExitCode::usage_error);
    }
}
