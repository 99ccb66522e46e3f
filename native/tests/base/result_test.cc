#include "core/base/result.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>

#include "core/base/unique_fd.h"

namespace drover {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(Result, GivesItsValueAwayWithoutACopy) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result.take(), 7);
}

TEST(Result, ErrnoErrorsCarryNumberCallAndWhatWasTried) {
  errno = ENOSPC;
  const Error error = errno_error("write", "the journal");
  EXPECT_EQ(error.code, Code::system_call);
  EXPECT_EQ(error.error_number, ENOSPC);
  EXPECT_EQ(error.syscall, "write");
  EXPECT_EQ(error.message, "the journal: write: No space left on device");
}

TEST(Result, MissingPermissionHasItsOwnCode) {
  for (const int number : {EPERM, EACCES}) {
    errno = number;
    EXPECT_STREQ(code_name(errno_error("open", "x").code), "native-permission");
  }
}

TEST(UniqueFd, ClosesOnceAtTheEndOfItsLastOwner) {
  const int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(raw, 0);
  {
    UniqueFd first(raw);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(UniqueFd, AReleasedDescriptorStaysOpen) {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int raw = fd.release();
  fd.reset();
  EXPECT_TRUE(is_open(raw));
  close(raw);
}

}  // namespace
}  // namespace drover
