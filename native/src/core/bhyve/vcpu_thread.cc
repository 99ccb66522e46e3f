#include "core/bhyve/vcpu_thread.h"

namespace drover::bhyve {

VcpuThread::VcpuThread(std::unique_ptr<Vcpu> vcpu, ExitHandler handler)
    : vcpu_(std::move(vcpu)), handler_(std::move(handler)) {}

Result<std::unique_ptr<VcpuThread>> VcpuThread::start(std::unique_ptr<Vcpu> vcpu, ExitHandler handler) {
  if (Status held = vcpu->hold(); !held) return held.error();
  std::unique_ptr<VcpuThread> thread(new VcpuThread(std::move(vcpu), std::move(handler)));
  thread->thread_ = std::thread([self = thread.get()] { self->main(); });
  return thread;
}

VcpuThread::~VcpuThread() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    // Fails only where the VM is gone, and then running the guest fails too.
    if (!held_) (void)vcpu_->hold().ok();
    changed_.notify_all();
  }
  thread_.join();
}

Status VcpuThread::ask_pause() {
  std::lock_guard lock(mutex_);
  if (held_) return success();
  Status held = vcpu_->hold();
  held_ = held.ok();
  return held;
}

bool VcpuThread::wait_parked(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return stopped_ || (held_ && parked_); });
}

Status VcpuThread::resume() {
  std::lock_guard lock(mutex_);
  if (!held_) return success();
  Status released = vcpu_->release();
  held_ = !released.ok();
  changed_.notify_all();
  return released;
}

bool VcpuThread::park() {
  std::unique_lock lock(mutex_);
  parked_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return ending_ || !held_; });
  parked_ = false;
  return !ending_;
}

void VcpuThread::stop_for_good() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void VcpuThread::main() {
  if (!park()) return;
  for (;;) {
    auto exit = vcpu_->run();
    if (exit && exit.value()->exitcode == abi::VM_EXITCODE_BOGUS) continue;
    if (exit && exit.value()->exitcode == abi::VM_EXITCODE_DEBUG) {
      if (!park()) return;
      continue;
    }
    if (handler_(*vcpu_, exit) == Next::stop) {
      stop_for_good();
      return;
    }
  }
}

}  // namespace drover::bhyve
