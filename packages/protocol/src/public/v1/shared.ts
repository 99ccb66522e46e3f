/** What the parts of the public API's version 1 share: names, labels, pages. */
import { z } from 'zod';

/** What hosts and instances are called and marked with. */
export const nameV1 = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'is not a name (letters, digits, . _ -)');
export const labelsV1 = z
  .record(z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/), z.string().max(253))
  .refine((labels) => Object.keys(labels).length <= 32, 'has more than 32 labels');
export const decimal = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);
export const count = z.int().min(0);

export const pageV1 = {
  /** Items a page, at most. */
  limit: z.coerce.number().int().min(1).max(500).default(100),
  /** `nextCursor` of the page before. */
  cursor: z.string().max(512).optional(),
};
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
