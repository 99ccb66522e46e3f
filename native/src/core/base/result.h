// A value or an Error. The core throws nothing: every function that can fail returns Result<T> or Status.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace drover {

// Stable codes; their spelling crosses the binding (see code_name) and is listed in native/index.ts.
enum class Code {
  invalid_argument,
  system_call,
  permission,
  unsupported,
  timeout,
  cancelled,
  closed,
  peer_violation,
  connection_lost,
  limit,
  vmm_gone,
};

inline const char* code_name(Code code) {
  switch (code) {
    case Code::invalid_argument: return "native-invalid-argument";
    case Code::system_call: return "native-system-call";
    case Code::permission: return "native-permission";
    case Code::unsupported: return "native-unsupported";
    case Code::timeout: return "native-timeout";
    case Code::cancelled: return "native-cancelled";
    case Code::closed: return "native-closed";
    case Code::peer_violation: return "native-peer-violation";
    case Code::connection_lost: return "native-connection-lost";
    case Code::limit: return "native-limit";
    case Code::vmm_gone: return "native-vmm-gone";
  }
  return "native-system-call";
}

struct Error {
  Code code;
  std::string message;    // a sentence: what failed, on what
  int error_number = 0;   // errno, 0 where no call failed
  std::string syscall{};  // the call and its main argument, empty where none failed
};

// The error of a system call that just failed: takes errno at once.
inline Error errno_error(const std::string& syscall, const std::string& what) {
  const int number = errno;
  const Code code = (number == EPERM || number == EACCES) ? Code::permission : Code::system_call;
  return Error{code, what + ": " + syscall + ": " + std::strerror(number), number, syscall};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T take() { return std::move(std::get<0>(state_)); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status success() { return Status{Unit{}}; }

}  // namespace drover
