#include "simulator/worker_processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

namespace touchstone::simulator {

namespace {

[[noreturn]] void give_up(const char* what) {
    throw std::runtime_error{fmt::format("{}: {}; use fewer --jobs", what, std::strerror(errno))};
}

bool write_all(int descriptor, const void* bytes, std::size_t size) {
    const auto* next = static_cast<const char*>(bytes);
    while (size > 0) {
        // No SIGPIPE: the other process may have ended.
        const auto written = ::send(descriptor, next, size, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        next += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

bool read_all(int descriptor, void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
        const auto got = ::read(descriptor, next, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        next += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

/// A child and the line to it.
struct Worker {
    pid_t process = -1;
    int line = -1;
    std::FILE* errors = nullptr;  // its standard error; a file without a name
    std::optional<std::uint64_t> task;
};

class Workers {
public:
    explicit Workers(const TaskWork& tasks) : tasks_{tasks} {
        const auto count = std::min<std::uint64_t>(tasks.process_count, tasks.task_count);
        workers_.resize(static_cast<std::size_t>(count));
    }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers() {
        for (auto& worker : workers_) end(worker, true);
    }

    bool do_all() {
        for (auto& worker : workers_) {
            begin(worker);
            give_task(worker);
        }
        while (
            std::ranges::any_of(workers_, [](const Worker& one) { return one.task.has_value(); })) {
            if (tasks_.is_enough()) return false;
            if (!wait_and_take()) return false;
        }
        return next_task_ == tasks_.task_count;
    }

private:
    void begin(Worker& worker) {
        std::array<int, 2> lines{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lines.data()) != 0) {
            give_up("no line to another process");
        }
        worker.errors = std::tmpfile();
        if (worker.errors == nullptr) give_up("no temporary file");
        // What is buffered would be written by both.
        std::fflush(nullptr);
        const pid_t parent = ::getpid();
        worker.process = ::fork();
        if (worker.process < 0) give_up("no other process");
        if (worker.process == 0) serve(worker, lines, parent);
        ::close(lines[1]);
        worker.line = lines[0];
    }

    [[noreturn]] void serve(const Worker& self, const std::array<int, 2>& lines, pid_t parent) {
        // What a run has freed the next one takes, and need not have from the kernel page by page.
        constexpr int kept_bytes_max = 1 << 30;
        constexpr int mapped_bytes_low = 32 << 20;
        ::mallopt(M_TRIM_THRESHOLD, kept_bytes_max);
        ::mallopt(M_MMAP_THRESHOLD, mapped_bytes_low);
        // It ends with its parent, and only the parent decides what a signal means.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(0);
        for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_IGN);
        ::close(lines[0]);
        for (const auto& other : workers_) {
            if (other.line >= 0) ::close(other.line);
        }
        ::dup2(::fileno(self.errors), STDERR_FILENO);
        const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
        try {
            std::uint64_t task = 0;
            while (read_all(lines[1], &task, sizeof task)) {
                const auto answer = tasks_.work(task);
                const std::uint64_t size = answer.size();
                if (!write_all(lines[1], &size, sizeof size)) break;
                if (!write_all(lines[1], answer.data(), answer.size())) break;
            }
        } catch (const std::exception& failure) {
            std::fprintf(stderr, "%s\n", failure.what());
            std::fflush(stderr);
            ::_exit(1);
        }
        ::_exit(0);
    }

    /// Returns the wait status of the process.
    static int end(Worker& worker, bool at_once) {
        int status = 0;
        if (worker.line >= 0) ::close(std::exchange(worker.line, -1));
        if (worker.process > 0) {
            if (at_once) ::kill(worker.process, SIGKILL);
            while (::waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {
            }
            worker.process = -1;
        }
        if (worker.errors != nullptr) std::fclose(std::exchange(worker.errors, nullptr));
        return status;
    }

    void give_task(Worker& worker) {
        worker.task.reset();
        if (next_task_ == tasks_.task_count) return;
        worker.task = next_task_++;
        // A process that has ended shows when its answer is read.
        write_all(worker.line, &*worker.task, sizeof *worker.task);
    }

    bool wait_and_take() {
        constexpr int patience_ms = 100;
        std::vector<pollfd> lines;
        for (const auto& worker : workers_) {
            lines.push_back({worker.task ? worker.line : -1, POLLIN, 0});
        }
        if (::poll(lines.data(), lines.size(), patience_ms) <= 0) return true;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (lines[i].revents != 0 && !take_answer(workers_[i])) return false;
        }
        return true;
    }

    bool take_answer(Worker& worker) {
        TaskEnd end{.task = *worker.task, .answer = std::nullopt, .death = {}};
        std::uint64_t size = 0;
        std::string answer;
        bool has_answer = read_all(worker.line, &size, sizeof size);
        if (has_answer) {
            answer.resize(static_cast<std::size_t>(size));
            has_answer = read_all(worker.line, answer.data(), answer.size());
        }
        if (has_answer) {
            end.answer = std::move(answer);
        } else {
            end.death = death_of(worker);
            begin(worker);
        }
        give_task(worker);
        return tasks_.on_end(std::move(end));
    }

    static std::string death_of(Worker& worker) {
        const auto line = last_error_line(worker);
        const int status = end(worker, false);
        const auto how = WIFSIGNALED(status)
                             ? fmt::format("ended by signal {} ({})", WTERMSIG(status),
                                           ::sigdescr_np(WTERMSIG(status)))
                             : fmt::format("ended with exit code {}", WEXITSTATUS(status));
        return line.empty() ? how : fmt::format("{}: {}", how, line);
    }

    /// What it wrote is complete once its end of the line is closed.
    static std::string last_error_line(const Worker& worker) {
        constexpr std::size_t tail_bytes_max = 4'096;
        const int file = ::fileno(worker.errors);
        const auto size = ::lseek(file, 0, SEEK_END);
        if (size <= 0) return {};
        const auto from = std::max<off_t>(0, size - static_cast<off_t>(tail_bytes_max));
        std::string tail(static_cast<std::size_t>(size - from), '\0');
        const auto got = ::pread(file, tail.data(), tail.size(), from);
        tail.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        while (tail.ends_with('\n')) tail.pop_back();
        const auto begin = tail.rfind('\n');
        return begin == std::string::npos ? tail : tail.substr(begin + 1);
    }

    const TaskWork& tasks_;
    std::vector<Worker> workers_;
    std::uint64_t next_task_ = 0;
};

}  // namespace

bool do_in_processes(const TaskWork& tasks) {
    Workers workers{tasks};
    return workers.do_all();
}

}  // namespace touchstone::simulator
