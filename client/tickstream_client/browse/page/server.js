// Questions to the server of this page, and what can be wrong with their answers, as one family.

const TOKEN = "tickstream-token";
const SILENCE_MS = 60_000;

/** kind: `gone`, `token`, `credentials`, `throttled`, `unanswered`, `failing`, `unknown` or `question`. */
export class Trouble extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// The token comes behind the address's # and stays in this tab alone.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(TOKEN, given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** Asks, and is given up when the signal says so or nothing comes for a minute. */
async function ask(path, asked, signal, take) {
  const silent = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), SILENCE_MS);
  };
  heard();
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
  try {
    const answer = await fetch(`api/${path}?${query}`, {
      headers: { "X-Tickstream-Token": sessionStorage.getItem(TOKEN) ?? "" },
      signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
    });
    return await take(answer, heard);
  } catch (error) {
    if (error instanceof Trouble || signal?.aborted) throw error;
    throw new Trouble("gone", "`tickstream browse` does not answer");
  } finally {
    clearTimeout(timer);
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  let error = null;
  try {
    ({ error } = await answer.json());
  } catch { /* none of ours: a page of somebody else's */ }
  throw error ? new Trouble(error.kind, error.message) : new Trouble("gone", "what answers is no `tickstream browse`");
}

/** Reads one answer of JSON. */
export const read = (path, asked = {}, signal = null) =>
  ask(path, asked, signal, async (answer) => (await checked(answer)).json());

/** Reads lines of JSON as they come, and hands each on. */
export const readLines = (path, asked, signal, onLine) =>
  ask(path, asked, signal, async (answer, heard) => {
    const reader = (await checked(answer)).body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      heard();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) onLine(JSON.parse(line));
    }
  });
