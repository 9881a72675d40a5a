// The port to whoever knows the clients: lists of users, whose check costs milliseconds and
// therefore happens elsewhere. The core asks, takes nothing from the connection meanwhile, and
// goes on when Broker::on_authenticated brings the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "broker/base/bytes.hpp"
#include "broker/base/reason_code.hpp"

namespace touchstone {

/// Tells questions of a shard apart. The steps of one exchange have the same number.
using QuestionNumber = std::uint64_t;

/// What a CONNECT brought (§3.1.3.5, §3.1.3.6).
struct PlainCredentials {
    std::string client_id;
    std::optional<std::string> user_name;
    std::optional<Buffer> password;
    bool allow_anonymous = false;  // what holds when nobody knows the client
};

/// A step of enhanced authentication (v5 §4.12): Authentication Data of the client.
struct ExchangeStep {
    std::string method;
    Buffer data;
    bool is_first = false;
};

using AuthenticationQuestion = std::variant<PlainCredentials, ExchangeStep>;

struct AuthenticationAnswer {
    enum class Verdict : std::uint8_t {
        accepted,
        refused,
        continues,  // an exchange only: the client has to send more
    };
    Verdict verdict = Verdict::refused;
    ReasonCode reason = ReasonCode::not_authorized;  // refused: what the client is told
    Buffer data;            // an exchange only: Authentication Data for the client
    std::string user_name;  // an exchange that was accepted: who the client has proven to be
};

class Authentication {
public:
    /// Answered by Broker::on_authenticated, in a later input.
    virtual void ask(QuestionNumber number, AuthenticationQuestion question) = 0;
    /// The client is gone: no answer is wanted, and the exchange is over. An answer that is
    /// underway is ignored.
    virtual void forget(QuestionNumber number) = 0;

protected:
    ~Authentication() = default;
};

}  // namespace touchstone
