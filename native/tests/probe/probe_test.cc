#include <gtest/gtest.h>

#include "core/probe/kvm_probe.h"
#include "core/probe/tracking_probe.h"

namespace drover {
namespace {

TEST(TrackingProbe, ExplainsWhateverIsMissingAndNothingElse) {
  const TrackingProbe probe = probe_tracking();
  for (const ProbeAnswer& answer : {probe.userfaultfd, probe.async_write_protect, probe.pagemap_scan}) {
    EXPECT_EQ(answer.ok, answer.detail.empty()) << answer.detail;
  }
  if (!probe.userfaultfd.ok) {
    EXPECT_FALSE(probe.async_write_protect.ok);
  }
  if (!probe.async_write_protect.ok) {
    EXPECT_FALSE(probe.pagemap_scan.ok);
  }
}

TEST(TrackingProbe, GivesTheSameAnswerAgain) {
  const TrackingProbe first = probe_tracking(), second = probe_tracking();
  EXPECT_EQ(first.pagemap_scan.ok, second.pagemap_scan.ok);
  EXPECT_EQ(first.pagemap_scan.detail, second.pagemap_scan.detail);
}

TEST(KvmProbe, GivesAKindAndASentenceTheSameEachTime) {
  const KvmProbe first = probe_kvm(), second = probe_kvm();
  EXPECT_EQ(first.kind, second.kind);
  EXPECT_FALSE(first.detail.empty());
  RecordProperty("kind", kind_name(first.kind));
}

}  // namespace
}  // namespace drover
