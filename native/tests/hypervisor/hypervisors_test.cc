#include "core/hypervisor/hypervisors.h"

#include <gtest/gtest.h>

#include <fstream>

#include "bhyve/fake_host.h"

namespace drover {
namespace {

const Hypervisor& named(const std::vector<Hypervisor>& found, const std::string& name) {
  for (const Hypervisor& each : found) {
    if (each.name == name) return each;
  }
  ADD_FAILURE() << "no " << name;
  return found[0];
}

TEST(Hypervisors, ThatThisHostHasNotAreRefusedByTheirDevices) {
  const auto found = find_hypervisors();
  ASSERT_EQ(found.size(), 2u);
  const Hypervisor& bhyve = named(found, "bhyve");
  EXPECT_FALSE(bhyve.usable);
  EXPECT_NE(bhyve.why.find("/dev/vmmctl"), std::string::npos) << bhyve.why;
  const Hypervisor& kvm = named(found, "kvm");
  EXPECT_EQ(kvm.usable, kvm.why.empty());
  if (!std::ifstream("/dev/kvm").good()) {
    EXPECT_FALSE(kvm.usable);
  }
}

TEST(Hypervisors, OfIllumosSayWhatIsMissingAboveThem) {
  auto host = std::make_shared<bhyve::FakeHost>(bhyve::FakeSettings{});
  const auto found = find_hypervisors(*host);
  EXPECT_FALSE(named(found, "bhyve").usable);
  EXPECT_NE(named(found, "bhyve").why.find("cannot be started yet"), std::string::npos);
}

TEST(Hypervisors, OfAnUnknownInterfaceAreRefusedByItsNumber) {
  auto newer = std::make_shared<bhyve::FakeHost>(bhyve::FakeSettings{.version = 19});
  EXPECT_NE(named(find_hypervisors(*newer), "bhyve").why.find("19"), std::string::npos);
  auto freebsd = std::make_shared<bhyve::FakeHost>(bhyve::FakeSettings{.has_version_call = false});
  EXPECT_NE(named(find_hypervisors(*freebsd), "bhyve").why.find("can only be stopped, copied and started"),
            std::string::npos)
      << named(find_hypervisors(*freebsd), "bhyve").why;
}

}  // namespace
}  // namespace drover
