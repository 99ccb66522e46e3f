/** The version that the rest of the code sees. The one place to change when there is a newer one. */
export {
  type ComponentV3 as Component,
  componentV3 as componentSchema,
  type InstanceSpecV3 as InstanceSpec,
  type InstanceSpecV3Input as InstanceSpecInput,
  instanceSpecV3 as instanceSpecSchema,
} from './v3.js';
