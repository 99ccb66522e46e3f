import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reports that a whole run leaves behind; one that is missing means that its runner died. */
export const expectedReports = [
  ...[
    'types',
    'protocol',
    'machine',
    'vmm',
    'source-agent',
    'destination-agent',
    'host-agent',
    'client',
    'control-plane',
    'cli',
  ].map((name) => `packages/${name}/test-results/${name}.json`),
  'native/test-results/native.json',
  'native/test-results/core.json',
  'native/test-results/core-address.json',
  'native/test-results/core-thread.json',
  'tools/test-results/tools.json',
  'e2e/test-results/migrate.json',
  'e2e/test-results/others.json',
];

/**
 * @typedef {{ passed: number, failed: string[], skipped: string[] }} Counts
 * @param {string} root
 * @returns {Counts & { unreadable: string[] }}
 */
export function readResults(root) {
  const total = {
    passed: 0,
    failed: /** @type {string[]} */ ([]),
    skipped: /** @type {string[]} */ ([]),
    unreadable: /** @type {string[]} */ ([]),
  };
  for (const file of expectedReports) {
    const path = join(root, file);
    if (!existsSync(path)) {
      total.unreadable.push(file);
      continue;
    }
    const report = JSON.parse(readFileSync(path, 'utf8'));
    const counts = 'testsuites' in report ? fromGoogleTest(report, file) : fromVitest(report, file);
    total.passed += counts.passed;
    total.failed.push(...counts.failed);
    total.skipped.push(...counts.skipped);
  }
  return total;
}

/**
 * @param {{ testResults: Array<{ name: string, status: string, message?: string, assertionResults: Array<{ fullName: string, status: string }> }> }} report
 * @param {string} file
 * @returns {Counts}
 */
export function fromVitest(report, file) {
  /** @type {Counts} */
  const counts = { passed: 0, failed: [], skipped: [] };
  for (const suite of report.testResults) {
    if (suite.status === 'failed' && suite.assertionResults.length === 0) {
      counts.failed.push(`${file}: ${suite.name}: ${suite.message ?? 'the file did not load'}`);
    }
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') counts.failed.push(`${file}: ${test.fullName}`);
      else counts.skipped.push(`${file}: ${test.fullName}`);
    }
  }
  return counts;
}

/**
 * @param {{ testsuites: Array<{ name: string, testsuite: Array<{ name: string, result: string, status: string, failures?: unknown[], skipped?: Array<{ message: string }> }> }> }} report
 * @param {string} file
 * @returns {Counts}
 */
export function fromGoogleTest(report, file) {
  /** @type {Counts} */
  const counts = { passed: 0, failed: [], skipped: [] };
  for (const suite of report.testsuites) {
    for (const test of suite.testsuite) {
      const name = `${file}: ${suite.name}.${test.name}`;
      if (test.failures) counts.failed.push(name);
      else if (test.result === 'SKIPPED')
        counts.skipped.push(`${name}: ${test.skipped?.[0]?.message ?? 'see above'}`);
      else if (test.status === 'RUN') counts.passed += 1;
    }
  }
  return counts;
}
