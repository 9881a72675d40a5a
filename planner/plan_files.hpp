// Files of the planner: calibrations and prices (plan.proto).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/models/calibration.hpp"
#include "planner/models/prices.hpp"

namespace touchstone::planner {

struct CalibrationFile {
    Calibration calibration;
    std::vector<std::string> warnings;
    std::string command;
};

/// Nothing: `problems` says why, a line each with file, line and remedy.
[[nodiscard]] std::optional<CalibrationFile> read_calibration(const std::string& path,
                                                              std::vector<std::string>& problems);

/// What could not be written, in one line; nothing when it was.
[[nodiscard]] std::optional<std::string> write_calibration(const std::string& path,
                                                           const CalibrationFile& file);

[[nodiscard]] std::optional<PriceList> read_prices(const std::string& path,
                                                   std::vector<std::string>& problems);

}  // namespace touchstone::planner
