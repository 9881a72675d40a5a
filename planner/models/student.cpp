#include "planner/models/student.hpp"

#include <cmath>
#include <initializer_list>

#include "broker/base/check.hpp"

namespace touchstone::planner {

namespace {

/// The continued fraction of I_x(a, b), by Lentz's method: DLMF 8.17.22.
double beta_fraction(double a, double b, double x) {
    constexpr double tiny = 1e-300;
    constexpr double enough = 1e-15;
    constexpr int terms_max = 500;
    double c = 1;
    double d = 1 / (1 - (a + b) * x / (a + 1));
    double fraction = d;
    for (int m = 1; m <= terms_max; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (const double term : {even, odd}) {
            d = 1 + term * d;
            c = 1 + term / c;
            if (std::abs(d) < tiny) d = tiny;
            if (std::abs(c) < tiny) c = tiny;
            d = 1 / d;
            fraction *= c * d;
        }
        if (std::abs(c * d - 1) < enough) break;
    }
    return fraction;
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
    CHECK(a > 0 && b > 0);
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                  a * std::log(x) + b * std::log1p(-x));
    // The fraction is quick on this side of the mean only.
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_t_quantile(double probability, double degrees_of_freedom) {
    CHECK(probability > 0 && probability < 1);
    CHECK(degrees_of_freedom >= 1);
    if (probability < 0.5) return -student_t_quantile(1 - probability, degrees_of_freedom);
    // P(T > t) = I_x(n/2, 1/2) / 2 with x = n / (n + t^2), which falls as t grows.
    const double tail = 2 * (1 - probability);
    double low = 0;
    double high = 1;
    for (int i = 0; i < 200; ++i) {
        const double middle = (low + high) / 2;
        if (incomplete_beta(degrees_of_freedom / 2, 0.5, middle) < tail) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const double x = (low + high) / 2;
    return std::sqrt(degrees_of_freedom * (1 - x) / x);
}

}  // namespace touchstone::planner
