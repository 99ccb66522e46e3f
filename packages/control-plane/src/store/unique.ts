/** True where a row was refused because another has the same key (unique_violation): two requests for one name came at once. */
export function isUniqueViolation(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === '23505';
}
