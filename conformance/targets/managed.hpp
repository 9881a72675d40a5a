// A broker whose operator says how it is started and stopped, and how it can be had in the states
// that some cases need. It puts this around the sources of network.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

/// For `/bin/sh -c`; "{port}" stands for the broker's port.
struct BrokerCommands {
    std::string run{};  // runs as long as the broker
    std::string start{};
    std::string stop{};
    std::string restart{};

    [[nodiscard]] bool empty() const { return run.empty() && start.empty() && restart.empty(); }
};

struct ManagedBroker {
    /// Makes the source once the port is known. nullptr: `problem` says why.
    std::function<std::unique_ptr<TargetSource>(const std::string& url, std::string& problem)>
        make_source;
    std::string url;  // "mqtt://127.0.0.1:{port}", "{port}" standing for a port that is free
    BrokerCommands commands{};
    Declaration declaration{};
    std::string log_file{};  // of what the commands print; empty: nowhere
    // The states, each with a declaration of its own; nullptr: cannot be had.
    std::shared_ptr<const ManagedBroker> guarded{};
    std::shared_ptr<const ManagedBroker> reduced{};
};

/// Starts the broker when there is a command that runs it. nullptr: `problem` says why in one line.
[[nodiscard]] std::unique_ptr<TargetSource> make_managed_source(const ManagedBroker& broker,
                                                                std::string& problem);

}  // namespace touchstone::conformance
