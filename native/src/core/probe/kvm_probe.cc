#include "core/probe/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

namespace {

using Kind = KvmProbe::Kind;

KvmProbe broken(const std::string& what) {
  return {Kind::broken, "/dev/kvm answers, but a tiny guest does not run: " + what + "; guests run with -accel tcg"};
}

#if defined(__x86_64__)

constexpr uint64_t kGuestAddress = 0x1000;
constexpr size_t kGuestSize = 4096;
constexpr uint16_t kPort = 0x10;
constexpr auto kTimeLimit = std::chrono::seconds(2);
// Its default is to be ignored, so a stray one harms nobody.
constexpr int kKick = SIGURG;

// The kernel's structs that end in an array have another size in C++ with the headers of Linux 6.1 (an empty struct
// takes a byte there), and with them the ioctls' numbers: so these are written out. Entries follow the header.
struct CpuidHeader {
  uint32_t entries;
  uint32_t padding;
};
static_assert(sizeof(CpuidHeader) == 8 && sizeof(kvm_cpuid_entry2) == 40);
struct SignalMask {
  uint32_t length;
  uint8_t set[8];  // the kernel's signal set, not the C library's
};
static_assert(sizeof(SignalMask) == 12);
constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader);
constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHeader);
constexpr unsigned long kSetSignalMask = _IOW(KVMIO, 0x8b, uint32_t);

// paddd xmm0, xmm1; mov al, 'K'; out 0x10, al; hlt
constexpr std::array<uint8_t, 9> kCode{0x66, 0x0f, 0xfe, 0xc1, 0xb0, 'K', 0xe6, kPort, 0xf4};

class Mapping {
 public:
  Mapping(size_t size, int flags, int fd) : size_(size) {
    void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (data != MAP_FAILED) data_ = data;
  }
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  size_t size_;
  void* data_ = nullptr;
};

Status call(int fd, unsigned long request, const char* name, void* argument) {
  if (ioctl(fd, request, argument) >= 0) return success();
  return errno_error(std::string("ioctl(") + name + ")", "the guest could not be made");
}

