// Plays a packet script against a broker, one step after another: sends what the model says, gives
// it what comes back, and lets every client make a round trip before the next step. Stops where
// broker and model part.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "conformance/generated/model.hpp"
#include "conformance/generated/script.hpp"
#include "conformance/suite/verdict.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance::generated {

struct PlaySettings {
    Tolerances tolerances{};
    Capabilities capabilities{};
    std::optional<NameAndPassword> credentials{};  // go into every CONNECT
    std::string token = "gtouchston";              // letters and digits: the script's own word
    double patience = 1.0;  // the part of Tolerances::answer() that is waited for what is owed
    bool is_of_one_part = false;    // see ModelSettings
    bool is_shared_broker = false;  // it lives on: leave nothing behind
    const std::atomic<bool>* is_interrupted = nullptr;
};

struct Played {
    std::optional<Divergence> divergence{};
    std::size_t step = 0;             // where it showed
    std::vector<bool> has_applied{};  // of each step that was reached
    std::size_t packet_count = 0;     // sent by the clients, but for the PINGREQs between the steps
    std::string inconclusive{};       // why nothing could be judged to the end
    bool was_unreachable = false;     // a Network Connection could not be opened
    bool was_interrupted = false;
    std::string token{};  // the word that it was played under
    CaseOutcome outcome{};
};

/// Never throws because of a broker.
[[nodiscard]] Played play(Target& target, const Script& script, const PlaySettings& settings);

}  // namespace touchstone::conformance::generated
