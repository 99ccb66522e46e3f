/**
 * @typedef {object} Finding
 * @property {string} path From the root of the repository.
 * @property {number} line Counts from 1.
 * @property {string} rule
 * @property {string} why What is there, without a full stop.
 * @property {string} where What to do about it, without a full stop.
 */
export {};