// Guest code may use SSE: the processor says so and the control registers allow it. Flat 32-bit protected mode.
Status set_registers(int kvm, int vcpu) {
  constexpr uint32_t kEntries = 256;
  struct {
    CpuidHeader header;
    std::array<kvm_cpuid_entry2, kEntries> entries;
  } cpuid{};
  cpuid.header.entries = kEntries;
  if (Status done = call(kvm, kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID", &cpuid); !done) return done;
  if (Status done = call(vcpu, kSetCpuid2, "KVM_SET_CPUID2", &cpuid); !done) return done;

  kvm_sregs system{};
  if (Status done = call(vcpu, KVM_GET_SREGS, "KVM_GET_SREGS", &system); !done) return done;
  kvm_segment segment{};
  segment.limit = 0xffffffff;
  segment.present = segment.db = segment.s = segment.g = 1;
  segment.selector = 8;
  segment.type = 11;  // code, readable, accessed
  system.cs = segment;
  segment.selector = 16;
  segment.type = 3;  // data, writable, accessed
  system.ds = system.es = system.fs = system.gs = system.ss = segment;
  system.cr0 = (system.cr0 | 0x3) & ~uint64_t{0xc};  // PE, MP; not EM, TS
  system.cr4 |= 0x600;                               // OSFXSR, OSXMMEXCPT
  if (Status done = call(vcpu, KVM_SET_SREGS, "KVM_SET_SREGS", &system); !done) return done;
  kvm_regs registers{};
  registers.rip = kGuestAddress;
  registers.rflags = 2;
  return call(vcpu, KVM_SET_REGS, "KVM_SET_REGS", &registers);
}

KvmProbe judge(const kvm_run& run) {
  if (run.exit_reason == KVM_EXIT_IO && run.io.direction == KVM_EXIT_IO_OUT && run.io.port == kPort) {
    return {Kind::full, "guests run on /dev/kvm"};
  }
  if (run.exit_reason == KVM_EXIT_INTERNAL_ERROR && run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
    return {Kind::emulated,
            "/dev/kvm works, but runs guest code through its instruction emulator (SSE arithmetic failed), so stock "
            "operating "
            "systems do not start on it; they run with -accel tcg"};
  }
  return broken("it stopped with exit reason " + std::to_string(run.exit_reason));
}

// Everything of one attempt. Runs on the probing thread, which has kKick blocked.
KvmProbe run_guest(int kvm) {
  UniqueFd vm(ioctl(kvm, KVM_CREATE_VM, 0));
  if (!vm.valid()) {
    return {Kind::absent, errno_error("ioctl(KVM_CREATE_VM)", "/dev/kvm is there, but makes no guest").message +
                              "; enable virtualisation in the firmware; guests run with -accel tcg"};
  }
  // Intel processors without unrestricted guest mode need this place; the others do not mind.
  (void)ioctl(vm.get(), KVM_SET_TSS_ADDR, 0xfffbd000UL);
  const Mapping memory(kGuestSize, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (memory.as<uint8_t>() == nullptr) return broken(errno_error("mmap", "guest memory").message);
  std::memcpy(memory.as<uint8_t>(), kCode.data(), kCode.size());
  kvm_userspace_memory_region region{};
  region.guest_phys_addr = kGuestAddress;
  region.memory_size = kGuestSize;
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory.as<uint8_t>());
  if (Status done = call(vm.get(), KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region); !done) {
    return broken(done.error().message);
  }
  UniqueFd vcpu(ioctl(vm.get(), KVM_CREATE_VCPU, 0));
  if (!vcpu.valid()) return broken(errno_error("ioctl(KVM_CREATE_VCPU)", "a processor").message);
  const int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < static_cast<int>(sizeof(kvm_run))) return broken("KVM_GET_VCPU_MMAP_SIZE makes no sense");
  const Mapping run(static_cast<size_t>(run_size), MAP_SHARED, vcpu.get());
  if (run.as<kvm_run>() == nullptr) return broken(errno_error("mmap", "the processor's state").message);
  if (Status done = set_registers(kvm, vcpu.get()); !done) return broken(done.error().message);

  // While the guest runs, and only then, kKick is let through, so that the other thread can end it; the kernel never
  // delivers it, because it is blocked again before KVM_RUN returns.
  SignalMask mask{sizeof mask.set, {}};
  if (Status done = call(vcpu.get(), kSetSignalMask, "KVM_SET_SIGNAL_MASK", &mask); !done) {
    return broken(done.error().message);
  }
  if (ioctl(vcpu.get(), KVM_RUN, 0) != 0) {
    if (errno == EINTR) return broken("it did not end in 2 seconds");
    return broken(errno_error("ioctl(KVM_RUN)", "the guest").message);
  }
  return judge(*run.as<kvm_run>());
}

KvmProbe run_guest_in_time(int kvm) {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<KvmProbe> answer;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the thread
  std::thread thread([&] {
    KvmProbe probe = run_guest(kvm);
    std::lock_guard lock(mutex);
    answer = std::move(probe);
    changed.notify_one();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  {
    std::unique_lock lock(mutex);
    // The signal stays pending until the guest runs, so once is enough.
    if (!changed.wait_for(lock, kTimeLimit, [&] { return answer.has_value(); })) {
      pthread_kill(thread.native_handle(), kKick);
    }
  }
  thread.join();
  return *answer;
}

#endif

}  // namespace

KvmProbe probe_kvm() {
  UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid() && (errno == EACCES || errno == EPERM)) {
    return {Kind::no_permission, "/dev/kvm may not be opened: run as root or add the user to the group kvm"};
  }
  if (!kvm.valid()) {
    return {Kind::absent, errno_error("open(/dev/kvm)", "this host has no KVM").message +
                              "; load kvm_intel or kvm_amd, or use -accel tcg"};
  }
  const int version = ioctl(kvm.get(), KVM_GET_API_VERSION, 0);
  if (version != 12) return broken("KVM's API version is " + std::to_string(version) + ", not 12");
#if defined(__x86_64__)
  return run_guest_in_time(kvm.get());
#else
  return broken("there is no probing guest for this processor");
#endif
}

const char* kind_name(KvmProbe::Kind kind) {
  switch (kind) {
    case Kind::absent: return "absent";
    case Kind::no_permission: return "no-permission";
    case Kind::emulated: return "emulated";
    case Kind::full: return "full";
    case Kind::broken: return "broken";
  }
  return "broken";
}

}  // namespace drover
