// What this host's KVM can do, asked once for each VM.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover::kvm {

class Host {
 public:
  // Errors: permission, unsupported (no KVM, or one that lacks what a VM of ours needs; the sentence names it).
  static Result<std::shared_ptr<const Host>> open();

  int fd() const { return kvm_.get(); }
  // KVM_CHECK_EXTENSION; 0 where the host lacks it.
  int extension(int capability) const;
  unsigned max_vcpus() const { return max_vcpus_; }
  // Bytes that the mapping of a processor's kvm_run takes.
  size_t run_bytes() const { return run_bytes_; }
  // Bytes of an XSAVE area, at least 4096.
  size_t xsave_bytes() const { return xsave_bytes_; }
  bool has_dirty_log() const;
  // Bytes of the largest dirty ring; 0 where there is none.
  size_t dirty_ring_bytes() const;
  // All that a guest may be shown, before it is fitted to one processor.
  const std::vector<kvm_cpuid_entry2>& cpuid() const { return cpuid_; }
  // The registers that the kernel says to save.
  const std::vector<uint32_t>& msrs() const { return msrs_; }

 private:
  explicit Host(UniqueFd kvm) : kvm_(std::move(kvm)) {}
  Status ask();

  UniqueFd kvm_;
  unsigned max_vcpus_ = 0;
  size_t run_bytes_ = 0;
  size_t xsave_bytes_ = 0;
  std::vector<kvm_cpuid_entry2> cpuid_;
  std::vector<uint32_t> msrs_;
};

}  // namespace drover::kvm
