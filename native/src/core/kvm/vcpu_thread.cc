#include "core/kvm/vcpu_thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <cstring>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"

namespace drover::kvm {

namespace {

// Its default is to be ignored, so a stray one harms nobody.
constexpr int kKick = SIGURG;

void drain_kicks() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKick);
  const timespec no_time{};
  while (sigtimedwait(&kick, nullptr, &no_time) == kKick) {
  }
}

// Inside KVM_RUN the kick alone is let through.
Status let_kicks_through(const Vcpu& vcpu) {
  uapi::SignalMask mask{sizeof mask.blocked, {}};
  std::memset(mask.blocked, 0xff, sizeof mask.blocked);
  mask.blocked[(kKick - 1) / 8] &= static_cast<uint8_t>(~(1u << ((kKick - 1) % 8)));
  return call(vcpu.fd(), uapi::kSetSignalMask, "KVM_SET_SIGNAL_MASK", &mask, "a processor could not be made");
}

// An agent may be a real-time process, and so those that it starts. A guest that spins must not be one.
void run_as_ordinary_thread() {
  const int policy = ::sched_getscheduler(0);
  if (policy != SCHED_RR && policy != SCHED_FIFO) return;
  const sched_param none{};
  // Giving priority up is always allowed.
  (void)::sched_setscheduler(0, SCHED_OTHER, &none);
}

}  // namespace

VcpuThread::VcpuThread(std::unique_ptr<Vcpu> vcpu, ExitHandler handler)
    : vcpu_(std::move(vcpu)), handler_(std::move(handler)) {
  vcpu_->set_immediate_exit(true);
}

Result<std::unique_ptr<VcpuThread>> VcpuThread::start(std::unique_ptr<Vcpu> vcpu, ExitHandler handler) {
  if (Status let = let_kicks_through(*vcpu); !let) return let.error();
  std::unique_ptr<VcpuThread> thread(new VcpuThread(std::move(vcpu), std::move(handler)));
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the thread
  thread->thread_ = std::thread([self = thread.get()] { self->main(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

VcpuThread::~VcpuThread() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    vcpu_->set_immediate_exit(true);
    pthread_kill(thread_.native_handle(), kKick);
    changed_.notify_all();
  }
  thread_.join();
}

void VcpuThread::ask_pause() {
  std::lock_guard lock(mutex_);
  pause_ = true;
  vcpu_->set_immediate_exit(true);
  pthread_kill(thread_.native_handle(), kKick);
}

bool VcpuThread::wait_parked(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return stopped_ || (pause_ && parked_); });
}

void VcpuThread::resume() {
  std::lock_guard lock(mutex_);
  pause_ = false;
  if (!ending_) vcpu_->set_immediate_exit(false);
  changed_.notify_all();
}

bool VcpuThread::park() {
  std::unique_lock lock(mutex_);
  // Kicks are sent under the lock, so none of a pause that has begun is left over.
  drain_kicks();
  parked_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return ending_ || !pause_; });
  parked_ = false;
  return !ending_;
}

void VcpuThread::stop_for_good() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
  // It stays to be signalled and joined.
  changed_.wait(lock, [&] { return ending_; });
}

void VcpuThread::main() {
  run_as_ordinary_thread();
  if (!park()) return;
  for (;;) {
    const int failed = ::ioctl(vcpu_->fd(), KVM_RUN, 0) == 0 ? 0 : errno;
    // EAGAIN: a processor that waits to be started was woken and may have been.
    if (failed == EINTR || failed == EAGAIN) {
      if (!park()) return;
      continue;
    }
    if (handler_(*vcpu_, failed) == Next::stop) {
      stop_for_good();
      return;
    }
  }
}

}  // namespace drover::kvm
