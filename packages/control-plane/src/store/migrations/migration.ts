/** One step of the tables: additive, so that the release before it goes on working on the same database. */
export interface SchemaMigration {
  /** `NNNN-what`; kept in the database for good. */
  readonly name: string;
  /** Run in order, in one transaction. */
  readonly statements: readonly string[];
}
