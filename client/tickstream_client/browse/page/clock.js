// Moments in words, in the zone that the reader chose. Seconds since 1970 everywhere.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone;
export const ZONES = [...new Set(["UTC", LOCAL, "America/New_York", "America/Chicago", "Europe/London", "Europe/Berlin", "Asia/Tokyo", "Asia/Hong_Kong"])];
const two = (number) => String(number).padStart(2, "0");

export class Clock {
  constructor(zone) {
    this.zone = ZONES.includes(zone) ? zone : "UTC";
    this.known = new Map();
    this.format = new Intl.DateTimeFormat("en-US", { timeZone: this.zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  }

  /** The moment as the wall's clock shows it, as if that were UTC. */
  wall(seconds) {
    if (this.zone === "UTC") return seconds;
    // No zone changes within a quarter of an hour of the clock.
    const quarter = Math.floor(seconds / 900);
    let offset = this.known.get(quarter);
    if (offset === undefined) {
      const parts = Object.fromEntries(this.format.formatToParts(quarter * 900_000).map(({ type, value }) => [type, Number(value)]));
      offset = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute) / 1_000 - quarter * 900;
      this.known.set(quarter, offset);
    }
    return seconds + offset;
  }

  date(seconds) {
    const at = new Date(this.wall(seconds) * 1_000);
    return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
  }

  time(seconds) {
    const at = new Date(this.wall(seconds) * 1_000);
    return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  }

  get name() {
    return this.zone === "UTC" ? "UTC" : this.zone.split("/").pop().replaceAll("_", " ");
  }

  /**
   * Places at which an axis of bars has marks: `[place, label, isDay]`, at most about `most`. The first one behind `sight`
   * says its day.
   */
  marks(starts, first, end, most, sight) {
    let found = [];
    for (const [name, of] of STEPS) {
      found = [];
      let before = first > 0 ? of(this.wall(starts[first - 1])) : null;
      for (let i = first; i < end && found.length <= most; i++) {
        const now = of(this.wall(starts[i]));
        if (now !== before) found.push(i);
        before = now;
      }
      if (found.length <= most) return this.#labels(starts, found, name, (end - first) / most / 1.6, sight);
    }
    return [];
  }

  #labels(starts, places, step, least, sight) {
    const made = [];
    let day = null, isSaid = false;
    for (const i of places) {
      const at = new Date(this.wall(starts[i]) * 1_000);
      const today = Math.floor(at.getTime() / 86_400_000);
      const isDay = today !== day;
      // Marks that would stand in each other's way: that of a new day stays.
      if (made.length && i - made.at(-1)[0] < least) {
        if (step !== "minutes" || !isDay) continue;
        made.pop();
      }
      const isFirst = !isSaid && i >= sight;
      isSaid ||= isFirst;
      made.push([i, this.#label(starts[i], at, step, (isDay && step === "minutes") || isFirst), isDay && day !== null && step === "minutes"]);
      day = today;
    }
    return made;
  }

  #label(start, at, step, isNew) {
    const [name, year] = [MONTHS[at.getUTCMonth()], at.getUTCFullYear()];
    if (step === "years") return String(year);
    if (step === "months") return isNew || at.getUTCMonth() === 0 ? `${name}<br>${year}` : name;
    if (step === "days") return `${at.getUTCDate()} ${name}${isNew ? `<br>${year}` : ""}`;
    return isNew ? `${this.time(start)}<br>${at.getUTCDate()} ${name} ${year}` : this.time(start);
  }
}

const month = (wall) => {
  const at = new Date(wall * 1_000);
  return at.getUTCFullYear() * 12 + at.getUTCMonth();
};
const STEPS = [
  ...[60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200].map((seconds) => ["minutes", (wall) => Math.floor(wall / seconds)]),
  ["days", (wall) => Math.floor(wall / 86_400)],
  ["days", (wall) => Math.floor((wall / 86_400 + 3) / 7)],
  ["months", month],
  ["months", (wall) => Math.floor(month(wall) / 3)],
  ["years", (wall) => Math.floor(month(wall) / 12)],
  ["years", (wall) => Math.floor(month(wall) / 60)],
];

/** How long ago, in a few letters. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s ago`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3_600)} h ago`;
}

export const isoDay = (seconds) => new Date(seconds * 1_000).toISOString().slice(0, 10);
export const dayAfter = (day, days = 1) => isoDay(Date.parse(`${day}T00:00:00Z`) / 1_000 + days * 86_400);
