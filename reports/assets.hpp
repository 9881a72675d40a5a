// The pages' style and scripts from assets/, compiled in by CMake (embed_assets.cmake).
#pragma once

#include <string_view>

namespace touchstone::reports::assets {

[[nodiscard]] std::string_view style();
[[nodiscard]] std::string_view script();             // of the report
[[nodiscard]] std::string_view sweep_script();       // of the page of a sweep
[[nodiscard]] std::string_view fleet_script();       // of the page of a fleet
[[nodiscard]] std::string_view comparison_script();  // of the page of a comparison
[[nodiscard]] std::string_view load_script();        // of the page of real load
[[nodiscard]] std::string_view plan_script();        // of the page of the planner

// SHA-256 of each, 64 lower-case hexadecimal digits.
extern const std::string_view style_sha256;
extern const std::string_view script_sha256;
extern const std::string_view sweep_script_sha256;
extern const std::string_view fleet_script_sha256;
extern const std::string_view comparison_script_sha256;
extern const std::string_view load_script_sha256;
extern const std::string_view plan_script_sha256;

}  // namespace touchstone::reports::assets
