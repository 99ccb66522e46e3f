#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "core/dirty/shim_client.h"
#include "core/dirty/userfault.h"
#include "dirty/tracked_process.h"
#include "memory/test_memory.h"

namespace drover {
namespace {

using std::chrono::milliseconds;

Deadline soon() { return std::chrono::steady_clock::now() + milliseconds(2000); }

Result<UniqueFd> take(const std::string& socket, pid_t pid, Deadline deadline = soon()) {
  const UniqueFd wake(eventfd(0, EFD_CLOEXEC));
  return take_userfault(socket, pid, wake.get(), deadline);
}

bool userfault_allowed() { return Userfault::of_this_process().ok(); }

std::string status_field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return line.substr(name.size() + 1);
  }
  return "";
}

TEST(Shim, HandsOutAFreshDescriptorOnEveryConnection) {
  if (!userfault_allowed()) GTEST_SKIP() << Userfault::of_this_process().error().message;
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  auto first = take(process.socket(), process.pid()), second = take(process.socket(), process.pid());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(second.ok());
  EXPECT_NE(fcntl(first.value().get(), F_GETFD) & FD_CLOEXEC, 0);
  // UFFDIO_API works once on each, so they are two.
  EXPECT_TRUE(Userfault(first.take()).enable_tracking().ok());
  EXPECT_TRUE(Userfault(second.take()).enable_tracking().ok());
}

TEST(Shim, ItsSocketIsForItsUserAlone) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  struct stat status {};
  ASSERT_EQ(stat(process.socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Shim, LeavesNoTraceInTheEnvironmentOfChildren) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  EXPECT_EQ(process.ask("e"), "|");
}

TEST(Shim, ItsThreadBlocksEverySignal) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
  bool found = false;
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    if (task.path().filename() == std::to_string(process.pid())) {
      EXPECT_NE(status_field(task.path() / "status", "SigBlk").find("0000000000000000"), std::string::npos);
      continue;
    }
    found = true;
    // All but KILL and STOP, and the two that the C library keeps for itself.
    const uint64_t blocked = std::stoull(status_field(task.path() / "status", "SigBlk"), nullptr, 16);
    EXPECT_EQ(~blocked & ~0x1'8004'0100ull, 0u) << std::hex << blocked;
  }
  EXPECT_TRUE(found);
}

TEST(Shim, SurvivesClientsThatLeaveAtOnce) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, process.socket().c_str(), sizeof address.sun_path - 1);
  for (int index = 0; index < 200; ++index) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_EQ(process.ask("w 0 1"), "ok");
  EXPECT_EQ(take(process.socket(), process.pid()).ok(), userfault_allowed());
}

// KiB of the heap of a process: what it spans and what of it is in memory.
struct Heap {
  uint64_t size = 0, resident = 0;
};

Heap heap_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps");
  Heap heap;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.find("-") < line.find(":")) inside = line.ends_with("[heap]");
    std::istringstream words(line);
    std::string name;
    uint64_t kib = 0;
    if (!inside || !(words >> name >> kib)) continue;
    if (name == "Size:") heap.size = kib;
    if (name == "Rss:") heap.resident = kib;
  }
  return heap;
}

TEST(Shim, PopulatesTheHeapForWhoeverConnects) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  ASSERT_EQ(process.ask("g 32"), "ok");
  const Heap before = heap_of(process.pid());
  ASSERT_GE(before.size, 2048u);
  ASSERT_LT(before.resident, before.size / 2);
  // The answer does not wait for it.
  (void)take(process.socket(), process.pid());
  const Deadline deadline = soon();
  while (heap_of(process.pid()).resident < before.size && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(heap_of(process.pid()).resident, before.size);
}

