export {
  type ControlPlane,
  type ControlPlaneParts,
  type ControlPlaneSurroundings,
  startControlPlane,
} from './control-plane.js';
export { controlPlaneErrors } from './errors.js';
export { type ControlPlaneOptions, controlPlaneOptionsSchema } from './options.js';
