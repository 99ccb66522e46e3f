import { protocolErrors } from '../errors.js';
import { within } from './deadline.js';
import { type Exchange, endedInside } from './payload.js';
import { demand } from './refusal.js';
import { Sizes } from './registry.js';
import { encodeRequest, type Request } from './request.js';
import { decodeResponse, type Response } from './response.js';

/** One request and what belongs to it. */
export interface Question extends Request {
  /** Sends what follows the header. */
  readonly payload: (exchange: Exchange) => Promise<void>;
  /** Lengths that an ok may have; default: 0. */
  readonly answers?: readonly bigint[];
}

/**
 * Sends a request and reads its answer. The answer is read from the beginning, because a receiver that refuses does so in the middle of the
 * payload and takes no more of it.
 *
 * Errors: `cloud-hypervisor-refused` (answered with error), `-violation` (an answer that is none), `-closed`, `-timeout`, the signal's reason. The connection is then of no more use.
 */
export async function ask(exchange: Exchange, question: Question): Promise<Response> {
  const stop = new AbortController();
  // Both end together: neither is left behind, reading or writing, when the other fails.
  const during = { ...exchange, signal: AbortSignal.any([exchange.signal, stop.signal]) };
  const answer = readAnswer(during, question);
  const sent = send(during, question);
  // Whichever is not waited for any more may fail as it likes.
  answer.catch(() => undefined);
  sent.catch(() => undefined);
  try {
    await Promise.race([answer, sent]);
    await sent;
    const { answerMs: ms } = exchange.deadlines;
    return await within({ ms, what: `answer ${question.command}`, signal: exchange.signal }, () => answer);
  } finally {
    stop.abort();
  }
}

async function send(exchange: Exchange, question: Question): Promise<void> {
  const { wire, deadlines, signal } = exchange;
  await within({ ms: deadlines.stallMs, what: `take ${question.command}`, signal }, (until) =>
    wire.write(encodeRequest(question), until),
  );
  await question.payload(exchange);
}

async function readAnswer({ wire, signal }: Exchange, { command, answers }: Question): Promise<Response> {
  const bytes = await wire.read(Sizes.response, signal);
  if (bytes === null) throw endedInside(`${command}, without an answer`);
  const response = demand(decodeResponse(bytes, answers));
  if (response.status === 'error') {
    const message = `The other side answered ${command} with an error and has given the migration up; its own log says why.`;
    throw protocolErrors.error('cloud-hypervisor-refused', message);
  }
  return response;
}
