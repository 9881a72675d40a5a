// A broken broker behind a TCP port. Its world is the simulated one of every mutant, whose virtual
// time follows the clock here, so any of them can be had over TCP; only those of WebSocket cannot.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "conformance/targets/target.hpp"
#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance {

/// The mutant of that name; "none": the reference broker as it is. Throws std::invalid_argument
/// when there is no such mutant, or it is one of WebSocket.
[[nodiscard]] const Mutant& mutant_named(std::string_view name);

class MutantServer {
public:
    /// Listens at 127.0.0.1:`port`, 0 being any that is free. Throws std::system_error when it
    /// cannot. `mutant` has to outlive it.
    MutantServer(const Mutant& mutant, std::uint16_t port);
    MutantServer(const MutantServer&) = delete;
    MutantServer& operator=(const MutantServer&) = delete;
    ~MutantServer();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Returns soon after `is_stopped`.
    void serve(const std::atomic<bool>& is_stopped);

private:
    struct Client;

    void accept_one();
    void take_input(Client& client);
    void give_output(Client& client);

    std::unique_ptr<TargetSource> source_;
    std::unique_ptr<Target> target_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<Client>> clients_{};
};

}  // namespace touchstone::conformance
