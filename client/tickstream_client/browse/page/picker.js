// The box for a symbol: completes by prefix, and takes whatever is typed where the server has no list.

import { read } from "./server.js";
import { isoDay } from "./clock.js";

const WAIT_MS = 120;

export class Picker {
  /** picked({symbol, first, last}): first and last are null where they are not known. */
  constructor(box, list, picked) {
    this.box = box;
    this.list = list;
    this.picked = picked;
    this.found = [];
    this.active = -1;
    this.asking = null;
    this.timer = null;
    this.symbol = "";
    box.addEventListener("input", () => {
      // What is typed counts, and no more what was chosen before.
      this.active = -1;
      box.removeAttribute("aria-activedescendant");
      this.#later();
    });
    box.addEventListener("focus", () => {
      box.select();
      this.#later(0, "");
    });
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("blur", () => {
      this.#close();
      box.value = this.symbol;
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.#pick(this.found[Number(option.dataset.place)]);
    });
  }

  set(symbol) {
    this.symbol = this.box.value = symbol;
  }

  /** What is known of a symbol, or of the first one that begins so. */
  async known(symbol) {
    const { symbols } = await read("symbols", { prefix: symbol });
    return symbols.find((one) => one.symbol === symbol) ?? (symbol ? { symbol, first: null, last: null } : symbols[0] ?? null);
  }

  #later(wait = WAIT_MS, prefix = null) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(prefix ?? this.box.value.trim()), wait);
  }

  async #ask(prefix) {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    let answer;
    try {
      answer = await read("symbols", { prefix }, asking.signal);
    } catch (error) {
      if (asking.signal.aborted) return;
      if (error.kind === undefined) throw error;
      answer = { symbols: [], hasMore: false, isKnown: true, trouble: error.message };
    }
    if (asking !== this.asking || document.activeElement !== this.box) return;
    this.found = answer.symbols;
    this.active = -1;
    this.list.replaceChildren(...this.found.map((one, place) => {
      const option = document.createElement("li");
      option.id = `symbol-${place}`;
      option.role = "option";
      option.dataset.place = place;
      const name = document.createElement("b");
      name.textContent = one.symbol;
      const span = document.createElement("span");
      span.textContent = one.last === null ? "" : `${isoDay(one.first ?? one.last)} – ${isoDay(one.last)}`;
      option.append(name, span);
      return option;
    }));
    const note = answer.trouble ?? (!answer.isKnown ? "this server has no list of symbols: type one, and Enter"
      : answer.hasMore ? "and more: type on" : this.found.length ? "" : "no symbol begins so");
    if (note) {
      const line = document.createElement("li");
      line.role = "presentation";
      line.className = "note";
      line.textContent = note;
      this.list.append(line);
    }
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
  }

  #key(event) {
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      if (this.list.hidden) return this.#later(0);
      const count = this.found.length;
      if (count) this.#activate((this.active + (key === "ArrowDown" ? 1 : -1) + (this.active < 0 && key === "ArrowUp" ? 1 : 0) + count) % count);
    } else if (key === "Enter") {
      event.preventDefault();
      const typed = this.box.value.trim();
      const one = this.found[this.active] ?? this.found.find(({ symbol }) => symbol === typed) ?? (typed && { symbol: typed, first: null, last: null });
      if (one) this.#pick(one);
    } else if (key === "Escape") {
      this.box.value = this.symbol;
      this.#close();
      this.box.blur();
    }
    return undefined;
  }

  #activate(place) {
    this.active = place;
    for (const option of this.list.querySelectorAll("[role=option]")) {
      const isActive = Number(option.dataset.place) === place;
      option.setAttribute("aria-selected", String(isActive));
      if (isActive) option.scrollIntoView({ block: "nearest" });
    }
    this.box.setAttribute("aria-activedescendant", `symbol-${place}`);
    this.box.value = this.found[place].symbol;
  }

  #pick(one) {
    this.set(one.symbol);
    this.#close();
    this.box.blur();
    if (one.last !== null) this.picked(one);
    else this.#pickTyped(one);
  }

  /** Of a symbol that was typed before its list came the days are asked for: they are what is shown first. */
  async #pickTyped(one) {
    let found = one;
    try {
      found = await this.known(one.symbol);
    } catch (error) {
      if (error.kind === undefined) throw error;
    }
    if (this.symbol === one.symbol) this.picked(found);
  }

  #close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
  }
}