TEST(Shim, AStrangerGetsNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  // The file's mode is opened up, so that the check of the peer alone stands in the way.
  ASSERT_EQ(chmod(process.socket().c_str(), 0777), 0);
  ASSERT_EQ(chmod(std::filesystem::path(process.socket()).parent_path().c_str(), 0777), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) _exit(1);
    auto answer = take(process.socket(), process.pid());
    _exit(!answer.ok() && answer.error().code == Code::connection_lost ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// Runs a shell command with the shim preloaded and returns what it printed, errors included.
std::string with_shim(const std::string& socket, const std::string& command) {
  const std::string line =
      "LD_PRELOAD='" + std::string(DROVER_SHIM_LIBRARY) + "' DROVER_SHIM_SOCKET='" + socket + "' " + command + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  std::string text;
  std::array<char, 512> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  text += "exit " + std::to_string(WEXITSTATUS(pclose(pipe)));
  return text;
}

TEST(Shim, AFailureIsOneLineAndTheProgramRunsOn) {
  EXPECT_EQ(with_shim("/does/not/exist", "/bin/echo hello"),
            "drover-shim: /does/not/exist: No such file or directory; this VMM cannot be tracked\nhello\nexit 0");
  EXPECT_EQ(
      with_shim(std::string(200, 'x'), "/bin/echo hello"),
      "drover-shim: DROVER_SHIM_SOCKET must be a path of 1 to 107 bytes; this VMM cannot be tracked\nhello\nexit 0");
  EXPECT_EQ(
      with_shim("", "/bin/echo hello"),
      "drover-shim: DROVER_SHIM_SOCKET must be a path of 1 to 107 bytes; this VMM cannot be tracked\nhello\nexit 0");
}

TEST(Shim, AFailureKillsNobodyWhenStderrIsABrokenPipe) {
  // bash closes the read end first; a SIGPIPE would end true with a signal.
  const std::string command = std::string("bash -c \"set -o pipefail; (sleep 0.2; LD_PRELOAD='") + DROVER_SHIM_LIBRARY +
                              "' DROVER_SHIM_SOCKET=/does/not/exist exec /bin/true 2>&1 >/dev/null) | exec 0<&-\"";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 0);
}

// A server that answers like no shim does.
class FalseShim {
 public:
  FalseShim(std::string answer, int descriptor) : directory_(make_directory()) {
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, answer = std::move(answer), descriptor] { serve(answer, descriptor); });
  }
  ~FalseShim() {
    thread_.join();
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/shim"; }

 private:
  static std::string make_directory() {
    std::string pattern = "/tmp/drover-test-XXXXXX";
    return mkdtemp(pattern.data());
  }
  void serve(const std::string& answer, int descriptor) {
    const UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (answer.empty()) return;
    iovec data{const_cast<char*>(answer.data()), answer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    sendmsg(connection.get(), &message, MSG_NOSIGNAL);
  }
  std::string directory_;
  UniqueFd listener_;
  std::thread thread_;
};

TEST(ShimClient, TellsWhatTheKernelOfTheVmmAnswered) {
  const FalseShim shim(std::string(1, static_cast<char>(EPERM)), -1);
  auto answer = take(shim.path(), getpid());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::permission);
  EXPECT_EQ(answer.error().error_number, EPERM);
  EXPECT_EQ(answer.error().syscall, "userfaultfd");
}

TEST(ShimClient, R6RefusesAnswersThatAreNotOfTheProtocol) {
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const auto& [answer, descriptor] :
       std::vector<std::pair<std::string, int>>{{"U", -1}, {"\x01", null.get()}, {"", -1}}) {
    const FalseShim shim(answer, descriptor);
    auto taken = take(shim.path(), getpid());
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().code, Code::connection_lost);
  }
}

TEST(ShimClient, R6GivesUpInTimeWhenNobodyAnswers) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  process.freeze();
  const auto before = std::chrono::steady_clock::now();
  auto answer = take(process.socket(), process.pid(), before + milliseconds(50));
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(49));
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(5000));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::timeout);
}

TEST(ShimClient, R12CanBeCancelledWhileItWaits) {
  const TestMemory made = make_memory({1});
  TrackedProcess process(made.files[0].get());
  process.freeze();
  const UniqueFd wake(eventfd(0, EFD_CLOEXEC));
  std::thread cancelling([&] {
    std::this_thread::sleep_for(milliseconds(30));
    const uint64_t one = 1;
    ASSERT_EQ(write(wake.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  });
  auto answer = take_userfault(process.socket(), process.pid(), wake.get(), soon() + milliseconds(20000));
  cancelling.join();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::cancelled);
}

}  // namespace
}  // namespace drover
