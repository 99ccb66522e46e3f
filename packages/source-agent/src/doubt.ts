/**
 * A handover whose outcome is not known here: how often it was asked, what came of it, and an operator's word that the destination is lost.
 *
 * The word is taken by whoever asks, between two questions, so that it can never cross an answer: see `in-doubt.ts`.
 */

/** What became of {@link Doubt.takeBack}. */
export type TakeBackAnswer =
  | { readonly kind: 'taken-back' }
  /** The destination can be asked, and its journal says otherwise; what it says is acted on. */
  | { readonly kind: 'contradicted'; readonly sentence: string }
  /** It was settled, or the agent stopped, before the word was heard. */
  | { readonly kind: 'over' };

export class Doubt {
  #attempts = 0;
  #lastAnswer: string | null = null;
  #over = false;
  #wish: { readonly reason: string; readonly answer: (answer: TakeBackAnswer) => void } | null = null;
  #wake: () => void = () => {};

  /** How often the destination was asked. */
  get attempts(): number {
    return this.#attempts;
  }

  /** What came of the last try, as a sentence; null before the first. */
  get lastAnswer(): string | null {
    return this.#lastAnswer;
  }

  /**
   * The operator declares the destination lost for good, `reason` says how that is known. It is asked once more; unless its journal can be had and
   * says otherwise, the instance is taken back under an epoch above the one given away. Resolves once that is on disk.
   */
  takeBack(reason: string): Promise<TakeBackAnswer> {
    if (this.#over || this.#wish) return Promise.resolve({ kind: 'over' });
    return new Promise((answer) => {
      this.#wish = { reason, answer };
      this.#wake();
    });
  }

  /** For whoever asks: why the instance is wanted back; null while nobody does. */
  get wanted(): string | null {
    return this.#wish?.reason ?? null;
  }

  /** For whoever asks: what a question brought. */
  answered(sentence: string): void {
    this.#attempts += 1;
    this.#lastAnswer = sentence;
  }

  /** For whoever asks: the answer to the operator. */
  decide(answer: TakeBackAnswer): void {
    const wish = this.#wish;
    this.#wish = null;
    wish?.answer(answer);
  }

  /** For whoever asks: resolves when an operator has spoken. */
  heard(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#wish) resolve();
    });
  }

  /** For whoever asks: nothing is left to decide. */
  end(): void {
    this.#over = true;
    this.decide({ kind: 'over' });
  }
}
