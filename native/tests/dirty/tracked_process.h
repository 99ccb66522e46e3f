// Starts tests/dirty/tracked_child.c with the shim preloaded and speaks its commands.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include "core/base/unique_fd.h"

namespace drover {

class TrackedProcess {
 public:
  // `memory` becomes descriptor 3 of the child.
  explicit TrackedProcess(int memory) {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-test-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    socket_ = directory_ + "/shim";
    std::array<int, 2> in{}, out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) std::abort();
    const std::string preload = std::string("LD_PRELOAD=") + DROVER_SHIM_LIBRARY;
    const std::string socket = "DROVER_SHIM_SOCKET=" + socket_;
    std::array<char*, 3> environment{const_cast<char*>(preload.c_str()), const_cast<char*>(socket.c_str()), nullptr};
    std::array<char*, 2> arguments{const_cast<char*>(DROVER_TRACKED_CHILD), nullptr};
    // Moved clear of the numbers that the child gets, so that no dup2 below overwrites another's source.
    const UniqueFd source(fcntl(memory, F_DUPFD_CLOEXEC, 10));
    pid_ = fork();
    if (pid_ == 0) {
      if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(source.get(), 3) < 0) _exit(120);
      execve(arguments[0], arguments.data(), environment.data());
      _exit(121);
    }
    close(in[0]);
    close(out[1]);
    commands_ = fdopen(in[1], "w");
    answers_ = fdopen(out[0], "r");
    EXPECT_EQ(read_line(), "ready");
  }

  ~TrackedProcess() {
    kill();
    fclose(commands_);
    fclose(answers_);
    std::filesystem::remove_all(directory_);
  }

  pid_t pid() const { return pid_; }
  const std::string& socket() const { return socket_; }

  std::string ask(const std::string& command) {
    std::fprintf(commands_, "%s\n", command.c_str());
    std::fflush(commands_);
    return read_line();
  }
  void write(uint64_t page, uint64_t value) {
    ASSERT_EQ(ask("w " + std::to_string(page) + " " + std::to_string(value)), "ok");
  }

  // Stops all of its threads, the shim's too; returns when they have stopped.
  void freeze() {
    siginfo_t info{};
    ASSERT_EQ(::kill(pid_, SIGSTOP), 0);
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED), 0);
  }

  // Kills the child; a second call does nothing. With `reap` false it stays as a zombie.
  void kill(bool reap = true) {
    if (reaped_) return;
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | (reap ? 0 : WNOWAIT));
    reaped_ = reap;
  }

 private:
  std::string read_line() {
    std::array<char, 256> line{};
    if (std::fgets(line.data(), line.size(), answers_) == nullptr) return "end of file";
    std::string text(line.data());
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  std::string directory_;
  std::string socket_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  FILE* commands_ = nullptr;
  FILE* answers_ = nullptr;
};

}  // namespace drover
