// AuthenticationService: knows the clients for all shards of a node. Questions wait in a queue for
// threads of its own, because a check of a password costs milliseconds and much memory.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "broker/ports/authentication.hpp"
#include "broker/settings/authenticator.hpp"
#include "broker/settings/credentials.hpp"
#include "broker/settings/scram.hpp"

namespace touchstone::asio_driver {

class AuthenticationService {
public:
    struct Lists {
        std::shared_ptr<const settings::Credentials> users;       // null: no such list
        std::shared_ptr<const settings::Credentials> client_ids;  // null: no such list
    };
    struct Options {
        unsigned thread_count = 1;  // from 1
        /// Questions that may wait; beyond it a client is told that the server is busy.
        std::size_t waiting_max = 10'000;
    };
    /// Called in a thread of the service, with the shard that has asked.
    using Deliver = std::function<void(unsigned shard, QuestionNumber, AuthenticationAnswer)>;

    AuthenticationService(Lists lists, Options options, Deliver deliver);
    /// Questions that wait get no answer.
    ~AuthenticationService();
    AuthenticationService(const AuthenticationService&) = delete;
    AuthenticationService& operator=(const AuthenticationService&) = delete;

    // From any thread.

    void ask(unsigned shard, QuestionNumber number, AuthenticationQuestion question);
    void forget(unsigned shard, QuestionNumber number);
    /// Questions that are asked from now on are answered by these. An exchange that has begun goes
    /// on with those it began with.
    void set_lists(Lists lists);
    [[nodiscard]] std::size_t waiting() const;
    /// No answer is delivered after this; what is still asked waits for nobody.
    void stop();

private:
    using Key = std::pair<unsigned, QuestionNumber>;
    struct Job {
        Key key;
        AuthenticationQuestion question;
    };
    /// Shared with the thread that computes its next step, so that forgetting it meanwhile is safe.
    struct Exchange {
        std::shared_ptr<const settings::Credentials> users;
        settings::ScramServer server;
    };

    void run();
    AuthenticationAnswer answer(const PlainCredentials& credentials);
    AuthenticationAnswer answer(const Key& key, const ExchangeStep& step);

    const Options options_;
    const Deliver deliver_;
    mutable std::mutex mutex_;
    std::condition_variable has_work_;
    bool is_ending_ = false;
    Lists lists_;
    std::deque<Job> jobs_;
    std::map<Key, std::shared_ptr<Exchange>> exchanges_;
    std::vector<std::thread> threads_;
};

}  // namespace touchstone::asio_driver
