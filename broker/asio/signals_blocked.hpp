// SignalsBlocked: threads that are started while it lives are deaf to signals: those are for the
// thread that asks for them.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace touchstone::asio_driver {

class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_{};
};

}  // namespace touchstone::asio_driver
