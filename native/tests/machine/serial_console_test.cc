#include "core/machine/serial_console.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>

namespace drover::machine {
namespace {

constexpr unsigned kData = 0;
constexpr int kTestTimeoutMs = 10'000;

class Typist {
 public:
  Typist() : console_(SerialConsole::create([](bool) {}).take()), reader_(console_->take_reader().take()) {}

  SerialConsole& console() { return *console_; }
  int reader() const { return reader_.get(); }

  void say(const std::string& text) {
    for (const char letter : text) console_->write(kData, static_cast<uint8_t>(letter));
  }

  // What one read of the socket gives; empty where nothing comes in time.
  std::string piece(int timeout_ms = kTestTimeoutMs) const {
    pollfd wait{reader_.get(), POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) != 1) return {};
    char bytes[4096];
    const ssize_t got = ::read(reader_.get(), bytes, sizeof bytes);
    return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : std::string();
  }

  std::string read(size_t bytes) const {
    std::string all;
    while (all.size() < bytes) {
      const std::string more = piece();
      if (more.empty()) break;
      all += more;
    }
    return all;
  }

 private:
  std::unique_ptr<SerialConsole> console_;
  UniqueFd reader_;
};

TEST(SerialConsole, SendsALineAsAWhole) {
  Typist typist;
  // A timer of the time before must not cut it: it is sent by its end alone, so it is there at once.
  typist.say("b 0042\n");
  EXPECT_EQ(typist.piece(0), "b 0042\n");
}

TEST(SerialConsole, SendsWhatHasNoEndAfterAMoment) {
  Typist typist;
  typist.say("login: ");
  EXPECT_EQ(typist.read(7), "login: ");
  typist.say("again: ");
  EXPECT_EQ(typist.read(7), "again: ") << "its timer can be started again";
}

TEST(SerialConsole, HasNothingLeftToSendWhenItsInputIsTurnedOff) {
  Typist typist;
  typist.say("half a li");
  typist.console().set_input(false);
  EXPECT_EQ(typist.piece(0), "half a li");
}

TEST(SerialConsole, LosesNothingAndKeepsTheOrderWhateverIsSaid) {
  Typist typist;
  std::mt19937_64 random(3);
  std::string said;
  std::string heard;
  for (int turn = 0; turn < 2000; turn++) {
    std::string text(random() % 40, 'x');
    for (char& letter : text) letter = random() % 8 == 0 ? '\n' : static_cast<char>('a' + random() % 26);
    typist.say(text);
    said += text;
    if (random() % 4 == 0) heard += typist.piece(0);
  }
  heard += typist.read(said.size() - heard.size());
  EXPECT_EQ(heard, said);
  EXPECT_EQ(typist.console().dropped(), 0u);
}

TEST(SerialConsole, GoesOnWhereTheReaderReadsAgainAndCountsWhatWasTooMuch) {
  Typist typist;
  const std::string line(127, 'l');
  std::string said;
  while (typist.console().dropped() == 0) {
    typist.say(line + "\n");
    said += line + "\n";
  }
  const uint64_t dropped = typist.console().dropped();
  const std::string heard = typist.read(said.size() - dropped);
  EXPECT_EQ(heard, said.substr(0, said.size() - dropped));
  typist.say("\nand on\n");
  EXPECT_EQ(typist.read(8), "\nand on\n");
}

TEST(SerialConsole, SpeaksOnAfterItsReaderIsGone) {
  Typist typist;
  ::shutdown(typist.reader(), SHUT_RDWR);
  typist.say("to nobody\n");
  typist.say("at all");
  EXPECT_GT(typist.console().dropped(), 0u);
}

}  // namespace
}  // namespace drover::machine
