#include "conformance/targets/sim.hpp"

#include <map>
#include <stdexcept>
#include <utility>
#include <variant>

#include "broker/settings/authenticator.hpp"
#include "broker/settings/load.hpp"
#include "broker/settings/rules.hpp"
#include "broker/settings/scram.hpp"
#include "simulator/bench.hpp"
#include "simulator/node.hpp"

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

/// Passwords and SCRAM-SHA-256, as the driver of the real world has them, but drawn from a seed.
class ListedUsers final : public simulator::Authority {
public:
    ListedUsers(std::shared_ptr<const settings::Credentials> users, std::uint64_t seed)
        : users_{std::move(users)},
          seed_{seed} {}

    [[nodiscard]] AuthenticationAnswer answer(unsigned shard, QuestionNumber number,
                                              const AuthenticationQuestion& question) override {
        if (const auto* const plain = std::get_if<PlainCredentials>(&question)) {
            return judge(*plain);
        }
        return go_on({shard, number}, std::get<ExchangeStep>(question));
    }
    void forget(unsigned shard, QuestionNumber number) override {
        exchanges_.erase({shard, number});
    }

private:
    using Key = std::pair<unsigned, QuestionNumber>;
    using Verdict = AuthenticationAnswer::Verdict;

    static AuthenticationAnswer refused(ReasonCode reason) {
        return {.verdict = Verdict::refused, .reason = reason};
    }
    static Buffer copy_of(std::string_view text) {
        const auto bytes = as_bytes(text);
        return {bytes.begin(), bytes.end()};
    }

    [[nodiscard]] AuthenticationAnswer judge(const PlainCredentials& credentials) const {
        std::optional<std::string_view> user_name;
        std::optional<std::string_view> password;
        if (credentials.user_name) user_name = *credentials.user_name;
        if (credentials.password) password = as_text(*credentials.password);
        using Decision = settings::Authenticator::Decision;
        switch (settings::Authenticator{users_, nullptr}.decide(
            credentials.client_id, user_name, password, credentials.allow_anonymous)) {
            case Decision::accepted: return {.verdict = Verdict::accepted};
            case Decision::bad_user_name_or_password:
                return refused(ReasonCode::bad_user_name_or_password);
            case Decision::not_authorized: return refused(ReasonCode::not_authorized);
        }
        return refused(ReasonCode::not_authorized);
    }

    AuthenticationAnswer go_on(Key key, const ExchangeStep& step) {
        if (step.is_first) {
            exchanges_.erase(key);
            exchanges_.emplace(
                key, settings::ScramServer{
                         "nonce" + std::to_string(seed_ + ++exchange_count_),
                         [users = users_](std::string_view name) { return users->keys_of(name); }});
        }
        const auto found = exchanges_.find(key);
        if (found == exchanges_.end()) return refused(ReasonCode::not_authorized);
        auto said = found->second.on_message(as_text(step.data));
        using Kind = settings::ScramServer::Answer::Kind;
        if (said.kind == Kind::go_on) {
            return {.verdict = Verdict::continues, .data = copy_of(said.data)};
        }
        const auto user_name = found->second.user_name();
        exchanges_.erase(found);
        if (said.kind == Kind::refused) return refused(ReasonCode::not_authorized);
        return {.verdict = Verdict::accepted, .data = copy_of(said.data), .user_name = user_name};
    }

    std::shared_ptr<const settings::Credentials> users_;
    std::uint64_t seed_;
    std::uint64_t exchange_count_ = 0;
    std::map<Key, settings::ScramServer> exchanges_;
};

/// What an operator has set, from one of the files of targets/setups.
std::shared_ptr<const settings::NodeSettings> read_setup(const std::string& name) {
    const auto read = [](const std::string& path,
                         std::size_t) -> std::variant<settings::FileContent, settings::FileError> {
        const auto file = path.substr(path.rfind('/') + 1);
        const auto found = detail::setup_files.find(file);
        if (found == detail::setup_files.end()) return settings::FileError{"no such setup"};
        return settings::FileContent{found->second};
    };
    const auto loaded = settings::load({.file = name, .environment = {}, .overrides = {}}, read);
    // The files are ours.
    for (const auto& problem : loaded.problems) {
        throw std::logic_error{name + ": " + problem.message};
    }
    return loaded.settings;
}

class SimTarget final : public Target {
public:
    SimTarget(const SimOptions& options,
              const std::shared_ptr<const settings::NodeSettings>& operator_settings,
              std::uint64_t seed)
        : bench_{std::make_shared<Bench>(node_options(options, operator_settings, seed), seed)} {}

    std::unique_ptr<Connection> open(std::string& problem) override {
        if (is_stopped_) {
            problem = "the simulated broker was stopped";
            return nullptr;
        }
        return std::make_unique<SimConnection>(bench_);
    }
    Instant now() override { return bench_->now(); }
    void pass_time_until(Instant instant) override {
        if (instant > bench_->now()) bench_->advance(instant - bench_->now());
    }
    bool stop_broker(std::string& /*problem*/) override {
        bench_->stop();
        is_stopped_ = true;
        return true;
    }
    bool start_broker(std::string& /*problem*/) override {
        bench_->restart();
        is_stopped_ = false;
        return true;
    }

private:
    static simulator::NodeOptions
    node_options(const SimOptions& options,
                 const std::shared_ptr<const settings::NodeSettings>& operator_settings,
                 std::uint64_t seed) {
        simulator::NodeOptions node{.settings = options.settings,
                                    .shard_count = options.shards,
                                    .defects = options.defects};
        if (operator_settings == nullptr) return node;
        node.rules = settings::rules_of(*operator_settings, nullptr, {});
        if (operator_settings->passwords != nullptr) {
            node.authority = std::make_shared<ListedUsers>(operator_settings->passwords, seed);
        }
        return node;
    }

    std::shared_ptr<Bench> bench_;
    bool is_stopped_ = false;
};

class SimSource final : public TargetSource {
public:
    SimSource(const SimOptions& options, Condition condition)
        : options_{options},
          condition_{condition} {
        if (condition == Condition::guarded) operator_settings_ = read_setup("guarded.conf");
        if (condition == Condition::reduced) operator_settings_ = read_setup("reduced.conf");
    }

    std::unique_ptr<Target> make(std::uint64_t seed) override {
        return std::make_unique<SimTarget>(options_, operator_settings_, seed);
    }
    TargetSource* in(Condition condition, std::string& /*problem*/) override {
        if (condition == condition_) return this;
        auto& source = conditions_[condition];
        if (source == nullptr) source = std::make_unique<SimSource>(options_, condition);
        return source.get();
    }
    [[nodiscard]] Declaration declaration() const override {
        Declaration declaration{.may_be_stopped = true};
        if (condition_ != Condition::guarded) return declaration;
        // As in targets/setups/guarded.users and guarded.acl.
        declaration.credentials = {.user_name = "conformance", .password = "stone"};
        declaration.refuses_others = true;
        declaration.scram_sha_256 = declaration.credentials;
        declaration.forbidden_topic = "touchstone/forbidden";
        return declaration;
    }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] std::string url() const override { return "sim"; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    SimOptions options_;
    Condition condition_;
    std::shared_ptr<const settings::NodeSettings> operator_settings_{};  // null: options_ hold
    std::map<Condition, std::unique_ptr<SimSource>> conditions_{};
};

}  // namespace

std::unique_ptr<TargetSource> make_sim_source(const SimOptions& options) {
    return std::make_unique<SimSource>(options, Condition::usual);
}

}  // namespace touchstone::conformance
