// A host whose bhyve is this file: device files that answer as illumos's kernel does.
//
// One VM a name. Memory is real, so the code under test maps it and writes to it: each segment has one file for the
// segment view and one for the guest view, and every call first carries what was written to one over to the other,
// marking pages that were written through the guest view. Guest code is a function that the test gives.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/bhyve/abi/cpu.h"
#include "core/bhyve/abi/data.h"
#include "core/bhyve/abi/memory.h"
#include "core/bhyve/abi/requests.h"
#include "core/bhyve/device.h"
#include "core/memory/guest_memory.h"
#include "core/memory/memfd.h"

namespace drover::bhyve {

// Segments can be mapped from here on, each after the other, as in the kernel.
inline constexpr uint64_t kFakeSegmentStart = uint64_t{1} << 46;

struct FakeClass {
  abi::vdi_version_entry_v1 entry;
  bool per_vcpu;
};

struct FakeSettings {
  int version = 18;
  bool hardware_dirty_bits = true;
  bool has_version_call = true;  // FreeBSD's has none
  bool has_autodestruct = true;
  bool allow_state_writes = true;  // the kernel's own switch, before version 13
  uint64_t memory_left = uint64_t{1} << 40;
  uint64_t fpu_bytes = 832;
  uint64_t tsc_hz = 2000000000;
  bool scales_tsc = true;
  int64_t hrtime = 1000000000000;
  uint64_t wall_seconds = 1700000000;
  std::set<uint32_t> msrs = {0x10, 0xc0000080, 0xc0000081, 0xc0000082, 0x277};
  std::vector<FakeClass> classes = {
      {{abi::VDC_VERSION, 1, 0, 8}, false},   {{abi::VDC_MSR, 1, 0, 16}, true},
      {{abi::VDC_LAPIC, 1, 200, 0}, true},    {{abi::VDC_VMM_ARCH, 1, 0, 16}, true},
      {{abi::VDC_IOAPIC, 1, 392, 0}, false},  {{abi::VDC_ATPIT, 1, 72, 0}, false},
      {{abi::VDC_ATPIC, 1, 80, 0}, false},    {{abi::VDC_HPET, 1, 288, 0}, false},
      {{abi::VDC_PM_TIMER, 1, 16, 0}, false}, {{abi::VDC_RTC, 2, 152, 0}, false},
      {{abi::VDC_VMM_TIME, 1, 48, 0}, false},
  };
};

struct FakeSegment {
  uint64_t bytes = 0;
  uint64_t offset = 0;  // VM_DEVMEM_GETOFFSET's
  UniqueFd segment_file, guest_file;
  uint64_t guest_address = UINT64_MAX;             // unmapped
  std::map<uint64_t, std::vector<uint8_t>> known;  // contents of pages when both files were last the same
};

// What guest code does when it is let run: an exit, or nothing where it goes on for ever.
using FakeGuest = std::function<std::optional<abi::vm_exit>(const abi::vm_entry&)>;

struct FakeVcpu {
  bool active = false;
  bool in_guest = false;
  bool suspended = false;
  int wanted_idle = 0;
  std::optional<abi::vm_exit> pending;  // an access that was not answered
  abi::vm_entry answered{};             // the last answer
  std::map<int32_t, uint64_t> registers;
  std::map<int32_t, abi::vm_seg_desc> segments;
  abi::vm_run_state run_state{};
  std::vector<uint8_t> fpu;
  int faults = 0;
  FakeGuest guest;
};

struct FakeVm {
  std::string name;
  bool tracked = false;
  bool paused = false;
  bool autodestruct = false;
  int open_devices = 0;
  std::map<int, FakeSegment> segments;
  std::set<uint64_t> dirty;  // guest page numbers
  FakeVcpu vcpus[abi::kVcpusMax];
  std::map<std::pair<int, int>, std::vector<uint8_t>> data;  // by class and processor
  abi::vdi_time_info_v1 time{};
};

class FakeHost : public Devices, public std::enable_shared_from_this<FakeHost> {
 public:
  explicit FakeHost(FakeSettings settings = {}) : settings(std::move(settings)) {
    if (this->settings.version >= 18) this->settings.classes.push_back({{abi::VDC_PMU_AMD, 1, 96, 0}, true});
  }

  // Guarded by mutex once threads run.
  FakeSettings settings;
  std::map<std::string, std::shared_ptr<FakeVm>> vms;
  std::mutex mutex;
  std::condition_variable changed;
  struct Scan {
    uint64_t guest_address, bytes;
    uint32_t operation;
  };
  std::vector<Scan> scans;
  std::vector<int> changes;  // calls that changed a VM's state, and for VM_DATA_WRITE the class, in order
  // Makes a call fail before (after = false) or after it did its work; errno.
  struct Fault {
    int request;
    int error;
    bool after;
    int skip;  // calls of this number that still succeed
  };
  std::optional<Fault> fault;

  Result<std::unique_ptr<Device>> open(const std::string& path) override;

  FakeVm& vm(const std::string& name = "guest") { return *vms.at(name); }

