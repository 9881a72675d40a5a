#include "simulator/clock.hpp"

#include <cstdlib>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::int64_t million = 1'000'000;

/// What the clock advances in a million microseconds.
std::int64_t rate_of(Drift drift) {
    return million + drift.ppm;
}

/// floor(span * rate / million), without a product that overflows. `span` is not negative.
Duration advance(Duration span, std::int64_t rate) {
    const auto [whole, rest] = std::lldiv(span.count(), million);
    return Duration{whole * rate + rest * rate / million};
}

/// The least span with advance(span, rate) >= `wanted`, which is not negative; nothing when it
/// cannot be written down.
Duration span_for(Duration wanted, std::int64_t rate) {
    const auto [whole, rest] = std::lldiv(wanted.count(), rate);
    if (whole >= Duration::max().count() / million) return Duration::max();
    return Duration{whole * million + (rest * million + rate - 1) / rate};
}

}  // namespace

Clock::Clock(Drift drift, Duration wall_offset)
    : stretches_{{.wall_offset = wall_offset, .drift = drift}} {
    CHECK(drift >= drift_min);
    CHECK(drift <= drift_max);
}

void Clock::set_drift(Instant now, Drift drift) {
    CHECK(drift >= drift_min);
    CHECK(drift <= drift_max);
    begin_stretch(now).drift = drift;
}

void Clock::jump(Instant now, Duration by) {
    begin_stretch(now).wall_offset += by;
}

void Clock::sleep(Instant now) {
    CHECK(!stretches_.back().is_asleep);
    begin_stretch(now).is_asleep = true;
}

void Clock::wake(Instant now) {
    CHECK(stretches_.back().is_asleep);
    begin_stretch(now).is_asleep = false;
}

Instant Clock::steady_at(Instant at) const {
    return stretch_of(at).steady_at(at);
}

Instant Clock::wall_at(Instant at) const {
    const auto& stretch = stretch_of(at);
    return stretch.steady_at(at) + stretch.wall_offset;
}

Instant Clock::when_steady_shows(Instant reading) const {
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
        const auto& stretch = stretches_[i];
        if (reading <= stretch.steady) return stretch.from;
        const bool is_last = i + 1 == stretches_.size();
        if (!is_last && stretches_[i + 1].steady < reading) continue;
        if (stretch.is_asleep) return never;
        const auto span = span_for(reading - stretch.steady, rate_of(stretch.drift));
        return span < never - stretch.from ? stretch.from + span : never;
    }
    UNREACHABLE();
}

Instant Clock::Stretch::steady_at(Instant at) const {
    return is_asleep ? steady : steady + advance(at - from, rate_of(drift));
}

const Clock::Stretch& Clock::stretch_of(Instant at) const {
    CHECK(at >= run_begin);
    auto stretch = stretches_.rbegin();
    while (stretch->from > at) ++stretch;
    return *stretch;
}

Clock::Stretch& Clock::begin_stretch(Instant now) {
    CHECK(now >= stretches_.back().from);
    Stretch next = stretches_.back();
    next.steady = stretches_.back().steady_at(now);
    next.from = now;
    return stretches_.emplace_back(next);
}

}  // namespace touchstone::simulator
