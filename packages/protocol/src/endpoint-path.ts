import { quoteBriefly } from '@drover/types';
import { protocolErrors } from './errors.js';

/**
 * The path of an endpoint with its parameters filled in and escaped. `endpoint` is its name, for the sentence. Errors:
 * `path-parameter-invalid`.
 */
export function fillPath(
  path: string,
  endpoint: string,
  parameters: Readonly<Record<string, string>>,
): string {
  return path.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value = Object.hasOwn(parameters, parameter) ? parameters[parameter] : undefined;
    // A URL parser takes "." and ".." for steps in the path, escaped or not.
    if (value === undefined || value === '' || value === '.' || value === '..') {
      const given = quoteBriefly(value ?? '');
      throw protocolErrors.error(
        'path-parameter-invalid',
        `${given} cannot be the ${parameter} of ${endpoint}.`,
      );
    }
    return encodeURIComponent(value);
  });
}
