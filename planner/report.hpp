// Results of the planner as results.proto, from which the report is made.
#pragma once

#include <string>
#include <vector>

#include "planner/measure/calibrate.hpp"
#include "planner/models/estimate.hpp"
#include "planner/models/prices.hpp"
#include "planner/plan_files.hpp"
#include "reports/results.pb.h"

namespace touchstone::planner {

/// The calibration, with what it was fitted to when that is at hand.
[[nodiscard]] results::Run run_of_calibration(const CalibrationFile& file,
                                              const CalibrationRun* measured);

struct EstimateReport {
    std::string workload;
    const CalibrationFile* file = nullptr;
    const Demand* demand = nullptr;
    const Question* question = nullptr;
    const Estimate* estimate = nullptr;
    const PriceList* prices = nullptr;  // null: none were given
    std::vector<Offer> offers;
};
[[nodiscard]] results::Run run_of_estimate(const EstimateReport& report);

/// Goals of a prediction's error, by quantity; 0: none.
[[nodiscard]] double goal_of(const std::string& quantity);
[[nodiscard]] results::Run run_of_validation(const CalibrationFile& file,
                                             const std::vector<PredictionError>& errors);

/// For a terminal: the tables of the report, one after the other.
[[nodiscard]] std::string text_of(const results::PlanReport& report);

}  // namespace touchstone::planner
