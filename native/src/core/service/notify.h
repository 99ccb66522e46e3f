// Telling the service manager that started this process how it is (sd_notify(3)), without its library.
#pragma once

#include <string>

#include "core/base/result.h"

namespace drover {

// Sends `text`, lines of NAME=VALUE, as one datagram to the unix socket at `address`: a path, or a name in the abstract
// namespace written with a leading '@', as NOTIFY_SOCKET says it. Never waits: a manager whose queue is full misses it.
Status notify_service_manager(const std::string& address, const std::string& text);

}  // namespace drover
