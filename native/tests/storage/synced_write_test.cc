#include "core/storage/synced_write.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "core/base/unique_fd.h"

namespace drover {
namespace {

UniqueFd synced_file() {
  char path[] = "/tmp/drover-synced-XXXXXX";
  UniqueFd made(::mkstemp(path));
  UniqueFd opened(::open(path, O_RDWR | O_DSYNC | O_CLOEXEC));
  ::unlink(path);
  return opened;
}

std::string contents(int fd) {
  std::string all(64, '\0');
  const ssize_t read = ::pread(fd, all.data(), all.size(), 0);
  all.resize(read < 0 ? 0 : static_cast<size_t>(read));
  return all;
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST(SyncedWrite, PutsAllBytesWhereTheyAreToBe) {
  const UniqueFd file = synced_file();
  ASSERT_TRUE(write_synced(file.get(), bytes_of("abcdef"), 0).ok());
  ASSERT_TRUE(write_synced(file.get(), bytes_of("XY"), 2).ok());
  ASSERT_TRUE(write_synced(file.get(), {}, 50).ok());
  EXPECT_EQ(contents(file.get()), "abXYef");
}

TEST(SyncedWrite, SaysThatOnlyAPartWasTaken) {
  const UniqueFd file = synced_file();
  // The kernel takes what fits below the limit, and refuses the rest.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status written = write_synced(file.get(), bytes_of("abcdef"), 0);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().error_number, EFBIG);
  EXPECT_EQ(contents(file.get()), "abcd");
}

TEST(SyncedWrite, NamesTheCauseOfAFailure) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const Status written = write_synced(full.get(), bytes_of("a"), 0);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().error_number, ENOSPC);
  EXPECT_NE(written.error().message.find("No space left on device"), std::string::npos);
}

}  // namespace
}  // namespace drover
