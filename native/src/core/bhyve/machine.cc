#include "core/bhyve/machine.h"

#include "core/bhyve/cpu_state.h"

namespace drover::bhyve {

namespace {

Error closed(const std::string& what) { return Error{Code::closed, what}; }

}  // namespace

Result<std::shared_ptr<Machine>> Machine::create(Options options) {
  if (options.vcpus < 1 || options.vcpus > abi::kVcpusMax) {
    return Error{Code::limit, "bhyve allows 1 to " + std::to_string(abi::kVcpusMax) + " processors, not " +
                                  std::to_string(options.vcpus)};
  }
  std::shared_ptr<Machine> machine(new Machine(std::move(options)));
  if (Status assembled = machine->assemble(); !assembled) return assembled.error();
  return machine;
}

Status Machine::assemble() {
  auto vm = Vm::create(*options_.devices, options_.vm);
  if (!vm) return vm.error();
  vm_ = vm.take();
  if (Status checked = check_host(*vm_); !checked) return checked;
  tracker_ = std::make_unique<NptTracker>(vm_);
  for (int index = 0; index < options_.vcpus; ++index) {
    auto vcpu = Vcpu::create(vm_, index);
    if (!vcpu) return vcpu.error();
    auto thread = VcpuThread::start(
        vcpu.take(), [this](Vcpu& each, const Result<const abi::vm_exit*>& exit) { return on_exit(each, exit); });
    if (!thread) return thread.error();
    threads_.push_back(thread.take());
  }
  // The first processor runs from the reset vector; the others wait to be started by it.
  return set_run_state(vm_->device(), 0, {abi::VRS_RUN, 0});
}

Machine::~Machine() {
  // From here on no processor ends the machine, and so none looks at the others while they go.
  std::lock_guard lock(mutex_);
  state_ = State::ended;
}

Machine::State Machine::state() {
  std::lock_guard lock(mutex_);
  return state_;
}

Status Machine::resume() {
  std::lock_guard operation(operation_);
  if (state() == State::ended) return closed("this machine has ended");
  if (Status resumed = vm_->resume(); !resumed) return resumed;
  // A guest that ends meanwhile stops its processors only after this.
  std::lock_guard lock(mutex_);
  if (state_ == State::ended) return closed("this machine has ended");
  state_ = State::running;
  for (const auto& thread : threads_) {
    if (Status resumed = thread->resume(); !resumed) return resumed;
  }
  return success();
}

Status Machine::pause(std::chrono::milliseconds timeout) {
  std::lock_guard operation(operation_);
  if (state() != State::running) return success();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (const auto& thread : threads_) {
    if (Status asked = thread->ask_pause(); !asked) return asked;
  }
  for (const auto& thread : threads_) {
    if (thread->wait_parked(deadline)) continue;
    return Error{Code::timeout, "processor " + std::to_string(thread->vcpu().index()) + " did not stop within " +
                                    std::to_string(timeout.count()) + " ms; try again"};
  }
  if (state() == State::ended) return success();
  if (Status paused = vm_->pause(); !paused) return paused;
  std::lock_guard lock(mutex_);
  if (state_ != State::ended) state_ = State::paused;
  return success();
}

Result<std::vector<Payload>> Machine::save() {
  std::lock_guard operation(operation_);
  if (state() != State::paused) return closed("this machine is not paused");
  return bhyve::save(*vm_, options_.vcpus);
}

Status Machine::load(const std::vector<Payload>& payloads, machine::ClockMode mode) {
  std::lock_guard operation(operation_);
  if (state() != State::made) return closed("this machine has a state already");
  if (Status paused = vm_->pause(); !paused) return paused;
  if (Status loaded = bhyve::load(*vm_, options_.vcpus, payloads, mode); !loaded) return loaded;
  std::lock_guard lock(mutex_);
  state_ = State::paused;
  return success();
}

VcpuThread::Next Machine::on_exit(Vcpu& vcpu, const Result<const abi::vm_exit*>& result) {
  if (!result) return fail(vcpu, result.error().message);
  const abi::vm_exit& exit = *result.value();
  switch (exit.exitcode) {
    case abi::VM_EXITCODE_INOUT: {
      const abi::vm_inout& access = exit.u.inout;
      const bool in = (access.flags & abi::INOUT_IN) != 0;
      vcpu.answer_port(options_.on_port ? options_.on_port({access.port, access.bytes, in, access.eax}) : UINT32_MAX);
      return VcpuThread::Next::run;
    }
    case abi::VM_EXITCODE_MMIO:
      // No device lies in memory: reads find nothing on the bus, writes are lost.
      vcpu.answer_memory(UINT64_MAX);
      return VcpuThread::Next::run;
    case abi::VM_EXITCODE_RDMSR:
    case abi::VM_EXITCODE_WRMSR:
      // A register that neither the processor nor bhyve has: guests probe for them, and expect this.
      if (Status refused = vcpu.refuse_instruction(); !refused) return fail(vcpu, refused.error().message);
      return VcpuThread::Next::run;
    case abi::VM_EXITCODE_SUSPENDED: return on_suspended(vcpu, exit.u.suspended.how);
    case abi::VM_EXITCODE_INST_EMUL: return fail(vcpu, "its guest ran an instruction that bhyve cannot emulate");
    default:
      return fail(vcpu, "its guest left with exit " + std::to_string(exit.exitcode) + ", which has no meaning here");
  }
}

VcpuThread::Next Machine::on_suspended(Vcpu& vcpu, int32_t how) {
  if (how == abi::VM_SUSPEND_TRIPLEFAULT) return fail(vcpu, "its guest had a triple fault");
  if (how == abi::VM_SUSPEND_RESET) {
    end({Ending::Kind::reset, vcpu.index(), "the guest asked for a reset"});
  } else {
    end({Ending::Kind::power_off, vcpu.index(), "the guest switched itself off"});
  }
  return VcpuThread::Next::stop;
}

VcpuThread::Next Machine::fail(Vcpu& vcpu, const std::string& what) {
  end({Ending::Kind::failed, vcpu.index(), "processor " + std::to_string(vcpu.index()) + " cannot go on: " + what,
       describe_registers(vm_->device(), vcpu.index())});
  return VcpuThread::Next::stop;
}

void Machine::end(Ending ending) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::ended) return;  // every processor is told of the same end
    state_ = State::ended;
    // One that fails to stop is told of the end when it comes out.
    for (const auto& thread : threads_) (void)thread->ask_pause().ok();
  }
  if (options_.on_end) options_.on_end(ending);
}

}  // namespace drover::bhyve
