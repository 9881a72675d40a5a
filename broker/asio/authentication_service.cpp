#include "broker/asio/authentication_service.hpp"

#include <spdlog/spdlog.h>

#include <exception>
#include <optional>
#include <string>
#include <variant>

#include "broker/asio/signals_blocked.hpp"
#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

using Verdict = AuthenticationAnswer::Verdict;

AuthenticationAnswer refused(ReasonCode reason) {
    return {.verdict = Verdict::refused, .reason = reason};
}

Buffer copy_of(std::string_view text) {
    const auto bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

}  // namespace

AuthenticationService::AuthenticationService(Lists lists, Options options, Deliver deliver)
    : options_{options},
      deliver_{std::move(deliver)},
      lists_{std::move(lists)} {
    CHECK(options_.thread_count >= 1);
    const SignalsBlocked blocked;
    for (unsigned i = 0; i < options_.thread_count; ++i) threads_.emplace_back([this] { run(); });
}

AuthenticationService::~AuthenticationService() {
    stop();
}

void AuthenticationService::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_ending_ = true;
    }
    has_work_.notify_all();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
}

void AuthenticationService::ask(unsigned shard, QuestionNumber number,
                                AuthenticationQuestion question) {
    {
        const std::scoped_lock lock{mutex_};
        if (jobs_.size() < options_.waiting_max) {
            jobs_.push_back({{shard, number}, std::move(question)});
            has_work_.notify_one();
            return;
        }
    }
    deliver_(shard, number, refused(ReasonCode::server_busy));
}

void AuthenticationService::forget(unsigned shard, QuestionNumber number) {
    const Key key{shard, number};
    const std::scoped_lock lock{mutex_};
    exchanges_.erase(key);
    std::erase_if(jobs_, [&](const Job& job) { return job.key == key; });
}

void AuthenticationService::set_lists(Lists lists) {
    const std::scoped_lock lock{mutex_};
    lists_ = std::move(lists);
}

std::size_t AuthenticationService::waiting() const {
    const std::scoped_lock lock{mutex_};
    return jobs_.size();
}

void AuthenticationService::run() {
    for (;;) {
        std::optional<Job> job;
        {
            std::unique_lock lock{mutex_};
            has_work_.wait(lock, [this] { return is_ending_ || !jobs_.empty(); });
            if (is_ending_) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        AuthenticationAnswer said;
        try {
            if (const auto* const plain = std::get_if<PlainCredentials>(&job->question))
                said = answer(*plain);
            else
                said = answer(job->key, std::get<ExchangeStep>(job->question));
        } catch (const std::exception& error) {
            // No memory or no randomness: this client has to come again.
            spdlog::error("authentication: {}", error.what());
            said = refused(ReasonCode::server_unavailable);
        }
        deliver_(job->key.first, job->key.second, std::move(said));
    }
}

AuthenticationAnswer AuthenticationService::answer(const PlainCredentials& credentials) {
    Lists lists;
    {
        const std::scoped_lock lock{mutex_};
        lists = lists_;
    }
    std::optional<std::string_view> user_name;
    std::optional<std::string_view> password;
    if (credentials.user_name) user_name = *credentials.user_name;
    if (credentials.password) password = as_text(*credentials.password);
    using Decision = settings::Authenticator::Decision;
    const settings::Authenticator authenticator{lists.users, lists.client_ids};
    switch (authenticator.decide(credentials.client_id, user_name, password,
                                 credentials.allow_anonymous)) {
        case Decision::accepted: return {.verdict = Verdict::accepted};
        case Decision::bad_user_name_or_password:
            return refused(ReasonCode::bad_user_name_or_password);
        case Decision::not_authorized: return refused(ReasonCode::not_authorized);
    }
    UNREACHABLE();
}

AuthenticationAnswer AuthenticationService::answer(const Key& key, const ExchangeStep& step) {
    std::shared_ptr<Exchange> exchange;
    {
        const std::scoped_lock lock{mutex_};
        if (step.is_first) {
            if (lists_.users == nullptr) return refused(ReasonCode::bad_authentication_method);
            const auto users = lists_.users;
            exchange = std::make_shared<Exchange>(Exchange{
                users, settings::ScramServer{settings::make_scram_nonce(),
                                             [users](std::string_view name) {
                                                 return users->keys_of(name);
                                             }}});
            exchanges_[key] = exchange;
        } else if (const auto found = exchanges_.find(key); found != exchanges_.end()) {
            exchange = found->second;
        }
    }
    if (exchange == nullptr) return refused(ReasonCode::not_authorized);
    // The steps of an exchange come one after the other, so nobody else is at it.
    auto said = exchange->server.on_message(as_text(step.data));
    using Kind = settings::ScramServer::Answer::Kind;
    if (said.kind == Kind::go_on)
        return {.verdict = Verdict::continues, .data = copy_of(said.data)};
    {
        const std::scoped_lock lock{mutex_};
        exchanges_.erase(key);
    }
    if (said.kind == Kind::refused) {
        spdlog::info("authentication: SCRAM refused: {}", said.why);
        return refused(ReasonCode::not_authorized);
    }
    return {.verdict = Verdict::accepted,
            .data = copy_of(said.data),
            .user_name = exchange->server.user_name()};
}

}  // namespace touchstone::asio_driver
