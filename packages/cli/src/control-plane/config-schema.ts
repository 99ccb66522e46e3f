export const controlPlaneConfigKeys: readonly string[] = [];
