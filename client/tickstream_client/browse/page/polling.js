// Something that is read again and again: soon after it changed, seldom where nothing happens, later after each failure.

const SOON_MS = 2_000;
const SELDOM_MS = 30_000;
const LATEST_MS = 60_000;

export class Polling {
  /**
   * read(signal): reads, and says whether anything changed. told(polling): after each reading.
   */
  constructor(read, told) {
    this.read = read;
    this.told = told;
    this.pause = SOON_MS;
    this.least = SOON_MS;
    this.readAt = null;
    this.nextAt = null;
    this.trouble = null;
    this.asking = null;
    this.timer = null;
    // A page that nobody sees asks nothing.
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.timer) : this.#plan(0)));
    addEventListener("online", () => this.now());
  }

  /** Reads now, whatever is under way, and resolves when that is done. */
  async now() {
    this.asking?.abort();
    clearTimeout(this.timer);
    const asking = (this.asking = new AbortController());
    const began = performance.now();
    try {
      const changed = await this.read(asking.signal);
      if (this.asking !== asking) return;
      this.trouble = null;
      this.readAt = Date.now();
      // What takes long to read is read seldom: at most a third of the time is spent on it.
      this.least = Math.max(SOON_MS, 2 * (performance.now() - began));
      this.pause = changed ? this.least : Math.max(this.least, Math.min(this.pause * 1.5, SELDOM_MS));
    } catch (error) {
      if (this.asking !== asking || asking.signal.aborted) return;
      if (error.kind === undefined) throw error;
      this.pause = this.trouble ? Math.min(this.pause * 2, LATEST_MS) : SOON_MS;
      this.trouble = error;
    } finally {
      if (this.asking === asking) {
        this.asking = null;
        if (!document.hidden) this.#plan(this.pause);
      }
    }
    this.told(this);
  }

  /** Reads as soon as something that changed is read again: there is news from elsewhere. */
  soon() {
    if (this.asking || this.trouble || document.hidden) return;
    this.pause = this.least;
    if (this.nextAt === null || this.nextAt > Date.now() + this.least) this.#plan(this.least);
  }

  #plan(pause) {
    if (this.asking) return;
    clearTimeout(this.timer);
    this.nextAt = Date.now() + pause;
    this.timer = setTimeout(() => this.now(), pause);
  }
}
