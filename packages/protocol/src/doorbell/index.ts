export * from './doorbell.js';
export * from './upcall.js';
