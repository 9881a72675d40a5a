#include "load/search.hpp"

#include <algorithm>

namespace touchstone::load {

namespace {

enum class Judgement { holds, fails, generator, ended };

class Search {
public:
    Search(const SearchOptions& options,
           const std::function<std::optional<Step>(double, unsigned)>& measure)
        : options_{options},
          measure_{measure} {}

    SearchResult run() {
        double rate = std::min(options_.first_rate, options_.rate_max);
        while (!is_over()) {
            if (!take(rate, judge(rate))) break;
            rate = next_rate();
        }
        return result_;
    }

private:
    /// The majority of up to 2 * confirmations - 1 measurements.
    Judgement judge(double rate) {
        unsigned held = 0;
        unsigned failed = 0;
        unsigned invalid = 0;
        for (unsigned attempt = 1;; ++attempt) {
            if (steps_++ >= options_.steps_max) return Judgement::ended;
            const auto step = measure_(rate, attempt);
            if (!step) return Judgement::ended;
            if (!step->is_valid) {
                if (++invalid >= options_.invalid_max) return Judgement::generator;
            } else if (step->holds) {
                if (++held >= options_.confirmations) return Judgement::holds;
            } else if (++failed >= options_.confirmations) {
                return Judgement::fails;
            }
        }
    }

    bool take(double rate, Judgement judgement) {
        switch (judgement) {
            case Judgement::ended: result_.was_cut_short = true; return false;
            case Judgement::holds:
                result_.limit = std::max(rate, result_.limit.value_or(0));
                return rate < options_.rate_max;
            case Judgement::generator: result_.was_generator_limit = true; break;
            case Judgement::fails: result_.was_generator_limit = false; break;
        }
        result_.lowest_failed = rate;
        return true;
    }

    [[nodiscard]] double next_rate() const {
        if (!result_.lowest_failed) return std::min(*result_.limit * 2, options_.rate_max);
        if (!result_.limit) return *result_.lowest_failed / 4;
        return (*result_.limit + *result_.lowest_failed) / 2;
    }

    [[nodiscard]] bool is_over() const {
        constexpr double rate_min = 1;
        if (!result_.lowest_failed) return false;
        if (!result_.limit) return *result_.lowest_failed < rate_min;
        return *result_.lowest_failed <= *result_.limit * (1 + options_.precision);
    }

    const SearchOptions& options_;
    const std::function<std::optional<Step>(double, unsigned)>& measure_;
    SearchResult result_;
    unsigned steps_ = 0;
};

}  // namespace

SearchResult find_highest_rate(
    const SearchOptions& options,
    const std::function<std::optional<Step>(double rate, unsigned attempt)>& measure) {
    return Search{options, measure}.run();
}

}  // namespace touchstone::load
