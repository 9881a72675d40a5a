#include "conformance/targets/managed.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "conformance/targets/process.hpp"

namespace touchstone::conformance {

namespace {

/// From its start to the first connection that a broker accepts.
constexpr std::chrono::seconds start_time_max{60};
constexpr std::chrono::milliseconds look_interval{20};
/// A port that was free may be taken when the broker comes to listen at it.
constexpr unsigned start_attempts = 3;

std::string with_port(std::string text, std::uint16_t port) {
    constexpr std::string_view place = "{port}";
    for (auto at = text.find(place); at != std::string::npos; at = text.find(place)) {
        text.replace(at, place.size(), std::to_string(port));
    }
    return text;
}

class ManagedSource final : public TargetSource {
public:
    explicit ManagedSource(const ManagedBroker& broker) : broker_{broker} {}

    bool begin(std::string& problem) {
        const bool picks_port = broker_.url.find("{port}") != std::string::npos;
        for (unsigned attempt = 0; attempt < start_attempts; ++attempt) {
            const auto port = picks_port ? free_port() : std::uint16_t{0};
            commands_ = {.run = with_port(broker_.commands.run, port),
                         .start = with_port(broker_.commands.start, port),
                         .stop = with_port(broker_.commands.stop, port),
                         .restart = with_port(broker_.commands.restart, port)};
            source_ = broker_.make_source(with_port(broker_.url, port), problem);
            if (source_ == nullptr) return false;
            if (commands_.run.empty()) return true;  // it is there already
            process_.emplace(commands_.run, broker_.log_file);
            if (start(problem)) return true;
            if (!picks_port || process_->is_running()) break;
        }
        return false;
    }

    std::unique_ptr<Target> make(std::uint64_t seed) override;

    TargetSource* in(Condition condition, std::string& problem) override {
        if (condition == Condition::usual) return this;
        const auto found = conditions_.find(condition);
        if (found != conditions_.end()) return found->second.get();
        const auto& wanted = condition == Condition::guarded ? broker_.guarded : broker_.reduced;
        if (wanted == nullptr) return nullptr;
        return conditions_.emplace(condition, make_managed_source(*wanted, problem))
            .first->second.get();
    }
    [[nodiscard]] Declaration declaration() const override {
        auto declaration = broker_.declaration;
        declaration.may_be_stopped =
            process_.has_value() || (!commands_.start.empty() && !commands_.stop.empty());
        return declaration;
    }
    [[nodiscard]] bool can_revive() const override { return !commands_.empty(); }
    bool revive(std::string& problem) override {
        if (process_.has_value()) return start(problem);
        if (!commands_.restart.empty()) {
            return run_command(commands_.restart, broker_.log_file, problem) && await(problem);
        }
        std::string is_of_no_interest;  // what is gone cannot be stopped
        if (!commands_.stop.empty()) {
            run_command(commands_.stop, broker_.log_file, is_of_no_interest);
        }
        return run_command(commands_.start, broker_.log_file, problem) && await(problem);
    }
    [[nodiscard]] std::string fate() override {
        if (!process_.has_value() || process_->is_running()) return {};
        return process_->fate();
    }

    bool stop(std::string& problem) {
        if (process_.has_value()) {
            process_->stop();
            return true;
        }
        if (commands_.stop.empty()) {
            problem = "nothing says how the broker is stopped: `commands { stop: … }` does";
            return false;
        }
        return run_command(commands_.stop, broker_.log_file, problem);
    }
    bool start(std::string& problem) {
        if (process_.has_value()) return process_->start(problem) && await(problem);
        return run_command(commands_.start, broker_.log_file, problem) && await(problem);
    }

    [[nodiscard]] bool has_virtual_time() const override { return source_->has_virtual_time(); }
    [[nodiscard]] bool may_run_side_by_side() const override {
        return source_->may_run_side_by_side();
    }
    [[nodiscard]] bool has_frames() const override { return source_->has_frames(); }
    [[nodiscard]] std::string url() const override { return source_->url(); }
    [[nodiscard]] std::string transport() const override { return source_->transport(); }

private:
    /// Returns when the broker accepts a connection.
    bool await(std::string& problem) {
        const auto target = source_->make(0);
        const auto deadline = target->now() + start_time_max;
        while (target->now() < deadline) {
            if (process_.has_value() && !process_->is_running()) {
                problem = "'" + process_->command() + "': " + process_->fate() +
                          " before it accepted a connection" +
                          (broker_.log_file.empty() ? "" : "; see " + broker_.log_file);
                return false;
            }
            if (const auto connection = target->open(problem); connection != nullptr) {
                connection->close(Ending::finish);
                return true;
            }
            target->pass_time_until(target->now() + look_interval);
        }
        return false;
    }

    ManagedBroker broker_;
    BrokerCommands commands_{};  // with the port
    std::unique_ptr<TargetSource> source_{};
    std::optional<Process> process_{};
    std::map<Condition, std::unique_ptr<TargetSource>> conditions_{};
};

class ManagedTarget final : public Target {
public:
    ManagedTarget(ManagedSource& source, std::unique_ptr<Target> target)
        : source_{source},
          target_{std::move(target)} {}

    std::unique_ptr<Connection> open(std::string& problem) override {
        return target_->open(problem);
    }
    std::optional<WebSocketHandshake> shake_hands(const std::vector<std::string>& subprotocols,
                                                  std::string& problem) override {
        return target_->shake_hands(subprotocols, problem);
    }
    [[nodiscard]] Instant now() override { return target_->now(); }
    void pass_time_until(Instant instant) override { target_->pass_time_until(instant); }
    bool stop_broker(std::string& problem) override { return source_.stop(problem); }
    bool start_broker(std::string& problem) override { return source_.start(problem); }

private:
    ManagedSource& source_;
    std::unique_ptr<Target> target_;
};

std::unique_ptr<Target> ManagedSource::make(std::uint64_t seed) {
    return std::make_unique<ManagedTarget>(*this, source_->make(seed));
}

}  // namespace

std::unique_ptr<TargetSource> make_managed_source(const ManagedBroker& broker,
                                                  std::string& problem) {
    auto source = std::make_unique<ManagedSource>(broker);
    if (!source->begin(problem)) return nullptr;
    return source;
}

}  // namespace touchstone::conformance
