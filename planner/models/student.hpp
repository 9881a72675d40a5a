// Quantiles of the distributions that intervals are made of.
#pragma once

namespace touchstone::planner {

/// Of Student's t with so many degrees of freedom (at least 1): the value that it does not exceed
/// with `probability` (0..1, neither end). To ten digits.
[[nodiscard]] double student_t_quantile(double probability, double degrees_of_freedom);

/// I_x(a, b), the regularized incomplete beta function; a, b above 0, x in 0..1.
[[nodiscard]] double incomplete_beta(double a, double b, double x);

}  // namespace touchstone::planner
