import { defineErrors } from './errors.js';

/** The errors of this package: a document or a quantity that cannot be read. */
export const typesErrors = defineErrors({
  'spec-invalid': {
    status: 400,
    retryable: false,
    summary:
      'An instance spec has a wrong, missing or unknown field, or its components do not fit together. Correct the field that the message names.',
  },
  'spec-version-unknown': {
    status: 400,
    retryable: false,
    summary:
      'An instance spec has a version that this release does not read, or no version that the reader accepts. Upgrade the older side, or write a version that the message lists.',
  },
  'spec-not-convertible': {
    status: 409,
    retryable: false,
    summary:
      'An instance spec uses features that no version the reader accepts can say; the message names each with the version that it needs. Upgrade the reader, or do without the feature.',
  },
  'backend-replacement-invalid': {
    status: 400,
    retryable: false,
    summary:
      'A backend given for the destination is not of the id and kind of one in the instance spec, or would change what the guest sees. Correct the replacement that the message names.',
  },
  'document-invalid': {
    status: 400,
    retryable: false,
    summary:
      'A stored document (VMM state, host, migration report) has a wrong, missing or unknown field. It was damaged, or edited by hand: restore it.',
  },
  'document-version-unknown': {
    status: 400,
    retryable: false,
    summary:
      'A stored document has a version that this release does not read. Use a release that reads it; the message lists what this one reads.',
  },
  'document-not-convertible': {
    status: 409,
    retryable: false,
    summary:
      'A VMM state, host description or migration report says something that no version the reader accepts can say; the message names it. Upgrade the reader.',
  },
  'document-schema-unknown': {
    status: 400,
    retryable: false,
    summary:
      'A document is not of the kind that was expected here, or carries no envelope {schema, version, body}. Give the right document.',
  },
  'document-malformed': {
    status: 400,
    retryable: false,
    summary:
      'A text is not UTF-8 or not JSON, names a key twice, is nested deeper than 32 levels, or holds a number that a reader would round. Correct the text where the message says.',
  },
  'document-too-large': {
    status: 413,
    retryable: false,
    summary:
      'A document is larger than 1 MiB (a migration report: 8 MiB), and was not read. Give a smaller one.',
  },
  'quantity-invalid': {
    status: 400,
    retryable: false,
    summary:
      'A size, bandwidth or duration could not be read. Write a number and a unit, as the message shows.',
  },
});
