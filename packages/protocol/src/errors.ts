import { DroverError, defineErrors } from '@drover/types';

/** The errors of this package: what goes wrong between two sides of a wire. */
export const protocolErrors = defineErrors({
  'peer-unreachable': {
    status: 502,
    retryable: true,
    summary:
      'No connection to the peer came about in time. Check that its agent runs, that host and port are its peer address, and the firewall between.',
  },
  'peer-version-unknown': {
    status: 409,
    retryable: false,
    summary:
      'The two sides share no version of the peer protocol; the message names both windows. Upgrade the side that it names. Nothing was created.',
  },
  'peer-versions-invalid': {
    status: 400,
    retryable: false,
    summary:
      'This side was told to speak versions of the peer protocol that this release does not have, or with a gap between them. Choose some that the message lists.',
  },
  'page-size-unsupported': {
    status: 409,
    retryable: false,
    summary:
      'The other side works with another page size than 4096 bytes. Such hosts cannot exchange guests.',
  },
  'device-state-version-unsupported': {
    status: 409,
    retryable: false,
    summary:
      'The destination does not read the state of a device of this guest in the version that the source writes. Upgrade the side that the message names. Nothing was created.',
  },
  'capability-not-offered': {
    status: 409,
    retryable: false,
    summary:
      'The source chose a capability that the destination had not offered. The source is of a broken release. Nothing was created.',
  },
  'peer-violation': {
    status: 502,
    retryable: false,
    summary:
      'The peer sent something that the peer protocol does not allow here; the connection was closed. Check that the address is a Drover peer port, then report it with both releases.',
  },
  'peer-silent': {
    status: 504,
    retryable: true,
    summary:
      'Nothing came from the peer, or it took nothing, for longer than its keepalives allow. Check the peer and the network between.',
  },
  'peer-closed': {
    status: 502,
    retryable: true,
    summary:
      'The peer closed the connection, or it was lost, before the exchange was over. See the log of the peer.',
  },
  'peer-timeout': {
    status: 504,
    retryable: true,
    summary:
      'The peer is there but did not send the next message in time. See what it is busy with, and try again.',
  },
  'peer-refused': {
    status: 409,
    retryable: false,
    summary: 'The peer refused or aborted with a code that is not a well-formed one; the message is its own.',
  },
  'channel-closed': {
    status: 500,
    retryable: false,
    summary: 'A control channel was used after this side had closed it: the exchange had already ended here.',
  },
  'message-unsendable': {
    status: 500,
    retryable: false,
    summary:
      'This side tried to send a control message that the peer protocol does not allow, or that is too large. It was not sent; report it.',
  },
  'cloud-hypervisor-violation': {
    status: 502,
    retryable: false,
    summary:
      'The other side of a Cloud Hypervisor migration sent something that its wire does not allow there; the connection was closed. Check what listens at the address, then its release.',
  },
  'cloud-hypervisor-version-unknown': {
    status: 409,
    retryable: false,
    summary:
      'The receiver of a Cloud Hypervisor migration does not take the wire version that the sender stated. Offer a lower one, or upgrade the older side. Nothing was created.',
  },
  'cloud-hypervisor-refused': {
    status: 409,
    retryable: false,
    summary:
      'The receiver of a Cloud Hypervisor migration answered a request with an error, which carries no reason. Its own log has it. The guest may go on at the source.',
  },
  'cloud-hypervisor-closed': {
    status: 502,
    retryable: true,
    summary:
      'The other side of a Cloud Hypervisor migration closed the connection before it was over, or the connection was lost. See the log of the other side.',
  },
  'cloud-hypervisor-timeout': {
    status: 504,
    retryable: true,
    summary:
      'One step of a Cloud Hypervisor migration took longer than its deadline; the message names it. See what that side is busy with, and the network between.',
  },
  'cloud-hypervisor-abandoned': {
    status: 409,
    retryable: true,
    summary:
      'The sender of a Cloud Hypervisor migration gave it up. Its own log says why. Nothing is left of it at the receiver.',
  },
  'cloud-hypervisor-descriptors': {
    status: 409,
    retryable: false,
    summary:
      'A local migration passes memory as descriptors, and the connection cannot carry them. Send the pages instead, or use a connection of the native core.',
  },
  'cloud-hypervisor-in-doubt': {
    status: 504,
    retryable: false,
    summary:
      'Nobody can tell from here whether a guest runs at the receiver of a Cloud Hypervisor migration. Keep it paused at the source and ask the receiving host.',
  },
  'api-version-too-old': {
    status: 409,
    retryable: false,
    summary:
      'What is asked for or about has something that this version of the agent API has no words for; the message names it. Ask by the version that it names, or upgrade the agent.',
  },
  'address-invalid': {
    status: 400,
    retryable: false,
    summary:
      'An address is not host:port, or [IPv6]:port. Write for example north.example:7701 or [::1]:7701.',
  },
  'path-parameter-invalid': {
    status: 400,
    retryable: false,
    summary:
      'An id or name in a request path is empty or made of dots. Give the id or the name of the thing.',
  },
});

/** The peer said no, and why: code, sentence and retry label are its own. */
export class PeerRefusal extends DroverError {
  /** The message it came in. */
  readonly from: 'refuse' | 'abort';

  constructor(from: 'refuse' | 'abort', said: { code: string; message: string; retryable: boolean }) {
    const status = protocolErrors.definitions['peer-refused'].status;
    const code = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(said.code) ? said.code : 'peer-refused';
    super(code, { status, retryable: said.retryable, summary: '' }, printable(said.message));
    this.from = from;
  }
}

/** A peer's text ends up in logs and on terminals: control characters (C0, DEL, C1) become blanks. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim() || 'The peer gave no reason.';
}
