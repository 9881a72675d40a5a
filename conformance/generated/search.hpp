// Looks for scripts on which a broker and the standard part, and makes what it finds small.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "conformance/generated/generate.hpp"
#include "conformance/generated/player.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance::generated {

struct SearchSettings {
    PlaySettings play{};
    std::uint64_t nonce = 0;      // makes the words of this run differ from those of an earlier one
    std::size_t plays_max = 400;  // of one shrinking
    std::optional<std::chrono::steady_clock::time_point> deadline{};
};

/// `settings` with less patience: enough for looking, when what is found is played again with all.
[[nodiscard]] SearchSettings with_less_patience(const SearchSettings& settings);

/// Plays `script` in a world of its own, drawn from `seed`, under a word of its own.
[[nodiscard]] Played play_anew(TargetSource& source, const Script& script, std::uint64_t seed,
                               const SearchSettings& settings);

/// The smallest script found that ends in the same divergence as `script`, which ends in
/// `divergence`: fewer steps, then fewer words.
[[nodiscard]] Script shrink(TargetSource& source, const Script& script,
                            const Divergence& divergence, std::uint64_t seed,
                            const SearchSettings& settings);

/// Whether two divergences are the same mistake: the details may differ.
[[nodiscard]] bool is_same_mistake(const Divergence& one, const Divergence& other);

/// The same script's packets that its own lines send, without what follows from them.
[[nodiscard]] std::size_t packet_lines(const Script& script);

/// A Network Connection through which scripts can be played: the probe of the suite. `declared`:
/// what the broker's file says and no packet does.
struct Surveyed {
    PlaySettings play{};
    std::string problem{};  // not empty: the broker cannot be judged
    bool is_reachable = true;
};
[[nodiscard]] Surveyed survey(TargetSource& source, std::uint64_t seed, std::uint64_t nonce,
                              double slow, const std::atomic<bool>* is_interrupted,
                              const Capabilities& declared = {});

}  // namespace touchstone::conformance::generated
