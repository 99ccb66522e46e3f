/** What QEMU wrote to its standard output and error, for messages. */

/** `2026-11-21T01:20:00.123456Z qemu-system-x86_64: ` */
const prefix = /^(\d{4}-\d\d-\d\dT[\d:.]+Z\s+)?(\S*qemu-system-\S+: )?/;

/** QEMU explains an error in up to this many lines. */
const MESSAGE_LINES = 3;

/**
 * QEMU's own last messages, without their time and program name; warnings only where there is nothing else. Empty when it
 * wrote nothing.
 */
export function lastMessage(log: string): string {
  const failure = kvmFailure(log);
  if (failure !== null) return failure;
  const lines = linesOf(log).filter((line) => line !== '');
  const messages = lines.filter((line) => !/^(warning:|terminating on|info:)/.test(line));
  return (messages.length > 0 ? messages : lines.slice(-1)).slice(-MESSAGE_LINES).join('; ');
}

/** Why KVM gave up, with where the guest was: QEMU prints one message and a dump of registers. Null when it printed none. */
export function kvmFailure(log: string): string | null {
  const lines = linesOf(log);
  const start = lines.findLastIndex((line) =>
    /^(KVM internal error|KVM: entry failed|error: kvm run failed)/.test(line),
  );
  if (start < 0) return null;
  const dump = lines.slice(start, start + 40);
  const where = dump.find((line) => /^[ER]IP=/.test(line));
  const detail = dump[1] !== undefined && /^[a-z ]+$/i.test(dump[1]) ? `, ${dump[1]}` : '';
  return `${dump[0]}${detail}${where ? ` (${where.split(/\s+/)[0]})` : ''}`;
}

function linesOf(log: string): string[] {
  return log.split('\n').map((line) => line.replace(prefix, '').trim());
}
