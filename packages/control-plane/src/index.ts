export { controlPlaneErrors } from './errors.js';
