/** The version that the rest of the code sees. The one place to change when there is a newer one. */
export type { VmmLifeV1 as VmmLife } from './v1.js';
export { type VmmStateV2 as VmmState, vmmStateV2 as vmmStateSchema } from './v2.js';
