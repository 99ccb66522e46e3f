export * from './agent/contract.js';
export * from './peer/messages-v1.js';
export * from './peer/registry.js';
