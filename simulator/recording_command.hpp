// `touchstone simulate replay DIR` for what `touchstone broker --record DIR` has written.
#pragma once

#include <string>
#include <vector>

namespace touchstone::simulator {

struct RecordingOptions {
    std::vector<std::string> defects;  // switches of nodes
    std::string trace_of;              // a client's name, or "all"; empty: no trace
    bool is_judged = false;            // by the checkers that can be asked, with a report
    std::string out;                   // its result directory; empty: the default
};

/// The files of a broker's record in that directory, in the order of its shards; none when it holds
/// no record.
[[nodiscard]] std::vector<std::string> recording_in(const std::string& directory);

/// Replays each, says what came of it, returns the exit code. SIGINT and SIGTERM end it with what
/// it has found.
int replay_recording(const std::string& directory, const std::vector<std::string>& files,
                     const RecordingOptions& options);

}  // namespace touchstone::simulator
