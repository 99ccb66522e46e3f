/** The version that the rest of the code sees. The one place to change when there is a newer one. */
export { type HostV2 as Host, hostV2 as hostSchema } from './v2.js';