  // The guest writes one byte to a page of its memory.
  void guest_writes(uint64_t guest_address, uint8_t value, const std::string& name = "guest") {
    std::lock_guard lock(mutex);
    FakeVm& vm = *vms.at(name);
    sync(vm);
    for (auto& [id, segment] : vm.segments) {
      if (guest_address - segment.guest_address >= segment.bytes) continue;
      const auto at = static_cast<off_t>(guest_address - segment.guest_address);
      ASSERT_EQ(::pwrite(segment.segment_file.get(), &value, 1, at), 1);
      ASSERT_EQ(::pwrite(segment.guest_file.get(), &value, 1, at), 1);
      segment.known[static_cast<uint64_t>(at) / kPageSize] =
          page(segment.segment_file, static_cast<uint64_t>(at) / kPageSize);
      if (vm.tracked) vm.dirty.insert(guest_address / kPageSize);
    }
  }

  int control_call(int request, uintptr_t argument);
  int vm_call(FakeVm& vm, int request, uintptr_t argument);
  Result<Mapping> map(FakeVm& vm, uint64_t offset, uint64_t bytes);
  void closed(FakeVm& vm) {
    std::lock_guard lock(mutex);
    if (--vm.open_devices == 0 && vm.autodestruct) vms.erase(vm.name);
  }

 private:
  static int failed(int error) {
    errno = error;
    return -1;
  }
  static std::vector<uint8_t> page(const UniqueFd& file, uint64_t number) {
    std::vector<uint8_t> bytes(kPageSize);
    EXPECT_EQ(::pread(file.get(), bytes.data(), kPageSize, static_cast<off_t>(number * kPageSize)),
              static_cast<ssize_t>(kPageSize));
    return bytes;
  }
  static void put_page(const UniqueFd& file, uint64_t number, const std::vector<uint8_t>& bytes) {
    EXPECT_EQ(::pwrite(file.get(), bytes.data(), kPageSize, static_cast<off_t>(number * kPageSize)),
              static_cast<ssize_t>(kPageSize));
  }
  // Pages that a file holds; the rest is zero.
  static std::set<uint64_t> held(const UniqueFd& file, uint64_t bytes) {
    std::set<uint64_t> pages;
    for (off_t at = 0; at < static_cast<off_t>(bytes);) {
      const off_t data = ::lseek(file.get(), at, SEEK_DATA);
      if (data < 0) break;
      const off_t hole = ::lseek(file.get(), data, SEEK_HOLE);
      for (off_t page = data; page < hole; page += kPageSize) pages.insert(static_cast<uint64_t>(page) / kPageSize);
      at = hole;
    }
    return pages;
  }

  void sync(FakeVm& vm) {
    static const std::vector<uint8_t> zero(kPageSize, 0);
    for (auto& [id, segment] : vm.segments) {
      std::set<uint64_t> pages = held(segment.segment_file, segment.bytes);
      pages.merge(held(segment.guest_file, segment.bytes));
      for (const uint64_t number : pages) {
        std::vector<uint8_t>& known = segment.known.try_emplace(number, zero).first->second;
        const std::vector<uint8_t> through_guest = page(segment.guest_file, number);
        if (through_guest != known) {
          put_page(segment.segment_file, number, through_guest);
          const uint64_t guest_page = segment.guest_address / kPageSize + number;
          if (vm.tracked) vm.dirty.insert(guest_page);
          known = through_guest;
          continue;
        }
        const std::vector<uint8_t> direct = page(segment.segment_file, number);
        if (direct == known) continue;
        put_page(segment.guest_file, number, direct);
        known = direct;
      }
    }
  }

  bool is_ram(const FakeVm& vm, uint64_t guest_page) const {
    for (const auto& [id, segment] : vm.segments) {
      if (guest_page * kPageSize - segment.guest_address < segment.bytes) return true;
    }
    return false;
  }

  // Waits until the processor is out of the guest, and has it come out.
  void lock_vcpu(FakeVcpu& vcpu, std::unique_lock<std::mutex>& lock) {
    ++vcpu.wanted_idle;
    changed.notify_all();
    changed.wait(lock, [&] { return !vcpu.in_guest; });
    --vcpu.wanted_idle;
    changed.notify_all();
  }

  int run(FakeVm& vm, abi::vm_entry& entry, std::unique_lock<std::mutex>& lock);
  int dirty_pages(FakeVm& vm, abi::vmm_dirty_tracker& request);
  int npt_operation(FakeVm& vm, abi::vm_npt_operation& request);
  int transfer(FakeVm& vm, abi::vm_data_xfer& xfer, bool write);
  int transfer_list(FakeVm& vm, const FakeClass& found, abi::vm_data_xfer& xfer, bool write);
  int transfer_time(FakeVm& vm, void* bytes, bool write);
  void operate(FakeVm& vm, uint64_t address, uint64_t bytes, uint32_t operation, uint8_t* bitmap);
};

}  // namespace drover::bhyve

#include "bhyve/fake_host_calls.h"
#include "bhyve/fake_host_data.h"
#include "bhyve/fake_host_memory.h"
