// A run's figures for Prometheus: served on a port of 127.0.0.1, or written into a file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "load/engine.hpp"

namespace touchstone::load {

class Metrics {
public:
    /// `port` 0: any free one. Throws CannotRun when it is taken.
    Metrics(std::optional<std::uint16_t> port, std::string file);
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// Keeps what a scrape is answered with, and writes the file when a second has passed.
    void update(const Glimpse& glimpse);

    /// Of the server; nothing without one.
    [[nodiscard]] std::optional<std::uint16_t> port() const;

private:
    struct Served;
    std::shared_ptr<Served> served_;
    std::string file_;
    Nanos written_at_ = 0;
};

}  // namespace touchstone::load
