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
