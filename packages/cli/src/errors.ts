/** The error table of the command line. Status 400 marks what was wrong before anything was asked of anyone. */
import { defineErrors } from '@drover/types';

export const cliErrors = defineErrors({
  'cli-usage': {
    status: 400,
    retryable: false,
    summary:
      'A command, option or argument is unknown, missing or out of range. See the help of the command.',
  },
  'cli-file-unreadable': {
    status: 400,
    retryable: false,
    summary: 'A file named on the command line cannot be read. Correct its path or mode.',
  },
  'cli-spec-malformed': {
    status: 400,
    retryable: false,
    summary: 'A spec file is neither JSON nor TOML. Correct the text where the message says.',
  },
  'cli-config-invalid': {
    status: 400,
    retryable: false,
    summary:
      'A configuration has an unknown key or a wrong value. Correct the key that the message names, in the place it names (file, environment or flag).',
  },
  'cli-console-unreachable': {
    status: 502,
    retryable: true,
    summary: 'The console of an instance could not be opened, or broke off. Check that the instance runs.',
  },
  'cli-wait-ended': {
    status: 504,
    retryable: true,
    summary:
      'What was asked for is not so yet, and the command stopped waiting. The control plane goes on; look again, or wait for longer.',
  },
  'cli-up-failed': {
    status: 500,
    retryable: false,
    summary:
      'A part of what `drover up` runs did not start, or ended by itself. The message says which, and where its log is.',
  },
});
