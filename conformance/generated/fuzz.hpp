// Runs attacks against a broker while other clients use it, and watches from outside: does it live,
// are the others undisturbed, is what it sends well formed, and does its memory stay.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "conformance/generated/attack.hpp"
#include "conformance/generated/model.hpp"
#include "conformance/generated/player.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance::generated {

/// What came of one attack.
struct Attacked {
    std::optional<Divergence> divergence{};
    bool is_gone = false;  // no Network Connection can be opened any more
    bool was_interrupted = false;
    Duration round_trip{0};            // of the witnesses, afterwards
    std::size_t packets_received = 0;  // by the attacker
};

/// A broker under attack, with its witnesses: a publisher and a subscriber who are connected all
/// the time, an observer of the attackers' topics, and a newcomer after each attack.
class Siege {
public:
    /// `target` and `settings` outlive it. The attacks' word is `settings.token`.
    Siege(Target& target, const PlaySettings& settings);
    Siege(const Siege&) = delete;
    Siege& operator=(const Siege&) = delete;
    ~Siege();

    /// Connects the witnesses. Why it cannot, in one line; empty when they are there.
    [[nodiscard]] std::string begin();
    [[nodiscard]] Attacked run(const Attack& attack);
    /// Ends the Sessions that attacks may have left, and removes their Retained Messages.
    void clean_up();

private:
    class State;
    std::unique_ptr<State> state_;
};

/// Resident memory of a process of this machine, bytes. Nothing when it cannot be read.
[[nodiscard]] std::optional<std::uint64_t> resident_bytes(unsigned process_id);

}  // namespace touchstone::conformance::generated
