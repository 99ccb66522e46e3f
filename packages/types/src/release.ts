/**
 * The release of Drover that this is, semver. A constant, because this package also runs in browsers; a test holds it to the
 * version of every package.
 */
export const RELEASE = '0.2.0';
