import { ApiError } from '@drover/client';
import { errorResponse } from '@drover/protocol';
import WebSocket, { type RawData } from 'ws';
import { cliErrors } from '../errors.js';

/** How long the agent may take to open the console, ms. */
const OPEN_TIMEOUT_MS = 10_000;
/** An error response longer than this is not one of an agent, bytes. */
const ERROR_LIMIT = 65_536;

/**
 * Opens a console's WebSocket; `onMessage` gets every message from the first one on. Errors: those of the agent as ApiError,
 * otherwise `cli-console-unreachable`.
 */
export function openConsoleSocket(
  url: string,
  instance: string,
  onMessage: (data: RawData) => void,
): Promise<WebSocket> {
  const socket = new WebSocket(url, {
    handshakeTimeout: OPEN_TIMEOUT_MS,
    perMessageDeflate: false,
  });
  socket.on('message', onMessage);
  return new Promise((resolve, reject) => {
    const unreachable = (reason: string, cause?: unknown) =>
      cliErrors.error(
        'cli-console-unreachable',
        `The console of ${instance} could not be opened: ${reason}.`,
        cause,
      );
    socket.on('open', () => resolve(socket));
    socket.on('error', (cause) => reject(unreachable(cause.message, cause)));
    socket.on('unexpected-response', (request, response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > ERROR_LIMIT) request.destroy();
      });
      response.on('close', () => {
        const status = response.statusCode ?? 0;
        reject(refusalFrom(text, status) ?? unreachable(`the agent answered with status ${status}`));
      });
    });
  });
}

function refusalFrom(text: string, status: number): ApiError | null {
  try {
    return new ApiError(errorResponse.parse(JSON.parse(text)).error, status);
  } catch {
    return null;
  }
}
