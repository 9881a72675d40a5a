#include "conformance/targets/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace touchstone::conformance {

namespace {

constexpr std::chrono::seconds end_time_max{10};
constexpr std::chrono::milliseconds look_interval{10};

/// A connection of the suite that the child had, too, would not end when the suite closes it.
void close_descriptors_of_parent() {
    if (close_range(STDERR_FILENO + 1, ~0U, 0) == 0) return;
    rlimit limit{};  // a sandbox may refuse close_range
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t one = STDERR_FILENO + 1; one < limit.rlim_cur; ++one) close(static_cast<int>(one));
}

/// In the child, between fork and exec: only what is safe after a fork of a program with threads.
[[noreturn]] void become(const char* command, const char* log_file, pid_t parent) {
    close_descriptors_of_parent();
    setpgid(0, 0);
    // The broker shall not outlive a run that is killed.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int output = open(*log_file == '\0' ? "/dev/null" : log_file,
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (input >= 0) dup2(input, STDIN_FILENO);
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    _exit(127);
}

pid_t begin(const std::string& command, const std::string& log_file, std::string& problem) {
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) become(command.c_str(), log_file.c_str(), parent);
    if (child < 0) {
        problem = "'" + command + "' cannot be started: " + std::strerror(errno);
        return 0;
    }
    setpgid(child, child);  // whoever comes first
    return child;
}

std::string describe_end(int status) {
    // A shell between us and the broker says it in its way.
    const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const int signal_number = WIFSIGNALED(status) ? WTERMSIG(status)
                              : exit_code > 128   ? exit_code - 128
                                                  : 0;
    if (const char* const name = signal_number == 0 ? nullptr : sigabbrev_np(signal_number)) {
        return "its process was ended by SIG" + std::string{name};
    }
    return "its process ended with exit code " + std::to_string(WEXITSTATUS(status));
}

void wait_a_moment(std::chrono::milliseconds span) {
    poll(nullptr, 0, static_cast<int>(span.count()));
}

}  // namespace

bool Process::start(std::string& problem) {
    stop();
    fate_.clear();
    // What a shell leaves behind becomes our child, so that its end can be awaited.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    process_ = begin(command_, log_file_, problem);
    return process_ != 0;
}

bool Process::is_running() {
    if (process_ == 0) return false;
    int status = 0;
    const pid_t ended = waitpid(process_, &status, WNOHANG);
    if (ended == 0) return true;
    if (ended == process_) fate_ = describe_end(status);
    kill(-process_, SIGKILL);  // what it has started and left behind
    await_end_of_all(end_time_max);
    process_ = 0;
    return false;
}

bool Process::await_end_of_all(std::chrono::milliseconds patience) {
    for (std::chrono::milliseconds waited{0}; waited < patience;) {
        int status = 0;
        const pid_t ended = waitpid(-process_, &status, WNOHANG);
        if (ended < 0 && errno != EINTR) return true;  // there is nobody left
        if (ended == process_) fate_ = describe_end(status);
        if (ended != 0) continue;
        wait_a_moment(look_interval);
        waited += look_interval;
    }
    return false;
}

void Process::stop() {
    if (!is_running()) return;
    kill(-process_, SIGTERM);
    if (!await_end_of_all(end_time_max)) {
        kill(-process_, SIGKILL);
        await_end_of_all(end_time_max);
    }
    process_ = 0;
}

bool run_command(const std::string& command, const std::string& log_file, std::string& problem) {
    const pid_t child = begin(command, log_file, problem);
    if (child == 0) return false;
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    problem = "'" + command + "': " + describe_end(status);
    return false;
}

std::uint16_t free_port() {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return 0;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    const bool is_bound =
        bind(descriptor, any, size) == 0 && getsockname(descriptor, any, &size) == 0;
    close(descriptor);
    return is_bound ? ntohs(address.sin_port) : 0;
}

}  // namespace touchstone::conformance
