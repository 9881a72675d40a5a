#include "conformance/targets/sim.hpp"

#include <utility>

#include "simulator/bench.hpp"

namespace touchstone::conformance {

namespace {

using simulator::Bench;

class SimConnection final : public Connection {
public:
    explicit SimConnection(std::shared_ptr<Bench> bench)
        : bench_{std::move(bench)},
          handle_{bench_->open()} {}

    bool send(Bytes bytes) override {
        if (is_closed_) return false;
        bench_->send(handle_, bytes);
        return true;
    }

    Arrival receive(Buffer& into, Instant deadline) override {
        if (is_closed_) return Arrival::reset;
        const auto wait_max = std::max(Duration::zero(), deadline - bench_->now());
        const auto arrival = bench_->receive(handle_, wait_max);
        using Kind = Bench::Arrival::Kind;
        switch (arrival.kind) {
            case Kind::bytes: append(into, arrival.bytes); return Arrival::bytes;
            case Kind::closed: return Arrival::closed;
            case Kind::reset: return Arrival::reset;
            case Kind::timeout: return Arrival::deadline;
        }
        return Arrival::reset;
    }

    void close(Ending ending) override {
        if (std::exchange(is_closed_, true)) return;
        if (ending == Ending::abort) {
            bench_->abort(handle_);
        } else {
            bench_->close(handle_);
        }
    }

    ~SimConnection() override { close(Ending::abort); }

private:
    std::shared_ptr<Bench> bench_;
    Bench::Handle handle_;
    bool is_closed_ = false;
};

class SimTarget final : public Target {
public:
    SimTarget(const SimOptions& options, std::uint64_t seed)
        : bench_{std::make_shared<Bench>(options.settings, options.shards, seed, options.defects)} {
    }

    std::unique_ptr<Connection> open(std::string& /*problem*/) override {
        return std::make_unique<SimConnection>(bench_);
    }
    Instant now() override { return bench_->now(); }
    void pass_time_until(Instant instant) override {
        if (instant > bench_->now()) bench_->advance(instant - bench_->now());
    }

private:
    std::shared_ptr<Bench> bench_;
};

class SimSource final : public TargetSource {
public:
    explicit SimSource(const SimOptions& options) : options_{options} {}

    std::unique_ptr<Target> make(std::uint64_t seed) override {
        return std::make_unique<SimTarget>(options_, seed);
    }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] std::string url() const override { return "sim"; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    SimOptions options_;
};

}  // namespace

std::unique_ptr<TargetSource> make_sim_source(const SimOptions& options) {
    return std::make_unique<SimSource>(options);
}

}  // namespace touchstone::conformance
