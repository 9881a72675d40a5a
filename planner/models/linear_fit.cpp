#include "planner/models/linear_fit.hpp"

#include <algorithm>
#include <cmath>

#include "broker/base/check.hpp"
#include "planner/models/student.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {

namespace {

/// Square, symmetric, positive definite.
class Matrix {
public:
    explicit Matrix(std::size_t size) : size_{size}, values_(size * size) {}
    double& at(std::size_t row, std::size_t column) { return values_[row * size_ + column]; }
    [[nodiscard]] double at(std::size_t row, std::size_t column) const {
        return values_[row * size_ + column];
    }
    [[nodiscard]] std::size_t size() const { return size_; }

    /// Replaces it by its lower factor (Cholesky). False: it is singular, to a part in 10^10.
    bool factor() {
        for (std::size_t j = 0; j < size_; ++j) {
            const double before = at(j, j);
            for (std::size_t k = 0; k < j; ++k) at(j, j) -= at(j, k) * at(j, k);
            if (!(at(j, j) > before * 1e-10)) return false;
            at(j, j) = std::sqrt(at(j, j));
            for (std::size_t i = j + 1; i < size_; ++i) {
                for (std::size_t k = 0; k < j; ++k) at(i, j) -= at(i, k) * at(j, k);
                at(i, j) /= at(j, j);
            }
        }
        return true;
    }
    /// Of the matrix that was factored.
    [[nodiscard]] std::vector<double> solve(std::vector<double> right) const {
        for (std::size_t i = 0; i < size_; ++i) {
            for (std::size_t k = 0; k < i; ++k) right[i] -= at(i, k) * right[k];
            right[i] /= at(i, i);
        }
        for (std::size_t i = size_; i-- > 0;) {
            for (std::size_t k = i + 1; k < size_; ++k) right[i] -= at(k, i) * right[k];
            right[i] /= at(i, i);
        }
        return right;
    }

private:
    std::size_t size_;
    std::vector<double> values_;
};

double dot(std::span<const double> left, std::span<const double> right) {
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) sum += left[i] * right[i];
    return sum;
}

/// Of the factors in `kept` only.
std::optional<LinearFit> fit_kept(std::span<const Observation> observations,
                                  const std::vector<std::size_t>& kept) {
    const std::size_t all = observations.front().factors.size();
    if (observations.size() <= kept.size()) return std::nullopt;
    // In units in which each factor's squares sum to 1, so that bytes and calls can be compared.
    std::vector<double> units;
    for (const std::size_t factor : kept) {
        double squares = 0;
        for (const auto& one : observations) {
            squares += one.weight * one.factors[factor] * one.factors[factor];
        }
        if (!(squares > 0)) return std::nullopt;
        units.push_back(1 / std::sqrt(squares));
    }
    Matrix normal{kept.size()};
    std::vector<double> right(kept.size());
    for (const auto& one : observations) {
        for (std::size_t i = 0; i < kept.size(); ++i) {
            const double scaled = one.weight * one.factors[kept[i]] * units[i];
            right[i] += scaled * one.value;
            for (std::size_t j = 0; j < kept.size(); ++j) {
                normal.at(i, j) += scaled * one.factors[kept[j]] * units[j];
            }
        }
    }
    if (!normal.factor()) return std::nullopt;
    const auto solution = normal.solve(right);
    LinearFit fit;
    fit.coefficients.assign(all, 0);
    fit.covariance.assign(all * all, 0);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        fit.coefficients[kept[i]] = solution[i] * units[i];
    }
    double squares = 0;
    for (const auto& one : observations) {
        const double residual = one.value - dot(one.factors, fit.coefficients);
        squares += one.weight * residual * residual;
    }
    fit.degrees_of_freedom = observations.size() - kept.size();
    fit.residual_variance = squares / static_cast<double>(fit.degrees_of_freedom);
    for (std::size_t j = 0; j < kept.size(); ++j) {
        std::vector<double> unit(kept.size());
        unit[j] = 1;
        const auto column = normal.solve(unit);
        for (std::size_t i = 0; i < kept.size(); ++i) {
            fit.covariance[kept[i] * all + kept[j]] =
                column[i] * units[i] * units[j] * fit.residual_variance;
        }
    }
    return fit;
}

}  // namespace

Figure LinearFit::coefficient(std::size_t i, double level) const {
    std::vector<double> factors(coefficients.size());
    factors[i] = 1;
    return mean_at(factors, level);
}

void LinearFit::scale(double factor) {
    for (double& one : coefficients) one *= factor;
    for (double& one : covariance) one *= factor * factor;
}

Figure LinearFit::mean_at(std::span<const double> factors, double level) const {
    CHECK(factors.size() == coefficients.size());
    double variance = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) {
        for (std::size_t j = 0; j < factors.size(); ++j) {
            variance += factors[i] * factors[j] * covariance[i * factors.size() + j];
        }
    }
    const double t = student_t_quantile((1 + level) / 2, static_cast<double>(degrees_of_freedom));
    return {.value = dot(factors, coefficients),
            .half_width = t * std::sqrt(std::max(0.0, variance))};
}

std::optional<LinearFit> fit_linear(std::span<const Observation> observations) {
    if (observations.empty()) return std::nullopt;
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < observations.front().factors.size(); ++i) {
        const bool is_seen = std::ranges::any_of(
            observations, [i](const Observation& one) { return one.factors[i] != 0; });
        if (is_seen) kept.push_back(i);
    }
    if (kept.empty()) return std::nullopt;
    for (;;) {
        auto fit = fit_kept(observations, kept);
        if (!fit) return std::nullopt;
        // The one that is furthest below 0 in terms of its own deviation goes first.
        const auto worst = std::ranges::min_element(kept, {}, [&](std::size_t i) {
            const double variance = fit->covariance[i * fit->coefficients.size() + i];
            const double value = fit->coefficients[i];
            return value >= 0 || variance <= 0 ? value : value / std::sqrt(variance);
        });
        if (fit->coefficients[*worst] >= 0) return fit;
        kept.erase(worst);
        if (kept.empty()) return std::nullopt;
    }
}

std::optional<Figure>
bootstrap(std::span<const Observation> observations,
          const std::function<std::optional<double>(std::span<const Observation>)>& statistic,
          std::size_t replications, std::uint64_t seed, double level) {
    const auto value = statistic(observations);
    if (!value) return std::nullopt;
    simulator::fleet::Draws draws{seed};
    std::vector<double> replicates;
    std::vector<Observation> drawn(observations.size());
    for (std::size_t i = 0; i < replications; ++i) {
        for (auto& one : drawn) {
            one = observations[static_cast<std::size_t>(draws.below(observations.size()))];
        }
        if (const auto replicate = statistic(drawn)) replicates.push_back(*replicate);
    }
    if (replicates.size() < replications * 9 / 10 || replicates.size() < 2) return std::nullopt;
    std::ranges::sort(replicates);
    const auto at = [&](double share) {
        const auto last = static_cast<double>(replicates.size() - 1);
        return replicates[static_cast<std::size_t>(std::lround(share * last))];
    };
    return Figure{.value = *value, .half_width = (at((1 + level) / 2) - at((1 - level) / 2)) / 2};
}

}  // namespace touchstone::planner
