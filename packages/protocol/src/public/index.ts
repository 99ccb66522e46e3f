/** The public API's contract: what runs in a browser too. Names of one version stay in `v1/`. */
export { type PublicEndpointName, type PublicPathParameters, publicPath } from './path.js';
export { publicApiV1, publicEndpointsV1 } from './v1/endpoints.js';
export * from './versions.js';
