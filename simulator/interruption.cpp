#include "simulator/interruption.hpp"

#include <csignal>
#include <initializer_list>

namespace touchstone::simulator {

namespace {

volatile std::sig_atomic_t was_signalled = 0;

void on_signal(int) {
    was_signalled = 1;
}

}  // namespace

Interruption::Interruption() {
    was_signalled = 0;
    struct sigaction action {};
    action.sa_handler = on_signal;
    // Once: the second time the process ends as it would without us. No SA_RESTART: who waits for
    // children shall notice.
    action.sa_flags = SA_RESETHAND;
    for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

Interruption::~Interruption() {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
}

bool Interruption::is_asked_for() {
    return was_signalled != 0;
}

}  // namespace touchstone::simulator
