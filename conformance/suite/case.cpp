#include "conformance/suite/case.hpp"

#include <algorithm>
#include <map>

#include "conformance/suite/context.hpp"

namespace touchstone::conformance {

namespace {

struct Registry {
    std::vector<CaseEntry> entries;
    std::vector<std::string> mistakes;
};

Registry& registry() {
    // Inside a function: cases register themselves before main(), in any order.
    static Registry instance;
    return instance;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (end > 0) words.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

}  // namespace

Peer CaseBody::peer(std::string_view name) {
    return Peer{context_->actor(name)};
}

ProtocolVersion CaseBody::version() const {
    return context_->version();
}

bool CaseBody::is_v5() const {
    return context_->version() == ProtocolVersion::v5;
}

std::string CaseBody::full(const Topic& topic) const {
    return context_->full(topic);
}

std::string CaseBody::unique() const {
    return context_->token();
}

const Capabilities& CaseBody::capabilities() const {
    return context_->surroundings().capabilities;
}

const Tolerances& CaseBody::tolerances() const {
    return context_->tolerances();
}

const Declaration& CaseBody::declaration() const {
    return context_->declaration();
}

void CaseBody::stop_broker() {
    context_->stop_broker();
}

void CaseBody::start_broker() {
    context_->start_broker();
}

Instant CaseBody::now() const {
    return context_->now();
}

WebSocketHandshake CaseBody::shake_hands(const std::vector<std::string>& subprotocols) {
    return context_->shake_hands(subprotocols);
}

void CaseBody::wait(Duration duration, std::string_view what_for) {
    context_->wait_until(context_->now() + duration, what_for);
}

void CaseBody::step(std::string_view text) {
    context_->note(text);
}

void CaseBody::demand(bool condition, std::string_view expected, std::string_view seen) {
    if (!condition) fail(expected, seen);
}

void CaseBody::fail(std::string_view expected, std::string_view seen) {
    context_->fail(std::string{expected}, std::string{seen});
}

void CaseBody::not_applicable(std::string_view reason) {
    context_->end(Verdict::not_applicable, std::string{reason});
}

void CaseBody::inconclusive(std::string_view reason) {
    context_->end(Verdict::inconclusive, std::string{reason});
}

void CaseBody::non_strict(std::string_view what) {
    context_->downgrade(Verdict::non_strict, std::string{what});
}

void CaseBody::observed(std::string_view choice) {
    context_->downgrade(Verdict::info, std::string{choice});
}

const std::vector<CaseEntry>& all_cases() {
    auto& entries = registry().entries;
    if (!std::ranges::is_sorted(entries, {}, &CaseEntry::id)) {
        std::ranges::sort(entries, {}, &CaseEntry::id);
    }
    return entries;
}

bool register_case(std::string_view ids, std::string_view demand, Needs requested, const char* file,
                   CaseEntry::Make make) {
    std::map<std::string, CaseEntry> by_version;
    for (const auto& word : words_of(ids)) {
        const auto slash = word.find('/');
        const auto name = word.substr(0, std::min(slash, word.size()));
        if (name != "v5" && name != "v3.1.1") {
            registry().mistakes.push_back(word + " in " + file +
                                          ": a case id begins with v5/ or v3.1.1/");
            continue;
        }
        auto& entry = by_version[name];
        if (entry.id.empty()) entry.id = word;
        entry.statements.push_back(word.substr(0, word.find(':')));
        entry.demand = demand;
        entry.version = name == "v5" ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
        entry.requested = requested;
        entry.file = file;
        entry.make = make;
    }
    for (auto& [name, entry] : by_version) registry().entries.push_back(std::move(entry));
    return true;
}

std::vector<std::string> check_cases() {
    auto mistakes = registry().mistakes;
    std::map<std::string, std::string> file_of;
    for (const auto& entry : all_cases()) {
        const auto [known, is_new] = file_of.emplace(entry.id, entry.file);
        if (!is_new) {
            mistakes.push_back(entry.id + " in " + entry.file + ": " + known->second +
                               " has a case with this id");
        }
    }
    return mistakes;
}

}  // namespace touchstone::conformance
