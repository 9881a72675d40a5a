#include "broker/asio/hash_password.hpp"

#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>

#include "broker/base/exit_code.hpp"

namespace touchstone::asio_driver {

namespace {

/// What is typed is not shown meanwhile. Does nothing where there is no terminal.
class NoEcho {
public:
    NoEcho() {
        if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
        auto silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        is_set_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    }
    ~NoEcho() {
        if (!is_set_) return;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        std::fputc('\n', stderr);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

private:
    termios before_{};
    bool is_set_ = false;
};

std::optional<std::string> read_line(const char* prompt) {
    if (isatty(STDIN_FILENO) != 0) std::fputs(prompt, stderr);
    const NoEcho silence;
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

int refuse(const std::string& message) {
    std::fprintf(stderr, "touchstone broker: --hash-password: %s\n", message.c_str());
    return to_int(ExitCode::usage_error);
}

}  // namespace

int hash_password(const std::string& name, settings::CredentialKind kind) {
    const auto password = read_line("Password: ");
    if (!password || password->empty())
        return refuse("no password on standard input; write it there as one line");
    if (isatty(STDIN_FILENO) != 0 && read_line("Again: ") != password)
        return refuse("the two passwords differ; try again");
    try {
        const auto entry = settings::make_password_entry(name, *password, kind);
        if (!entry) return refuse("expected " + entry.error().expected);
        std::printf("%s\n", entry.value().c_str());
        return to_int(ExitCode::as_expected);
    } catch (const std::exception& error) {
        return refuse(std::string{error.what()} + "; free some memory and try again");
    }
}

}  // namespace touchstone::asio_driver
